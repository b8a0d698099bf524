package main

import "io/fs"

// foreign is false: whom a file belongs to stands elsewhere on this system.
func foreign(fs.FileInfo) (owner uint32, yes bool) { return 0, false }

// checkClosed refuses nothing, for the same reason.
func checkClosed(string) error { return nil }
