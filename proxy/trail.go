package proxy

import (
	"context"

	"github.com/google/uuid"

	"sallyport/audit"
)

// Rows keeps exchanges. Nothing of a request leaves before Begin has returned nil, and nothing
// at all after it has returned an error.
type Rows interface {
	// Begin returns when the intent is on record for good, or why it is not.
	Begin(ctx context.Context, in *audit.Intent) error
	// End never waits: the outcome is kept until it is on record.
	End(id uuid.UUID, out *audit.Outcome)
}

// Refusals keeps what was refused before anything could leave, both of its events or none.
type Refusals interface {
	Refused(ctx context.Context, in *audit.Intent, out *audit.Outcome) error
}

// Recorder keeps events that are none of an exchange's two.
type Recorder interface {
	Record(ctx context.Context, e audit.Event) error
}

// Trail is all that the proxy asks of the audit trail, wherever that is kept.
type Trail interface {
	Rows
	Refusals
	Recorder
}
