package identity_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/identity"
	"sallyport/internal/sqlite"
)

// steps are the changes of an agent, by name.
func steps(r *identity.Registry) map[string]func(context.Context, uuid.UUID) (identity.Agent, error) {
	return map[string]func(context.Context, uuid.UUID) (identity.Agent, error){
		"suspend": func(ctx context.Context, id uuid.UUID) (identity.Agent, error) {
			return r.Suspend(ctx, id, "looks odd")
		},
		"resume": r.Resume,
		"revoke": func(ctx context.Context, id uuid.UUID) (identity.Agent, error) {
			return r.Revoke(ctx, id, "key leaked")
		},
		"renew": func(ctx context.Context, id uuid.UUID) (identity.Agent, error) {
			return r.Renew(ctx, id, start.Add(48*time.Hour))
		},
	}
}

func TestTransitions(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		before []string
		step   string
		want   identity.Status // "" if it is refused
		reason string          // or what the error says
	}{
		"suspend an active agent":     {nil, "suspend", identity.Suspended, "looks odd"},
		"suspend a suspended agent":   {[]string{"suspend"}, "suspend", "", "suspended already, since 2026-03-04T05:06:08Z"},
		"suspend a revoked agent":     {[]string{"revoke"}, "suspend", "", "which is final; create a new agent"},
		"resume an active agent":      {nil, "resume", "", "nothing to resume"},
		"resume a suspended agent":    {[]string{"suspend"}, "resume", identity.Active, ""},
		"resume a revoked agent":      {[]string{"revoke"}, "resume", "", "revoked at 2026-03-04T05:06:08Z"},
		"revoke an active agent":      {nil, "revoke", identity.Revoked, "key leaked"},
		"revoke a suspended agent":    {[]string{"suspend"}, "revoke", identity.Revoked, "key leaked"},
		"revoke a revoked agent":      {[]string{"suspend", "revoke"}, "revoke", "", "final"},
		"renew an active agent":       {nil, "renew", identity.Active, ""},
		"renew a suspended agent":     {[]string{"suspend"}, "renew", identity.Suspended, "looks odd"},
		"renew a revoked agent":       {[]string{"revoke"}, "renew", "", "final"},
		"suspend again after resume":  {[]string{"suspend", "resume"}, "suspend", identity.Suspended, "looks odd"},
		"resume again after all that": {[]string{"suspend", "resume", "suspend"}, "resume", identity.Active, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path, clk := database(t), &clock{}
			r := open(t, path, clk.now)
			before := create(t, r, operator())
			for _, step := range test.before {
				clk.advance(time.Second)
				var err error
				before, err = steps(r)[step](t.Context(), before.ID)
				require.NoError(t, err)
			}
			clk.offset.Store(int64(time.Hour))
			after, err := steps(r)[test.step](t.Context(), before.ID)
			current, ok := r.Lookup(before.ID)
			require.True(t, ok)
			if test.want == "" {
				require.ErrorContains(t, err, test.step+" agent "+before.ID.String()+": ")
				require.ErrorContains(t, err, test.reason)
				assert.Zero(t, after)
				assert.Equal(t, before, current)
			} else {
				require.NoError(t, err)
				assert.Equal(t, test.want, after.Status)
				assert.Equal(t, test.reason, after.Reason)
				assert.Equal(t, clk.now().Truncate(time.Microsecond), after.ChangedAt)
				assert.Equal(t, after, current)
			}
			require.NoError(t, r.Close())
			stored, ok := open(t, path, clk.now).Lookup(before.ID)
			require.True(t, ok)
			assert.Equal(t, current, stored)
		})
	}
}

func TestChangesOfNobody(t *testing.T) {
	t.Parallel()
	r := open(t, database(t), (&clock{}).now)
	for name, step := range steps(r) {
		_, err := step(t.Context(), uuid.New())
		assert.ErrorIs(t, err, identity.ErrUnknownAgent, name)
	}
}

