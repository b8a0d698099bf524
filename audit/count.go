package audit

import "time"

// Group is what Stats counts exchanges by.
type Group string

// The groups of Stats.
const (
	ByAgent       Group = "agent"
	ByOwner       Group = "owner"
	ByAccountable Group = "accountable"
	ByHost        Group = "host"
	ByOperation   Group = "operation"
	ByCredential  Group = "credential"
	ByPolicy      Group = "policy"
	ByRule        Group = "rule"
)

// Groups are all of them, in the order in which people read them.
func Groups() []Group {
	return []Group{ByAgent, ByOwner, ByAccountable, ByHost, ByOperation, ByCredential, ByPolicy, ByRule}
}

// Count is how many exchanges of one agent, owner, host, operation and so on
// there are, and what became of them.
type Count struct {
	Name      string    `json:"name"` // "" for exchanges without one
	Exchanges uint64    `json:"exchanges"`
	Completed uint64    `json:"completed"`
	Refused   uint64    `json:"refused"`
	Failed    uint64    `json:"failed"` // every other end
	Open      uint64    `json:"open"`
	Last      time.Time `json:"last"` // when the newest one started
}

// Of is the word of x that it is counted by.
func (g Group) Of(x *Exchange) string {
	if g == ByAgent {
		return x.AgentName
	}
	return fieldOf(string(g)).value(x)
}
