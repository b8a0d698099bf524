package admin_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/admin"
	"sallyport/audit"
)

var errBarred = errors.New("a command of a run administers nothing")

// acts is every use case, as a caller would ask for it.
func acts(t *testing.T, s *admin.Session) map[string]func() error {
	t.Helper()
	ctx := t.Context()
	return map[string]func() error{
		"create an agent": func() error {
			_, err := s.CreateAgent(ctx, admin.CreateRequest{Policy: "p", Owner: "team:ops", TTL: admin.Duration(time.Hour)})
			return err
		},
		"renew an agent": func() error {
			_, err := s.RenewAgent(ctx, admin.RenewRequest{ID: "a", TTL: admin.Duration(time.Hour)})
			return err
		},
		"suspend an agent":     func() error { _, err := s.SuspendAgent(ctx, admin.StatusRequest{ID: "a"}); return err },
		"resume an agent":      func() error { _, err := s.ResumeAgent(ctx, admin.StatusRequest{ID: "a"}); return err },
		"revoke an agent":      func() error { _, err := s.RevokeAgent(ctx, admin.StatusRequest{ID: "a"}); return err },
		"revoke a certificate": func() error { _, err := s.RevokeCertificate(ctx, admin.CertificateRequest{Serial: "1"}); return err },
		"show agents":          func() error { _, err := s.Agents(ctx); return err },
		"show one agent":       func() error { _, err := s.Agent(ctx, "a"); return err },
		"look for orphans":     func() error { _, err := s.Orphans(ctx); return err },
		"suspend orphans":      func() error { _, err := s.SuspendOrphans(ctx, 0); return err },
		"reload":               func() error { _, err := s.Reload(ctx); return err },
		"show credentials":     func() error { _, err := s.Credentials(ctx); return err },
		"check a credential":   func() error { _, err := s.CheckCredential(ctx, "key"); return err },
		"prune the trail": func() error {
			_, err := s.PruneTrail(ctx, admin.PruneRequest{Before: time.Now().Add(-time.Hour)})
			return err
		},
		"record a backup": func() error { _, err := s.RecordBackup(ctx, admin.BackupRequest{Dir: "/b", Keys: "none"}); return err },
	}
}

// A command of a run may do nothing, not even look, whatever it asks for and whether or not the
// trail can take it down.
func TestACommandOfARunMayDoNothing(t *testing.T) {
	t.Parallel()
	for _, full := range []string{"", audit.TypeAdministrationRefused} {
		f := newFixture(t)
		agent := create(t, f.session()).Agent
		before := f.trail.types()
		f.trail.fail = full
		by := f.As(admin.Bar(admin.Principal{UID: 1000, User: "dana", Via: "socket"}, errBarred))
		for name, act := range acts(t, by) {
			require.ErrorIs(t, act(), errBarred, name)
		}
		after, err := f.session().Agent(t.Context(), agent.ID.String())
		require.NoError(t, err)
		assert.Equal(t, agent, after.Agent)
		assert.Len(t, f.Registry.List(), 1)
		assert.Empty(t, f.cut)
		recorded := f.trail.types()[len(before):]
		for _, event := range recorded {
			assert.Equal(t, audit.TypeAdministrationRefused, event)
		}
	}
}

// What it asked for is on record once a second at most, with how often it asked in between, so
// that who goes on asking fills no trail.
func TestRefusedCallsAreCounted(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	by := f.As(admin.Bar(admin.Principal{UID: 1000, User: "dana", Via: "socket"}, errBarred))
	asked := func(times int) {
		for range times {
			_, err := by.Agents(t.Context())
			require.ErrorIs(t, err, errBarred)
		}
	}
	asked(5)
	require.Len(t, f.trail.events, 1)
	first := f.trail.events[0]
	assert.Equal(t, audit.TypeAdministrationRefused, first.Type)
	assert.Equal(t, map[string]any{
		"call": "show agents", "reason": errBarred.Error(), "unrecorded": 0, "uid": 1000, "user": "dana", "via": "socket",
	}, first.Payload)

	f.now = f.now.Add(999 * time.Millisecond)
	asked(2)
	require.Len(t, f.trail.events, 1)
	f.now = f.now.Add(time.Millisecond)
	asked(3)
	require.Len(t, f.trail.events, 2)
	assert.Equal(t, 6, f.trail.events[1].Payload["unrecorded"])

	f.now = f.now.Add(-time.Hour) // a clock that was set back does not silence the trail for an hour
	asked(1)
	require.Len(t, f.trail.events, 3)
	assert.Equal(t, 2, f.trail.events[2].Payload["unrecorded"])
}
