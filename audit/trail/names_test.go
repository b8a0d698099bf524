package trail_test

import (
	"context"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
	"sallyport/audit/trail"
)

func namesOf(t *testing.T, r *trail.Reader, by audit.Group) []string {
	t.Helper()
	found, err := r.Names(t.Context(), by)
	require.NoError(t, err)
	return slices.Sorted(maps.Keys(found))
}

// named is a trail in which two agents, two hosts and an operation are.
func named(t *testing.T) (*trail.Writer, string) {
	t.Helper()
	writer, path := open(t)
	for i := range 20 {
		in := intent()
		in.StartedAt = minute(i)
		if i%2 == 1 {
			in.Agent[15]++
			in.AgentName, in.Host, in.Operation, in.Credential, in.Rule = "builder", "api.github.com", "github:git/push", "", ""
		}
		require.NoError(t, writer.Begin(t.Context(), in))
		out := outcome()
		out.EndedAt = in.StartedAt
		writer.End(in.ID, out)
	}
	return writer, path
}

// TestNamesAreThoseThatTheTrailKnows, projected or not yet.
func TestNamesAreThoseThatTheTrailKnows(t *testing.T) {
	t.Parallel()
	writer, path := named(t)
	r := reader(t, path)
	agent, other := intent().Agent, intent().Agent
	other[15]++
	for range 2 {
		assert.Equal(t, []string{agent.String(), other.String(), "builder", "worker"}, namesOf(t, r, audit.ByAgent))
		assert.Equal(t, []string{"api.anthropic.com", "api.github.com"}, namesOf(t, r, audit.ByHost))
		assert.Equal(t, []string{"github:git/push"}, namesOf(t, r, audit.ByOperation), "no name is none")
		assert.Equal(t, []string{"anthropic"}, namesOf(t, r, audit.ByCredential))
		assert.Equal(t, []string{"model"}, namesOf(t, r, audit.ByRule))
		assert.Equal(t, []string{"person:dana"}, namesOf(t, r, audit.ByOwner))
		require.NoError(t, writer.Close(context.Background()))
	}
}

// TestNamesOfAgentsThatNeverAsked are known by what was done to them, and stay when retention
// has removed what they did.
func TestNamesOfAgentsThatNeverAsked(t *testing.T) {
	t.Parallel()
	writer, path := named(t)
	require.NoError(t, writer.Record(t.Context(), audit.Event{
		Type: audit.TypeAgentCreated, Payload: map[string]any{"agent": "id-of-newcomer", "name": "newcomer", "owner": "team:new", "policy": "p"},
	}))
	require.NoError(t, writer.Record(t.Context(), audit.Event{Type: audit.TypeCredentialChecked, Payload: map[string]any{"credential": "npm"}}))
	require.NoError(t, writer.Record(t.Context(), audit.Event{Type: "agentless.note", Payload: map[string]any{"name": "no agent", "owner": "team:none"}}))
	r := reader(t, path)
	assert.Subset(t, namesOf(t, r, audit.ByAgent), []string{"newcomer", "id-of-newcomer", "worker"})
	assert.NotContains(t, namesOf(t, r, audit.ByAgent), "no agent")
	assert.Equal(t, []string{"person:dana", "team:new"}, namesOf(t, r, audit.ByOwner))
	assert.Equal(t, []string{"anthropic", "npm"}, namesOf(t, r, audit.ByCredential))
	require.Eventually(t, func() bool { return writer.Stats().Lag == 0 }, 10*time.Second, time.Millisecond)
	_, err := writer.Prune(t.Context(), audit.PruneRequest{Before: minute(1000)})
	require.NoError(t, err)
	require.NoError(t, writer.Close(context.Background()))
	assert.Equal(t, []string{"id-of-newcomer", "newcomer"}, namesOf(t, r, audit.ByAgent))
	assert.Equal(t, []string{"team:new"}, namesOf(t, r, audit.ByOwner))
}

// TestCandidatesAreTheAgentsOfWhatMatches, the most exchanges first; only the newest exchanges are told.
func TestCandidatesAreTheAgentsOfWhatMatches(t *testing.T) {
	t.Parallel()
	writer, path := named(t)
	extra := intent()
	extra.StartedAt = minute(100)
	require.NoError(t, writer.Refused(t.Context(), extra, outcome()))
	agents, list, err := reader(t, path).Candidates(t.Context(), audit.Filter{Limit: 3})
	require.NoError(t, err)
	require.Len(t, agents, 2)
	assert.Equal(t, "worker", agents[0].AgentName)
	assert.EqualValues(t, 11, agents[0].Exchanges)
	assert.Equal(t, minute(100), agents[0].Last)
	assert.Equal(t, minute(0), agents[0].First)
	assert.EqualValues(t, 10, agents[1].Exchanges)
	require.Len(t, list, 3)
	assert.Equal(t, extra.ID, list[0].ID)
	agents, list, err = reader(t, path).Candidates(t.Context(), audit.Filter{Host: "nowhere", Limit: 3})
	require.NoError(t, err)
	assert.NotNil(t, agents, "nobody is an empty list in JSON")
	assert.Empty(t, agents)
	assert.Empty(t, list)
}

func TestWhatIsNothingToCountByIsRefused(t *testing.T) {
	t.Parallel()
	_, path := open(t)
	r := reader(t, path)
	_, err := r.Stats(t.Context(), "colour", audit.Filter{})
	require.ErrorContains(t, err, `"colour" is nothing to count by`)
	for _, f := range []audit.Filter{{Resource: "acme/web"}, {Text: "abc"}} {
		_, err = r.Stats(t.Context(), audit.ByHost, f)
		require.ErrorContains(t, err, "not counted by resource or text")
	}
	counts, err := r.Stats(t.Context(), audit.ByHost, audit.Filter{})
	require.NoError(t, err)
	assert.Empty(t, counts)
}
