package admin_test

import (
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/admin"
	"sallyport/identity"
	"sallyport/internal/sqlite"
)

// TestWhatIsNotOnDiskIsSaidUntilItIs: whoever stops something of which the registry cannot take
// note is told so each time, the server cuts it each time, and it is not lifted by a resume.
func TestWhatIsNotOnDiskIsSaidUntilItIs(t *testing.T) {
	t.Parallel()
	f, path := newServing(t)
	agent := create(t, f.session())
	renewed, err := f.session().RenewAgent(t.Context(), admin.RenewRequest{ID: "a", TTL: admin.Duration(time.Hour)})
	require.NoError(t, err)
	steps := []struct {
		says string
		stop func() error
	}{
		{"certificate " + agent.Serial + " is revoked", func() error {
			_, err := f.session().RevokeCertificate(t.Context(), admin.CertificateRequest{Serial: agent.Serial})
			return err
		}},
		{"what agent " + agent.Agent.ID.String() + " had before certificate " + renewed.Serial + " is revoked", func() error {
			_, err := f.session().RevokeCertificate(t.Context(), admin.CertificateRequest{Serial: renewed.Serial, Older: true})
			return err
		}},
		{"agent " + agent.Agent.ID.String() + " is suspended", func() error {
			_, err := f.session().SuspendAgent(t.Context(), admin.StatusRequest{ID: "a"})
			return err
		}},
	}
	execute(t, path, "CREATE TRIGGER full BEFORE UPDATE ON agents BEGIN SELECT RAISE(ABORT, 'full'); END;"+
		"CREATE TRIGGER full2 BEFORE UPDATE ON certificates BEGIN SELECT RAISE(ABORT, 'full'); END")
	for _, step := range steps {
		for range 2 {
			err := step.stop()
			require.ErrorContains(t, err, step.says+" in this server, but not on disk, and a restart forgets it")
		}
	}
	assert.Equal(t, []uuid.UUID{agent.Agent.ID, agent.Agent.ID, agent.Agent.ID, agent.Agent.ID, agent.Agent.ID, agent.Agent.ID}, f.cut)
	_, err = f.session().ResumeAgent(t.Context(), admin.StatusRequest{ID: "a"})
	require.ErrorContains(t, err, "it is suspended in this server, but not on disk")
	execute(t, path, "DROP TRIGGER full; DROP TRIGGER full2")
	for _, step := range steps[1:] { // the first certificate is among the older ones
		require.NoError(t, step.stop())
	}
	require.NoError(t, f.Registry.Unwritten())
	_, err = f.session().ResumeAgent(t.Context(), admin.StatusRequest{ID: "a"})
	require.NoError(t, err)
	assert.True(t, f.Registry.CertificateRevoked(agent.Serial))
}

// TestAResumeThatCannotBeTakenBackSaysSo: an agent whose resume cannot be recorded stays
// suspended, in the server alone if need be.
func TestAResumeThatCannotBeTakenBackSaysSo(t *testing.T) {
	t.Parallel()
	f, path := newServing(t)
	agent := create(t, f.session()).Agent
	_, err := f.session().SuspendAgent(t.Context(), admin.StatusRequest{ID: "a"})
	require.NoError(t, err)
	f.trail.fail = "agent.resumed"
	execute(t, path, "CREATE TRIGGER full BEFORE UPDATE ON agents WHEN NEW.status = 'suspended' BEGIN SELECT RAISE(ABORT, 'full'); END")
	_, err = f.session().ResumeAgent(t.Context(), admin.StatusRequest{ID: "a"})
	require.ErrorContains(t, err, "agent "+agent.ID.String()+" is suspended in this server, but not on disk, and a restart forgets it")
	after, _ := f.Registry.Lookup(agent.ID)
	assert.Equal(t, identity.Suspended, after.Status)
}

// newServing is a fixture with a server that runs, and the file of its registry.
func newServing(t *testing.T) (*fixture, string) {
	t.Helper()
	f := newFixture(t)
	f.Errand = func(string) http.RoundTripper { return nil }
	path := filepath.Join(t.TempDir(), "identity.db")
	registry, err := identity.Open(t.Context(), path, func() time.Time { return f.now })
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, registry.Close()) })
	f.Registry = registry
	return f, path
}

func execute(t *testing.T, path, script string) {
	t.Helper()
	db, err := sqlite.Open(path, sqlite.Options{Connections: 1})
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), script)
	require.NoError(t, err)
	require.NoError(t, db.Close())
}
