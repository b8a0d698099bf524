package admin_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/admin"
	"sallyport/identity/owners"
)

// withOwners puts another owners.yaml in force, and says how to take the policies away.
func (f *fixture) withOwners(t *testing.T, text string) {
	t.Helper()
	directory, err := owners.Parse("owners.yaml", []byte(text))
	require.NoError(t, err)
	view := f.View()
	view.Owners = directory
	f.Service.View = func() admin.View { return view }
}

const (
	danaIsThere = "people: {dana: {name: Dana}, kim: {name: Kim}}\nteams: {platform: {members: [kim]}}\nfallback: kim\n"
	danaIsGone  = "people: {kim: {name: Kim}}\nteams: {platform: {members: [kim]}}\nfallback: kim\n"
)

func TestAnAgentWithoutItsOwnerIsSuspendedAfterTheGrace(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.withOwners(t, danaIsThere)
	s := f.As(admin.Principal{UID: 1, User: "server", Via: "server"})
	create := func(owner, name string) admin.Agent {
		e, err := s.CreateAgent(t.Context(), admin.CreateRequest{Policy: "p", Owner: owner, Name: name, TTL: admin.Duration(240 * time.Hour)})
		require.NoError(t, err)
		return e.Agent
	}
	orphan, kept := create("person:dana", "orphan"), create("team:platform", "kept")
	next, err := s.SuspendOrphans(t.Context(), 72*time.Hour)
	require.NoError(t, err)
	assert.Zero(t, next, "everybody has an owner")

	f.withOwners(t, danaIsGone)
	left := f.now
	next, err = s.SuspendOrphans(t.Context(), 72*time.Hour)
	require.NoError(t, err)
	assert.WithinDuration(t, left.Add(72*time.Hour), next, time.Millisecond)
	assert.Equal(t, "owner.missing", f.trail.types()[len(f.trail.types())-1])
	a, err := s.Agent(t.Context(), orphan.ID.String())
	require.NoError(t, err)
	assert.Equal(t, "active", a.Status, "the grace is running")
	require.NotNil(t, a.Accountable)
	assert.Equal(t, "person:kim", *a.Accountable, "the fallback answers meanwhile")
	_, err = s.RenewAgent(t.Context(), admin.RenewRequest{ID: orphan.ID.String(), TTL: admin.Duration(time.Hour)})
	require.ErrorContains(t, err, "its owner person:dana is not in owners.yaml")

	// Asked again, by a server that was started anew: the grace does not begin anew.
	f.now = left.Add(71 * time.Hour)
	again, err := s.SuspendOrphans(t.Context(), 72*time.Hour)
	require.NoError(t, err)
	assert.Equal(t, next, again)

	f.now = left.Add(73 * time.Hour)
	next, err = s.SuspendOrphans(t.Context(), 72*time.Hour)
	require.NoError(t, err)
	assert.Zero(t, next)
	a, err = s.Agent(t.Context(), orphan.ID.String())
	require.NoError(t, err)
	assert.Equal(t, "suspended", a.Status)
	assert.Contains(t, *a.Reason, "person:dana has been missing from owners.yaml since")
	assert.Contains(t, f.cut, orphan.ID)
	other, err := s.Agent(t.Context(), kept.ID.String())
	require.NoError(t, err)
	assert.Equal(t, "active", other.Status)
	_, err = s.ResumeAgent(t.Context(), admin.StatusRequest{ID: orphan.ID.String()})
	require.ErrorContains(t, err, "its owner person:dana is not in owners.yaml")

	f.withOwners(t, danaIsThere)
	_, err = s.SuspendOrphans(t.Context(), 72*time.Hour)
	require.NoError(t, err)
	assert.Equal(t, "owner.returned", f.trail.types()[len(f.trail.types())-1])
	_, err = s.ResumeAgent(t.Context(), admin.StatusRequest{ID: orphan.ID.String()})
	require.NoError(t, err)
}

func TestAMissingOwnerIsToldToTheTrailBeforeItIsNoted(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.withOwners(t, danaIsThere)
	s := f.As(admin.Itself())
	_, err := s.CreateAgent(t.Context(), admin.CreateRequest{Policy: "p", Owner: "person:dana", TTL: admin.Duration(time.Hour)})
	require.NoError(t, err)
	f.withOwners(t, danaIsGone)
	f.trail.fail = "owner.missing"
	_, err = s.SuspendOrphans(t.Context(), time.Hour)
	require.ErrorContains(t, err, "disk full")
	f.trail.fail = ""
	_, err = s.SuspendOrphans(t.Context(), time.Hour)
	require.NoError(t, err)
	assert.Contains(t, f.trail.types(), "owner.missing")
}

func TestOrphansAreCountedInWarnings(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.withOwners(t, danaIsGone)
	agents := []admin.Agent{
		{Name: "a", Owner: "person:dana", Policy: "p", Status: "active"},
		{Name: "b", Owner: "person:dana", Policy: "gone", Status: "suspended"},
		{Name: "c", Owner: "person:dana", Policy: "gone", Status: "revoked"},
		{Name: "d", Owner: "person:dana", Policy: "gone", Status: "expired"},
		{Name: "e", Owner: "team:platform", Policy: "p", Status: "active"},
	}
	orphans := admin.FindOrphans(f.View(), agents)
	assert.Equal(t, []string{
		"owners.yaml: person:dana is not there and owns 2 live agents (a, b); what is active is suspended 72h0m0s after the owner went: put the owner back, or revoke the agents",
		"policies: gone.yaml is not there and is the policy of 1 live agent (b), which is denied everything: put it back, or revoke the agents",
	}, orphans.Warnings(72*time.Hour))
	require.NoError(t, admin.FindOrphans(f.View(), agents[4:]).Err(time.Hour))
}
