//go:build !unix

package credentials

import (
	"io/fs"
	"path/filepath"
)

// The server runs on Unix only; elsewhere this package need only build.

func (Group) trusted(path string) (string, error) { return filepath.EvalSymlinks(path) }

func (Group) guarded(string, fs.FileInfo) error { return nil }

func (Group) readableByOthers(fs.FileInfo) bool { return false }

// Exclude does nothing: there are no such groups.
func (Group) Exclude(string) error { return nil }