func TestRenew(t *testing.T) {
	t.Parallel()
	clk := &clock{}
	r := open(t, database(t), clk.now)
	a := create(t, r, operator())
	clk.advance(30 * time.Hour)
	require.Equal(t, identity.Expired, a.State(clk.now()))
	a, err := r.Renew(t.Context(), a.ID, clk.now().Add(time.Hour))
	require.NoError(t, err)
	assert.Equal(t, "active", a.State(clk.now()))
	_, err = r.Renew(t.Context(), a.ID, clk.now())
	assert.ErrorContains(t, err, "not in the future")
}

func TestReasons(t *testing.T) {
	t.Parallel()
	r := open(t, database(t), (&clock{}).now)
	a := create(t, r, operator())
	for _, bad := range []string{"line\nbreak", "\x1b[31m", "\xff", string(make([]byte, 2000))} {
		_, err := r.Suspend(t.Context(), a.ID, bad)
		require.ErrorContains(t, err, "reason")
		_, err = r.Revoke(t.Context(), a.ID, bad)
		require.ErrorContains(t, err, "reason")
	}
	after, err := r.Suspend(t.Context(), a.ID, "Grüße, 'quoted'; DROP TABLE agents")
	require.NoError(t, err)
	assert.Equal(t, "Grüße, 'quoted'; DROP TABLE agents", after.Reason)
}

// A change that cannot be written is not seen, unless it stops an agent: see
// TestAStopThatCannotBeWrittenHolds.
func TestFailedWritesLeaveTheView(t *testing.T) {
	t.Parallel()
	fail := map[string]func(t *testing.T, path string, r *identity.Registry) context.Context{
		"closed": func(t *testing.T, _ string, r *identity.Registry) context.Context {
			require.NoError(t, r.Close())
			return t.Context()
		},
		"cancelled": func(t *testing.T, _ string, _ *identity.Registry) context.Context {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			return ctx
		},
		"the database refuses": func(t *testing.T, path string, _ *identity.Registry) context.Context {
			execute(t, path, `CREATE TRIGGER a BEFORE UPDATE ON agents BEGIN SELECT RAISE(ABORT, 'no'); END;
				CREATE TRIGGER b BEFORE INSERT ON agents BEGIN SELECT RAISE(ABORT, 'no'); END;
				CREATE TRIGGER c BEFORE INSERT ON certificates BEGIN SELECT RAISE(ABORT, 'no'); END`)
			return t.Context()
		},
	}
	for name, spoil := range fail {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := database(t)
			r := open(t, path, (&clock{}).now)
			a := create(t, r, operator())
			ctx := spoil(t, path, r)
			_, err := steps(r)["renew"](ctx, a.ID)
			require.Error(t, err)
			_, err = r.Create(ctx, operator())
			require.Error(t, err)
			require.Error(t, r.AddCertificate(ctx, identity.Certificate{Serial: "abc", Agent: a.ID, NotAfter: start.Add(time.Hour)}))
			assert.Equal(t, []identity.Agent{a}, r.List())
			assert.True(t, r.CertificateRevoked("abc"))
		})
	}
}

