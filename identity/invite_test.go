package identity_test

import (
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/identity"
)

const (
	secretHash = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	keyA, keyB = "aaaa", "bbbb"
)

func invitation() identity.Invite {
	return identity.Invite{Policy: "operator", Owner: "team:platform", Uses: 1, AgentTTL: 24 * time.Hour, ExpiresAt: start.Add(10 * time.Minute)}
}

func invite(t testing.TB, r *identity.Registry, i identity.Invite) identity.Invite {
	t.Helper()
	made, err := r.AddInvite(t.Context(), i, secretHash)
	require.NoError(t, err)
	return made
}

func bearing(i identity.Invite, key string) identity.Joining {
	return identity.Joining{Invite: i.ID, SecretHash: secretHash, Key: key, From: netip.MustParseAddr("192.0.2.7")}
}

func TestAnInviteLetsOneAgentIn(t *testing.T) {
	t.Parallel()
	path := database(t)
	c := &clock{}
	r := open(t, path, c.now)
	i := invite(t, r, invitation())
	joined, err := r.Join(t.Context(), bearing(i, keyA))
	require.NoError(t, err)
	assert.False(t, joined.Again)
	assert.Equal(t, 1, joined.Invite.Used)
	a := joined.Agent
	assert.Equal(t, []string{"operator", "team:platform", "operator-" + a.ID.String()[:8]}, []string{a.Policy, a.Owner, a.Name})
	assert.WithinDuration(t, start.Add(24*time.Hour), a.ExpiresAt, time.Millisecond)
	require.NoError(t, r.Close())

	r = open(t, path, c.now)
	kept, found := r.Lookup(a.ID)
	assert.True(t, found)
	assert.Equal(t, a, kept)
	all, err := r.Invites(t.Context())
	require.NoError(t, err)
	require.Len(t, all, 1)
	assert.Equal(t, identity.InviteUsed, all[0].State(c.now()))
}

func TestAJoinWhoseAnswerWasLostIsAnsweredAgain(t *testing.T) {
	t.Parallel()
	r := open(t, database(t), (&clock{}).now)
	i := invite(t, r, invitation())
	first, err := r.Join(t.Context(), bearing(i, keyA))
	require.NoError(t, err)
	again, err := r.Join(t.Context(), bearing(i, keyA))
	require.NoError(t, err)
	assert.True(t, again.Again)
	assert.Equal(t, first.Agent, again.Agent)

	issue := func(serial string) error {
		return r.AddFirst(t.Context(), identity.Certificate{Serial: serial, Agent: first.Agent.ID, NotAfter: start.Add(time.Hour), Key: keyA})
	}
	require.NoError(t, issue("1"))
	require.NoError(t, issue("2"))
	assert.True(t, r.CertificateRevoked("1"), "of two answers only the last one counts")
	assert.False(t, r.CertificateRevoked("2"))
	r.Connected("2")()
	_, err = r.Join(t.Context(), bearing(i, keyA))
	require.ErrorContains(t, err, "in use")
	require.ErrorContains(t, issue("3"), "a certificate already")
}

func TestJoinRefuses(t *testing.T) {
	t.Parallel()
	here := netip.MustParsePrefix("192.0.2.0/24")
	tests := map[string]struct {
		invite func(*identity.Invite)
		before func(*testing.T, *identity.Registry, *clock, identity.Invite)
		show   func(*identity.Joining)
		want   string
		robbed bool
	}{
		"a wrong secret":                 {show: func(j *identity.Joining) { j.SecretHash = "1" + secretHash[1:] }, want: "not known here"},
		"an empty secret":                {show: func(j *identity.Joining) { j.SecretHash = "" }, want: "not known here"},
		"an unknown invite":              {show: func(j *identity.Joining) { j.Invite = uuid.New() }, want: "not known here"},
		"an unknown invite with nothing": {show: func(j *identity.Joining) { j.Invite, j.SecretHash = uuid.New(), "" }, want: "not known here"},
		"another network": {
			invite: func(i *identity.Invite) { i.Sources = []netip.Prefix{here} },
			show:   func(j *identity.Joining) { j.From = netip.MustParseAddr("192.0.3.7") }, want: "may not be used from 192.0.3.7",
		},
		"too late": {
			before: func(_ *testing.T, _ *identity.Registry, c *clock, _ identity.Invite) { c.advance(10 * time.Minute) }, want: "expired at",
		},
		"an ended invite": {
			before: func(t *testing.T, r *identity.Registry, _ *clock, i identity.Invite) {
				_, err := r.EndInvite(t.Context(), i.ID, "lost")
				require.NoError(t, err)
			}, want: "was revoked",
		},
		"a spent token with another key": {before: joinWith(keyB), want: "used up: 1 of 1", robbed: true},
		"a spent token, long after": {
			before: func(t *testing.T, r *identity.Registry, c *clock, i identity.Invite) {
				joinWith(keyB)(t, r, c, i)
				c.advance(time.Hour)
			}, want: "used up",
		},
		"more than were invited": {
			invite: func(i *identity.Invite) { i.Uses = 2 },
			before: func(t *testing.T, r *identity.Registry, c *clock, i identity.Invite) {
				joinWith(keyB)(t, r, c, i)
				joinWith("cccc")(t, r, c, i)
			}, want: "used up: 2 of 2",
		},
		"an invite whose agent was stopped": {
			invite: func(i *identity.Invite) { i.Uses = 5 },
			before: func(t *testing.T, r *identity.Registry, _ *clock, i identity.Invite) {
				joined, err := r.Join(t.Context(), bearing(i, keyB))
				require.NoError(t, err)
				_, err = r.Revoke(t.Context(), joined.Agent.ID, "it went wild")
				require.NoError(t, err)
			}, want: "suspended or revoked",
		},
		"the key of an agent that was stopped": {
			before: func(t *testing.T, r *identity.Registry, _ *clock, i identity.Invite) {
				joined, err := r.Join(t.Context(), bearing(i, keyA))
				require.NoError(t, err)
				_, err = r.Suspend(t.Context(), joined.Agent.ID, "")
				require.NoError(t, err)
			}, want: "may not act any more",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &clock{}
			r := open(t, database(t), c.now)
			i := invitation()
			if test.invite != nil {
				test.invite(&i)
			}
			i = invite(t, r, i)
			if test.before != nil {
				test.before(t, r, c, i)
			}
			known := len(r.List())
			j := bearing(i, keyA)
			if test.show != nil {
				test.show(&j)
			}
			_, err := r.Join(t.Context(), j)
			var refused *identity.RefusedJoin
			require.ErrorAs(t, err, &refused)
			assert.Contains(t, refused.Why, test.want)
			assert.NotEmpty(t, refused.Hint())
			assert.Equal(t, test.robbed, refused.Thief != uuid.Nil)
			assert.Len(t, r.List(), known, "nobody came in")
		})
	}
}

