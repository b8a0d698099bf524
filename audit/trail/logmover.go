package trail

import (
	"errors"
	"log/slog"
	"sync/atomic"

	"sallyport/internal/sqlite"
)

// mover moves the write-ahead log into the database (SQLite calls that a checkpoint, which here is a
// signed head of the tree) on a connection and a goroutine of its own: to move it syncs the disk, which can take seconds
// on a busy one, and callers must not wait for that.
type mover struct {
	due   chan struct{}
	done  chan error
	pages atomic.Int64 // in the log, as it was left the last time
}

func startMover(path string, log *slog.Logger) (*mover, error) {
	db, err := sqlite.Open(path, sqlite.Options{Synchronous: sqlite.Normal, CacheKiB: 64, Connections: 1, ManualCheckpoint: true})
	if err != nil {
		return nil, err
	}
	c := &mover{due: make(chan struct{}, 1), done: make(chan error, 1)}
	go func() {
		for range c.due {
			pages, err := moveLog(db, "PASSIVE")
			if err != nil {
				log.Warn("audit trail: checkpoint of the write-ahead log", "error", err)
				continue
			}
			c.pages.Store(int64(pages))
		}
		c.done <- db.Close()
	}()
	return c, nil
}

// poke asks that the log be moved unless that is due already.
func (c *mover) poke() {
	select {
	case c.due <- struct{}{}:
	default:
	}
}

// stop ends the goroutine without waiting for it.
func (c *mover) stop() { close(c.due) }

// close ends the goroutine and waits for it.
func (c *mover) close() error {
	c.stop()
	return errors.Join(<-c.done)
}
