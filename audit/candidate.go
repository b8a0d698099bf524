package audit

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"time"

	"github.com/google/uuid"
)

// Candidate is an agent that may have done what another system shows.
type Candidate struct {
	Agent       uuid.UUID `json:"agent"`
	AgentName   string    `json:"agent_name"`
	Owner       string    `json:"owner"`
	Accountable string    `json:"accountable"` // at its last exchange
	Exchanges   uint64    `json:"exchanges"`
	First       time.Time `json:"first"`
	Last        time.Time `json:"last"`
}

// Candidates are the agents behind exchanges that are added, the newest first.
type Candidates struct {
	list []Candidate
	at   map[uuid.UUID]int // in list, by agent
}

// Add counts an exchange for its agent.
func (c *Candidates) Add(x *Exchange) {
	i, known := c.at[x.Agent]
	if !known {
		if c.at == nil {
			c.at = make(map[uuid.UUID]int)
		}
		i = len(c.list)
		c.at[x.Agent] = i
		c.list = append(c.list, Candidate{Agent: x.Agent, AgentName: x.AgentName, Owner: x.Owner, Accountable: x.Accountable, Last: x.StartedAt})
	}
	c.list[i].Exchanges++
	c.list[i].First = x.StartedAt
}

// List is all of them in the order in which they were added.
func (c *Candidates) List() []Candidate { return c.list }

// Candidates returns the agents of the exchanges that match, most exchanges
// first, and the newest f.Limit of the exchanges; all of them are counted.
func (r *Reader) Candidates(ctx context.Context, f Filter) ([]Candidate, []Exchange, error) {
	limit := f.Limit
	f.Limit = 0
	var exchanges []Exchange
	var agents Candidates
	err := r.Each(ctx, f, func(x *Exchange) error {
		if len(exchanges) < limit {
			exchanges = append(exchanges, *x)
		}
		agents.Add(x)
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	list := append([]Candidate{}, agents.List()...)
	slices.SortFunc(list, func(a, b Candidate) int {
		return cmp.Or(cmp.Compare(b.Exchanges, a.Exchanges), b.Last.Compare(a.Last), cmp.Compare(a.Agent.String(), b.Agent.String()))
	})
	return list, exchanges, nil
}

// TokenMark is the mark of a token by its hash as GitHub's audit log shows it
// (hashed_token: SHA-256 in base64): the same as the fingerprint of its
// credential. It is false for what is no such hash.
func TokenMark(hashed string) (string, bool) {
	sum, err := base64.StdEncoding.DecodeString(hashed)
	if err != nil || len(sum) != 32 {
		return "", false
	}
	return hex.EncodeToString(sum), true
}
