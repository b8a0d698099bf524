package ship

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Cursor is the file that says up to which event everything was delivered, and
// where to. It is for one process; the caller locks it.
type Cursor struct {
	path  string
	state cursorState
}

type cursorState struct {
	To    string `json:"to"`
	After uint64 `json:"after"`
}

// OpenCursor reads the cursor at path. One that is not there begins at after; one
// of another destination is refused, so that nothing is left out by mistake.
func OpenCursor(path, to string, after uint64) (*Cursor, error) {
	c := &Cursor{path: path}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		c.state = cursorState{To: to, After: after}
		return c, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read cursor: %w", err)
	}
	if err := json.Unmarshal(data, &c.state); err != nil {
		return nil, fmt.Errorf("cursor %s is damaged: %w", path, err)
	}
	if c.state.To != to {
		return nil, fmt.Errorf("cursor %s is of %s, not %s", path, c.state.To, to)
	}
	return c, nil
}

// After is the last event that needs no delivery any more.
func (c *Cursor) After() uint64 { return c.state.After }

// Store replaces the file; after it returns, a crash or a loss of power leaves
// it as it is.
func (c *Cursor) Store(after uint64) (err error) {
	state := c.state
	state.After = after
	data, err := json.Marshal(state)
	if err != nil {
		return err
	}
	temporary, err := os.CreateTemp(filepath.Dir(c.path), ".cursor-*")
	if err != nil {
		return fmt.Errorf("store cursor: %w", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(temporary.Name())
		}
	}()
	_, err = temporary.Write(append(data, '\n'))
	if err = errors.Join(err, temporary.Sync(), temporary.Close()); err != nil {
		return fmt.Errorf("store cursor: %w", err)
	}
	if err := os.Rename(temporary.Name(), c.path); err != nil {
		return fmt.Errorf("store cursor: %w", err)
	}
	c.state = state
	return nil
}
