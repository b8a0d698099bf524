package heap

// Percent is percent.
var Percent = percent
