package trail

import (
	"errors"
	"log/slog"
	"sync/atomic"

	"sallyport/internal/sqlite"
)

// checkpointer moves the write-ahead log into the database on a connection and
// a goroutine of its own: a checkpoint syncs the disk, which can take seconds
// on a busy one, and callers must not wait for that.
type checkpointer struct {
	due   chan struct{}
	done  chan error
	pages atomic.Int64 // in the log, as of the last checkpoint
}

func startCheckpointer(path string, log *slog.Logger) (*checkpointer, error) {
	db, err := sqlite.Open(path, sqlite.Options{Synchronous: sqlite.Normal, CacheKiB: 64, Connections: 1, ManualCheckpoint: true})
	if err != nil {
		return nil, err
	}
	c := &checkpointer{due: make(chan struct{}, 1), done: make(chan error, 1)}
	go func() {
		for range c.due {
			pages, err := checkpoint(db, "PASSIVE")
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

// poke asks for a checkpoint unless one is due already.
func (c *checkpointer) poke() {
	select {
	case c.due <- struct{}{}:
	default:
	}
}

// stop ends the goroutine without waiting for it.
func (c *checkpointer) stop() { close(c.due) }

// close ends the goroutine and waits for it.
func (c *checkpointer) close() error {
	c.stop()
	return errors.Join(<-c.done)
}
