package audit

import "time"

// Report is what Verify found.
type Report struct {
	OK        bool   `json:"ok"`
	State     State  `json:"state"`
	Events    uint64 `json:"events"`
	Exchanges uint64 `json:"exchanges"`
	Live      uint64 `json:"live"`    // exchanges without outcome that are no problem: a process runs, or did when this was copied
	Removed   uint64 `json:"removed"` // payloads that retention has removed
	// Checkpoint is the last event that a checkpoint covers, Outside the last
	// one that a checkpoint kept elsewhere covers; 0 for none.
	// The times are those of these events, and of the last event of all.
	Checkpoint   uint64     `json:"checkpoint"`
	CheckpointAt *time.Time `json:"checkpoint_at"`
	Outside      uint64     `json:"outside"`
	OutsideAt    *time.Time `json:"outside_at"`
	LastAt       *time.Time `json:"last_at"`
	// Continued tells of each restore after which the trail went on under a log identity
	// of its own.
	Continued []Continued `json:"continued"`
	// Root is the hash of the tree over all events (RFC 6962), in base64.
	Root string `json:"root"`
	// Problems names what is wrong, the first bad event first, no more than
	// maxProblems.
	Problems []string `json:"problems"`
}

// Continued is a restore, as the trail tells of it.
type Continued struct {
	Event  uint64 `json:"event"`
	Log    string `json:"log"`     // who signs from here on
	WasLog string `json:"was_log"` // who signed before
	// Vouched says that the key that was given is this log's, or a later one's. Otherwise
	// who went on is told by the trail alone.
	Vouched bool `json:"vouched"`
}

// State says in a word what a trail is.
type State string

// The states of a trail.
const (
	StateWhole State = "whole"
	// StateOpen is whole up to where it ends, but no process has ended it: it is a copy of
	// a trail that was being written, or its process died. The next start closes it.
	StateOpen State = "open"
	// StateIncomplete was open too, and the write-ahead log with its end is missing.
	StateIncomplete State = "incomplete"
	StateDamaged    State = "damaged"
)

// VerifyOptions are what Verify may check beyond the trail itself.
type VerifyOptions struct {
	// PublicKey verifies the signatures of checkpoints (a note verifier key).
	PublicKey string
	// Checkpoint is a signed checkpoint kept elsewhere. It alone can show that
	// the trail was rolled back, cut, or made anew since; it needs PublicKey.
	Checkpoint []byte
	// Progress is told now and then how many events are verified.
	Progress func(done, total uint64)
}
