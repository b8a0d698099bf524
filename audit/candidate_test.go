package audit_test

import (
	"encoding/json"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
)

// began is an exchange of an agent that began at a minute.
func began(agent uuid.UUID, name, accountable string, at int) *audit.Exchange {
	x := &audit.Exchange{Intent: audit.Intent{ID: audit.NewID(), StartedAt: minute(at)}}
	x.Agent, x.AgentName, x.Owner, x.Accountable = agent, name, "team:web", accountable
	return x
}

// TestCandidatesAreCountedByAgent: exchanges come the newest first, as a search tells them.
func TestCandidatesAreCountedByAgent(t *testing.T) {
	t.Parallel()
	builder, tester := uuid.New(), uuid.New()
	var c audit.Candidates
	assert.Empty(t, c.List(), "nobody before anything is added")
	c.Add(began(builder, "builder", "person:kim", 9))
	c.Add(began(tester, "tester", "person:dana", 8))
	c.Add(began(builder, "builder-was-called-so", "person:dana", 5))
	c.Add(began(builder, "builder", "person:dana", 2))
	assert.Equal(t, []audit.Candidate{
		{
			Agent: builder, AgentName: "builder", Owner: "team:web", Accountable: "person:kim",
			Exchanges: 3, First: minute(2), Last: minute(9),
		},
		{
			Agent: tester, AgentName: "tester", Owner: "team:web", Accountable: "person:dana",
			Exchanges: 1, First: minute(8), Last: minute(8),
		},
	}, c.List(), "names and who answers are those of the newest exchange")
}

func TestACandidateIsToldByStableKeys(t *testing.T) {
	t.Parallel()
	data, err := json.Marshal(audit.Candidate{AgentName: "builder", Exchanges: 2})
	require.NoError(t, err)
	var keys map[string]any
	require.NoError(t, json.Unmarshal(data, &keys))
	for _, key := range []string{"agent", "agent_name", "owner", "accountable", "exchanges", "first", "last"} {
		assert.Contains(t, keys, key)
	}
	assert.Len(t, keys, 7)
}
