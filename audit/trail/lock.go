package trail

import (
	"errors"
	"os"
	"time"
)

// lockSuffix names the lock file beside the database. It is not the database
// itself: closing that a second time would drop SQLite's own locks.
const lockSuffix = "-writer"

var errLocked = errors.New("another process writes it: stop that one first")

// fileLock is held for as long as its file is open, so it ends with the
// process however that ends.
type fileLock struct{ file *os.File }

func (l *fileLock) release() error { return l.file.Close() }

// retryLocked tries for a quarter of a second: a reader that asks whether the
// trail is being written holds the lock for a moment.
func retryLocked(try func() error) error {
	err := try()
	for i := 0; i < 10 && errors.Is(err, errLocked); i++ {
		time.Sleep(25 * time.Millisecond)
		err = try()
	}
	return err
}
