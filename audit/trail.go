// Package audit is the append-only trail.
package audit

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/google/uuid"
)

// Durability levels of Config.
const (
	DurabilityCommit = "commit" // survives a crash of the process
	DurabilityFsync  = "fsync"  // survives a loss of power
)

// Config says where the trail is and how safe a commit must be.
type Config struct {
	Path       string
	Durability string // DurabilityCommit (default) or DurabilityFsync
	Instance   string // names this process in every exchange
	Log        *slog.Logger
	Now        func() time.Time
}

// Trail writes the audit trail. It is safe for concurrent use.
type Trail struct{}

// Stats describes the writer's work since Open.
type Stats struct {
	Queue      int           // events waiting for the next commit
	Backlog    int           // outcomes kept after a failed commit
	Events     uint64        // events committed
	Commits    uint64        // group commits
	LastCommit time.Duration // how long the last one took
	AvgCommit  time.Duration // moving average
	Lag        uint64        // events not yet projected
}

var errNotBuilt = errors.New("audit trail is not built yet")

// Open opens the trail.
func Open(ctx context.Context, c Config) (*Trail, error) { return nil, errNotBuilt }

// Close flushes what is queued and waits for it.
func (t *Trail) Close(ctx context.Context) error { return errNotBuilt }

// Begin commits the intent.
func (t *Trail) Begin(ctx context.Context, in *Intent) error { return errNotBuilt }

// End records what came of an exchange, without waiting.
func (t *Trail) End(id uuid.UUID, out *Outcome) {}

// Refused commits both events of an exchange that was refused.
func (t *Trail) Refused(ctx context.Context, in *Intent, out *Outcome) error { return errNotBuilt }

// Record commits an event.
func (t *Trail) Record(ctx context.Context, e Event) error { return errNotBuilt }

// Err returns nil when the trail can be written, otherwise why not.
func (t *Trail) Err() error { return errNotBuilt }

// Stats describes the writer's work since Open.
func (t *Trail) Stats() Stats { return Stats{} }