// A stop that cannot be written holds in this process, whatever else is committed, until a stop
// is committed that is no weaker.
func TestAStopThatCannotBeWrittenHolds(t *testing.T) {
	t.Parallel()
	const full = `CREATE TRIGGER full BEFORE UPDATE ON %s BEGIN SELECT RAISE(ABORT, 'full'); END`
	path := database(t)
	r := open(t, path, (&clock{}).now)
	suspended, revoked, cut, other := create(t, r, operator()), create(t, r, operator()), create(t, r, operator()), create(t, r, operator())
	for i, a := range []identity.Agent{suspended, revoked, cut, other} {
		certify(t, r, a.ID, fmt.Sprintf("a%d", i))
	}
	certify(t, r, cut.ID, "b2")
	state := func(a identity.Agent) string {
		found, _ := r.Lookup(a.ID)
		return found.State(start)
	}
	execute(t, path, fmt.Sprintf(full, "agents"))
	execute(t, path, strings.Replace(fmt.Sprintf(full, "certificates"), "full BEFORE", "full2 BEFORE", 1))

	var unwritten *identity.UnwrittenError
	agent, err := r.Suspend(t.Context(), suspended.ID, "runs wild")
	require.ErrorAs(t, err, &unwritten)
	assert.Equal(t, identity.Suspended, agent.Status)
	assert.Equal(t, "runs wild", agent.Reason)
	_, err = r.Revoke(t.Context(), revoked.ID, "key leaked")
	require.ErrorAs(t, err, &unwritten)
	gone, err := r.RevokeCertificates(t.Context(), cut.ID, "", func(c identity.Certificate) bool { return c.Serial == "a2" })
	require.ErrorAs(t, err, &unwritten)
	require.Len(t, gone, 1)
	assert.ErrorContains(t, r.Unwritten(), "3 agents are stopped in this server")
	_, err = r.Suspend(t.Context(), uuid.New(), "")
	require.NotErrorAs(t, err, &unwritten, "nobody is stopped who is not known")

	execute(t, path, "DROP TRIGGER full; DROP TRIGGER full2")
	holds := func() {
		t.Helper()
		assert.Equal(t, []string{"suspended", "revoked", "active", "active"}, []string{state(suspended), state(revoked), state(cut), state(other)})
		assert.True(t, r.CertificateRevoked("a1"), "those of a revoked agent")
		assert.True(t, r.CertificateRevoked("a2"))
		assert.False(t, r.CertificateRevoked("b2"))
		assert.False(t, r.CertificateRevoked("a0"))
	}
	holds()
	for _, a := range []identity.Agent{suspended, revoked, cut, other} {
		_, err = r.Renew(t.Context(), a.ID, start.Add(2*time.Hour))
		require.NoError(t, err)
		holds()
	}
	_, err = r.Resume(t.Context(), suspended.ID)
	require.ErrorContains(t, err, "it is suspended in this server, but not on disk; make room, and do that again first")
	_, err = r.Suspend(t.Context(), other.ID, "")
	require.NoError(t, err)
	_, err = r.Resume(t.Context(), other.ID)
	require.NoError(t, err)
	holds()
	_, err = r.Suspend(t.Context(), revoked.ID, "")
	require.NoError(t, err)
	holds() // a weaker stop takes nothing away
	assert.ErrorContains(t, r.Unwritten(), "3 agents")

	_, err = r.Suspend(t.Context(), suspended.ID, "again")
	require.NoError(t, err)
	_, err = r.Revoke(t.Context(), revoked.ID, "again")
	require.NoError(t, err)
	_, err = r.RevokeCertificates(t.Context(), cut.ID, "", func(c identity.Certificate) bool { return c.Serial == "a2" })
	require.NoError(t, err)
	holds()
	require.NoError(t, r.Unwritten(), "all is on disk")
	agent, err = r.Resume(t.Context(), suspended.ID)
	require.NoError(t, err)
	assert.Equal(t, identity.Active, agent.Status)
	assert.Equal(t, "active", state(suspended))
}

// A stop that cannot be written stays one when it is said again, or another is put above it:
// what is only in the view is not taken for committed.
func TestStopsThatCannotBeWrittenAddUp(t *testing.T) {
	t.Parallel()
	path := database(t)
	r := open(t, path, (&clock{}).now)
	a := create(t, r, operator())
	certify(t, r, a.ID, "a1")
	certify(t, r, a.ID, "b2")
	execute(t, path, `CREATE TRIGGER full BEFORE UPDATE ON agents BEGIN SELECT RAISE(ABORT, 'full'); END;
		CREATE TRIGGER full2 BEFORE UPDATE ON certificates BEGIN SELECT RAISE(ABORT, 'full'); END`)
	var unwritten *identity.UnwrittenError
	for range 2 {
		_, err := r.Suspend(t.Context(), a.ID, "runs wild")
		require.ErrorAs(t, err, &unwritten)
		for _, serial := range []string{"a1", "b2"} {
			_, err = r.RevokeCertificates(t.Context(), a.ID, "", func(c identity.Certificate) bool { return c.Serial == serial })
			require.ErrorAs(t, err, &unwritten)
		}
	}
	execute(t, path, "DROP TRIGGER full; DROP TRIGGER full2")
	_, err := r.Renew(t.Context(), a.ID, start.Add(2*time.Hour))
	require.NoError(t, err)
	require.ErrorContains(t, r.Unwritten(), "1 agents")
	found, _ := r.Lookup(a.ID)
	assert.Equal(t, identity.Suspended, found.Status)
	assert.True(t, r.CertificateRevoked("a1"))
	assert.True(t, r.CertificateRevoked("b2"))
}

