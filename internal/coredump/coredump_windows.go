// Package coredump keeps the memory of this process to itself: a core dump would
// hold every secret and key of it.
package coredump

// Forbid has nothing to do where serve does not run.
func Forbid() error { return nil }
