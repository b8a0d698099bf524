package veil

import (
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Config is what is prepared for a command.
type Config struct {
	Helper []string // arguments with which this very program calls [Enter] in the new process
	Hide   []string // files and folders that the command shall not see
	Freeze []string // files and folders that it may see and not change, nor put others in their place
	Keep   []string // folders that exist, empty, for the command if they are in hidden ones
	Show   error    // why nothing shall be hidden; nil: hide if that is possible
	Server int      // the process whose administration the mark keeps from the command; 0 if unknown

	Stdin          io.Reader
	Stdout, Stderr io.Writer
}

// Ended is how a command ended.
type Ended struct {
	Code   int // if no signal ended it
	Signal int // that killed it; 0 if none did
}

// notice stands in a folder that is hidden, for whoever looks for what was there.
const (
	notice     = "HIDDEN"
	noticeText = "The folder that is otherwise here is hidden from commands of `sallyport run`.\n"
)

// Covers says whether dir is hidden from this process.
func Covers(dir string) bool {
	data, err := os.ReadFile(filepath.Join(dir, notice))
	return err == nil && string(data) == noticeText
}

// Resolve follows the symbolic links of each path and drops what does not exist
// and what lies in another one of the list.
func Resolve(paths []string) []string {
	var resolved []string
	for _, path := range paths {
		real, err := filepath.EvalSymlinks(path)
		if err != nil {
			continue // nothing is there that could be seen
		}
		if real, err = filepath.Abs(real); err == nil && !Within(real, resolved) {
			resolved = append(resolved, real)
		}
	}
	var outermost []string
	for i, path := range resolved {
		others := append(append([]string{}, resolved[:i]...), resolved[i+1:]...)
		if !Within(path, others) {
			outermost = append(outermost, path)
		}
	}
	return outermost
}

// Within says whether path is one of the folders or lies in one.
func Within(path string, folders []string) bool {
	for _, folder := range folders {
		if path == folder || folder == "/" || strings.HasPrefix(path, folder+"/") {
			return true
		}
	}
	return false
}
