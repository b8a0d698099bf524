package admin

import (
	"errors"
	"fmt"
	"os"
)

// ErrLocked means that another process works on the state folder.
var ErrLocked = errors.New("another sallyport process works on this home")

// Lock is held by the one process that writes to a state folder. The kernel
// releases it when the process ends, however it ends.
type Lock struct{ file *os.File }

// Acquire takes the lock at path, at once or not at all. The error wraps
// [ErrLocked] when another process holds it.
func Acquire(path string) (*Lock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("%w; the state folder must be writable, by the user that runs this", err)
	}
	if err := lockFile(f); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
	}
	return &Lock{file: f}, nil
}

// Release gives the lock back. The file stays: removing it would let two
// processes lock two files of the same name.
func (l *Lock) Release() error { return l.file.Close() }
