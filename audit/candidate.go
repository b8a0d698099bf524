package audit

import (
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