// What is final is final in the database too, whoever holds the pen.
func TestTheDatabaseKeepsItsPromises(t *testing.T) {
	t.Parallel()
	path := database(t)
	r := open(t, path, (&clock{}).now)
	a, b := create(t, r, operator()), create(t, r, operator())
	certify(t, r, a.ID, "abc")
	_, err := r.Revoke(t.Context(), a.ID, "")
	require.NoError(t, err)
	db, err := sqlite.Open(path, sqlite.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	for _, statement := range []string{
		`UPDATE agents SET status = 'active' WHERE status = 'revoked'`,
		`UPDATE certificates SET revoked = 0`,
		`DELETE FROM agents`,
		`DELETE FROM certificates`,
		`UPDATE agents SET status = 'idle'`,
		`UPDATE agents SET id = upper(id) WHERE id = '` + b.ID.String() + `'`,
		`INSERT INTO certificates VALUES ('` + uuid.NewString() + `', 1, 'def', 0, 0)`,
	} {
		_, err := db.ExecContext(t.Context(), statement)
		assert.Error(t, err, statement)
	}
}

// Another process's change is found out before it can be undone.
func TestAStaleViewCannotReviveAnAgent(t *testing.T) {
	t.Parallel()
	path := database(t)
	stale, other := open(t, path, (&clock{}).now), open(t, path, (&clock{}).now)
	a := create(t, stale, operator())
	_, err := stale.Suspend(t.Context(), a.ID, "")
	require.NoError(t, err)
	_, err = other.Revoke(t.Context(), a.ID, "leaked")
	require.NoError(t, err)
	_, err = stale.Resume(t.Context(), a.ID)
	require.ErrorContains(t, err, "final")
	current, _ := stale.Lookup(a.ID)
	assert.Equal(t, identity.Revoked, current.Status, "and the view has learnt it")
}

func TestSuspendWhere(t *testing.T) {
	t.Parallel()
	c := new(clock)
	path := database(t)
	r := open(t, path, c.now)
	active, other, revoked := create(t, r, operator()), create(t, r, operator()), create(t, r, operator())
	_, err := r.Revoke(t.Context(), revoked.ID, "")
	require.NoError(t, err)
	c.advance(time.Minute)
	suspended, err := r.SuspendWhere(t.Context(), "restored", func(a identity.Agent) bool { return a.ID != other.ID })
	require.NoError(t, err)
	require.Len(t, suspended, 1)
	assert.Equal(t, active.ID, suspended[0].ID)
	for _, view := range []*identity.Registry{r, open(t, path, c.now)} {
		a, _ := view.Lookup(active.ID)
		assert.Equal(t, identity.Suspended, a.Status)
		assert.Equal(t, "restored", a.Reason)
		assert.Equal(t, c.now().UnixMicro(), a.ChangedAt.UnixMicro())
		a, _ = view.Lookup(other.ID)
		assert.Equal(t, identity.Active, a.Status)
		a, _ = view.Lookup(revoked.ID)
		assert.Equal(t, identity.Revoked, a.Status)
	}
	_, err = r.SuspendWhere(t.Context(), "two\nlines", func(identity.Agent) bool { return true })
	require.ErrorContains(t, err, "control character")

	to := filepath.Join(t.TempDir(), "copy.db")
	require.NoError(t, identity.Copy(t.Context(), path, to))
	agents, err := identity.ReadAgents(t.Context(), to)
	require.NoError(t, err)
	assert.ElementsMatch(t, r.List(), agents)
}