func joinWith(key string) func(*testing.T, *identity.Registry, *clock, identity.Invite) {
	return func(t *testing.T, r *identity.Registry, _ *clock, i identity.Invite) {
		t.Helper()
		_, err := r.Join(t.Context(), bearing(i, key))
		require.NoError(t, err)
	}
}

func TestAnInviteIsNeverUsedTooOften(t *testing.T) {
	t.Parallel()
	r := open(t, database(t), (&clock{}).now)
	i := invitation()
	i.Uses, i.Name = 3, "web"
	i = invite(t, r, i)
	var in atomic.Int64
	var all sync.WaitGroup
	for n := range 20 {
		all.Go(func() {
			if _, err := r.Join(t.Context(), bearing(i, fmt.Sprint("key", n))); err == nil {
				in.Add(1)
			}
		})
	}
	all.Wait()
	assert.EqualValues(t, 3, in.Load())
	names := map[string]bool{}
	for _, a := range r.List() {
		names[a.Name] = true
		assert.Regexp(t, "^web-[0-9a-f]{8}$", a.Name)
	}
	assert.Len(t, names, 3)
}

func TestAddInviteRefuses(t *testing.T) {
	t.Parallel()
	r := open(t, database(t), (&clock{}).now)
	for want, spoil := range map[string]func(*identity.Invite){
		"policy":     func(i *identity.Invite) { i.Policy = "" },
		"owner":      func(i *identity.Invite) { i.Owner = "dana" },
		"name":       func(i *identity.Invite) { i.Name = "a b" },
		"uses":       func(i *identity.Invite) { i.Uses = 0 },
		"life of":    func(i *identity.Invite) { i.ExpiresAt = start },
		"more than":  func(i *identity.Invite) { i.ExpiresAt = start.Add(32 * 24 * time.Hour) },
		"agent's":    func(i *identity.Invite) { i.AgentTTL = 0 },
		"networks":   func(i *identity.Invite) { i.Sources = make([]netip.Prefix, 33) },
		"100001 use": func(i *identity.Invite) { i.Uses = 100_001 },
	} {
		i := invitation()
		spoil(&i)
		_, err := r.AddInvite(t.Context(), i, secretHash)
		require.ErrorContains(t, err, want)
	}
	_, err := r.AddInvite(t.Context(), invitation(), "short")
	require.ErrorContains(t, err, "secret")
	_, err = r.EndInvite(t.Context(), uuid.New(), "")
	require.ErrorIs(t, err, identity.ErrUnknownInvite)
}

func TestAnInviteEndsOnce(t *testing.T) {
	t.Parallel()
	c := &clock{}
	r := open(t, database(t), c.now)
	i := invite(t, r, invitation())
	ended, err := r.EndInvite(t.Context(), i.ID, "lost")
	require.NoError(t, err)
	assert.Equal(t, identity.InviteEnded, ended.State(c.now()))
	_, err = r.EndInvite(t.Context(), i.ID, "")
	require.ErrorContains(t, err, "ended already")
}

// Each join costs the same, however many came by the invite before.
func BenchmarkJoin(b *testing.B) {
	r := open(b, database(b), (&clock{}).now)
	i := invitation()
	i.Uses = 100_000
	i = invite(b, r, i)
	n := 0
	for b.Loop() {
		n++
		if _, err := r.Join(b.Context(), bearing(i, fmt.Sprint("key", n))); err != nil {
			b.Fatal(err)
		}
	}
}

// An invite is open again once all that came by it may act.
func TestAResumedAgentOpensItsInviteAgain(t *testing.T) {
	t.Parallel()
	r := open(t, database(t), (&clock{}).now)
	i := invitation()
	i.Uses = 5
	i = invite(t, r, i)
	first, err := r.Join(t.Context(), bearing(i, keyA))
	require.NoError(t, err)
	_, err = r.Suspend(t.Context(), first.Agent.ID, "")
	require.NoError(t, err)
	_, err = r.Join(t.Context(), bearing(i, keyB))
	require.ErrorContains(t, err, "bars it")
	_, err = r.Resume(t.Context(), first.Agent.ID)
	require.NoError(t, err)
	_, err = r.Join(t.Context(), bearing(i, keyB))
	require.NoError(t, err)
	_, err = r.Suspend(t.Context(), first.Agent.ID, "")
	require.NoError(t, err)
	_, err = r.Revoke(t.Context(), first.Agent.ID, "")
	require.NoError(t, err)
	_, err = r.Join(t.Context(), bearing(i, "cccc"))
	require.ErrorContains(t, err, "1 of the agents", "who is stopped twice counts once")
}
