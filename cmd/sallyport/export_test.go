package main

// Main lets scripts run the command in a process of its own.
func Main() { main() }

// Printable is what people's output does to text that agents chose.
func Printable(s string) string { return printable(s) }
