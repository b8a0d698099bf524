//go:build !unix

package credentials

import (
	"io/fs"
	"path/filepath"
)

// The server runs on Unix only; elsewhere this package need only build.

func trusted(path string) (string, error) { return filepath.EvalSymlinks(path) }

func guarded(string, fs.FileInfo) error { return nil }

func readableByOthers(fs.FileInfo) bool { return false }
