package audit

import "context"

// Report is what Verify found.
type Report struct {
	OK        bool     `json:"ok"`
	Events    uint64   `json:"events"`
	Exchanges uint64   `json:"exchanges"`
	Live      uint64   `json:"live"` // open exchanges of the running process
	Root      string   `json:"root"` // hash of the tree over all events
	Problems  []string `json:"problems"`
}

// Verify checks the trail against itself.
func (r *Reader) Verify(ctx context.Context) (Report, error) { return Report{}, nil }
