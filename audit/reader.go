package audit

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// Filter selects exchanges; an empty field matches everything.
type Filter struct {
	Agent     uuid.UUID
	Owner     string
	Host      string
	Operation string
	Decision  string
	Since     time.Time
	Until     time.Time
	Limit     int // 0 means all
}

// EventFilter selects events; an empty field matches everything.
type EventFilter struct {
	Type  string
	After uint64 // only events after this seq
	Limit int    // 0 means all
}

// Reader reads a trail, from any process, while another writes it.
type Reader struct{}

// Report is what Verify found.
type Report struct {
	Events    uint64   `json:"events"`
	Exchanges uint64   `json:"exchanges"`
	Live      uint64   `json:"live"` // open exchanges of the running process
	OK        bool     `json:"ok"`
	Problems  []string `json:"problems"` // the first names the first bad event
}

// OpenReader opens the trail at path for reading only.
func OpenReader(path string) (*Reader, error) { return nil, errNotBuilt }

// Close closes the reader.
func (r *Reader) Close() error { return nil }

// List returns the newest exchanges that match, newest first.
func (r *Reader) List(ctx context.Context, f Filter) ([]Exchange, error) { return nil, errNotBuilt }

// Show returns one exchange and its events.
func (r *Reader) Show(ctx context.Context, id uuid.UUID) (Exchange, []EventRow, error) {
	return Exchange{}, nil, errNotBuilt
}

// Events calls fn for every matching event, oldest first.
func (r *Reader) Events(ctx context.Context, f EventFilter, fn func(EventRow) error) error {
	return errNotBuilt
}

// Tail calls fn for the newest exchanges and, when follow is set, for each one
// as it ends, until ctx is done.
func (r *Reader) Tail(ctx context.Context, follow bool, fn func(Exchange) error) error {
	return errNotBuilt
}

// Verify checks the trail against itself.
func (r *Reader) Verify(ctx context.Context) (Report, error) { return Report{}, errNotBuilt }
