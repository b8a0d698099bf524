package identity_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/identity"
)

// A process that another one has taken over from knows what that one changes, and
// changes nothing itself.
func TestFollow(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "identity.db")
	first, err := identity.Open(t.Context(), path, time.Now)
	require.NoError(t, err)
	defer func() { _ = first.Close() }()
	agent, err := first.Create(t.Context(), identity.Agent{Policy: "operator", Owner: "person:dana", ExpiresAt: time.Now().Add(time.Hour)})
	require.NoError(t, err)

	ctx, cancel := context.WithCancel(t.Context())
	followed := make(chan error, 1)
	go func() { followed <- first.Follow(ctx, 10*time.Millisecond) }()
	second, err := identity.Open(t.Context(), path, time.Now)
	require.NoError(t, err)
	defer func() { _ = second.Close() }()
	_, err = second.Suspend(t.Context(), agent.ID, "looks wrong")
	require.NoError(t, err)
	added, err := second.Create(t.Context(), identity.Agent{Policy: "operator", Owner: "person:dana", ExpiresAt: time.Now().Add(time.Hour)})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		known, _ := first.Lookup(agent.ID)
		_, new := first.Lookup(added.ID)
		return known.Status == identity.Suspended && new
	}, 10*time.Second, time.Millisecond)
	_, err = first.Resume(t.Context(), agent.ID)
	require.ErrorContains(t, err, "another process has taken over")

	cancel()
	require.NoError(t, <-followed)
	resumed, err := first.Resume(t.Context(), agent.ID)
	require.NoError(t, err)
	assert.Equal(t, identity.Active, resumed.Status)
}

// Who cannot see what is changed must know that.
func TestFollowFailsWithTheDatabase(t *testing.T) {
	t.Parallel()
	registry, err := identity.Open(t.Context(), filepath.Join(t.TempDir(), "identity.db"), time.Now)
	require.NoError(t, err)
	require.NoError(t, registry.Close())
	require.Error(t, registry.Follow(t.Context(), time.Millisecond))
}
