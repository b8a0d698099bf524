package proxy_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/internal/sqlite"
)

// exits are all ways out. What a word means is in refusal.go.
var exits = map[string]exit{
	"served":    {path: "/", status: 200, outcome: "completed", reached: true},
	"malformed": {path: "/a/../b", status: 400, refusal: "malformed", outcome: "refused"},
	"policy":    {path: "/forbidden/x", status: 403, refusal: "policy", outcome: "refused"},
	"approval":  {host: "ask.test", path: "/", status: 403, refusal: "approval", outcome: "refused"},
	"address":   {host: "127.0.0.1:9", path: "/", status: 403, refusal: "address", outcome: "refused"},
	"credential": {
		host: "broken.test", path: "/", only: "https", status: 502, refusal: "credential", outcome: "refused",
	},
	"suspended": {path: "/", before: suspend, status: 403, refusal: "suspended", outcome: "refused"},
	"revoked":   {path: "/", before: revoke, status: 403, refusal: "revoked", outcome: "refused"},
	"expired":   {path: "/", before: expire, status: 403, refusal: "expired", outcome: "refused"},
	"limit": {
		path: "/", before: nothing, alone: true, option: func(r *rig) { r.limits.RequestsPerSecond = 0.01 },
		status: 429, refusal: "limit", outcome: "refused",
	},

	"upstream refuses":     {host: "refused.down.test", path: "/", status: 502, refusal: "upstream", outcome: "upstream_failed"},
	"upstream has no name": {host: "name.down.test", path: "/", status: 502, refusal: "upstream", outcome: "upstream_failed"},
	"upstream is another":  {host: "tls.down.test", path: "/", only: "https", status: 502, refusal: "upstream", outcome: "upstream_failed"},
	"upstream resets":      {path: "/reset", status: 502, refusal: "upstream", outcome: "upstream_failed", reached: true},
	"upstream is cut":      {path: "/cut", status: 200, torn: true, outcome: "upstream_failed", reached: true},
	"upstream is silent": {
		path: "/hang", alone: true, option: func(r *rig) { r.stall = 2 * time.Second },
		status: 504, refusal: "upstream", outcome: "timed_out", reached: true,
	},
	"stream stalls": {
		path: "/stream", alone: true, option: func(r *rig) { r.stall = 2 * time.Second },
		status: 200, torn: true, outcome: "timed_out", reached: true,
	},

	"agent leaves before the answer": {path: "/hang", during: leave, status: 0, torn: true, outcome: "client_gone", reached: true},
	"agent leaves in the answer":     {path: "/stream", during: inAnswer(leave), status: 200, torn: true, outcome: "client_gone", reached: true},

	"suspended before the answer": {path: "/hang", during: suspendAndCut, status: anyStatus, refusal: "suspended", outcome: "revoked", reached: true},
	"suspended in the answer": {
		path: "/stream", during: inAnswer(suspendAndCut), status: 200, torn: true, refusal: "suspended", outcome: "revoked", reached: true,
	},
	"reloaded before the answer": {path: "/hang", during: reload, alone: true, status: 403, refusal: "policy", outcome: "revoked", reached: true},
	"reloaded in the answer": {
		path: "/stream", during: inAnswer(reload), alone: true, status: 200, torn: true, refusal: "policy", outcome: "revoked", reached: true,
	},
	"reloaded, still allowed": {
		path: "/short-stream", during: reloadTheSame, alone: true, status: 200, outcome: "completed", reached: true,
	},

	"trail fails at begin": {path: "/", before: lockTrail, alone: true, status: 503, refusal: "trail"},
	"trail fails at end":   {path: "/short-stream", during: inAnswer(lockTrailAndEnd), alone: true, status: 200, outcome: "completed", reached: true},

	"stopping before the answer": {path: "/hang", during: stop, alone: true, status: anyStatus, refusal: "upstream", outcome: "interrupted", reached: true},
	"stopping in the answer":     {path: "/stream", during: inAnswer(stop), alone: true, status: 200, torn: true, outcome: "interrupted", reached: true},
	"stopping waits":             {path: "/short-stream", during: inAnswer(stopAndEnd), alone: true, option: patient, status: 200, outcome: "completed", reached: true},
}

func nothing(*testing.T, *matrix, agent) {}

func suspend(t *testing.T, m *matrix, a agent) {
	_, err := m.registry.Suspend(t.Context(), a.ID, "test")
	require.NoError(t, err)
}

func revoke(t *testing.T, m *matrix, a agent) {
	_, err := m.registry.Revoke(t.Context(), a.ID, "test")
	require.NoError(t, err)
}

// expire moves the agent's end, unknown to the proxy until the next request.
func expire(t *testing.T, m *matrix, a agent) {
	_, err := m.registry.Renew(t.Context(), a.ID, time.Now().Add(300*time.Millisecond))
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		record, _ := m.registry.Lookup(a.ID)
		return record.State(time.Now()) == "expired"
	}, within, time.Millisecond)
}

// inAnswer waits until the agent has read the beginning of the answer.
func inAnswer(then func(*testing.T, *matrix, *duration)) func(*testing.T, *matrix, *duration) {
	return func(t *testing.T, m *matrix, d *duration) {
		<-d.read
		then(t, m, d)
	}
}

func leave(_ *testing.T, _ *matrix, d *duration) { d.cancel() }

func suspendAndCut(t *testing.T, m *matrix, d *duration) {
	_, err := m.registry.Suspend(context.Background(), d.agent.ID, "test")
	assert.NoError(t, err)
	m.proxy.Cut(d.agent.ID)
}

func reload(_ *testing.T, m *matrix, _ *duration) {
	m.configure("policy: operator\nrules:\n  - {name: little, allow: {host: little.test}}\n")
	m.proxy.Recheck()
}

func reloadTheSame(_ *testing.T, m *matrix, d *duration) {
	m.configure(matrixPolicy + "  - {name: more, allow: {host: more.test}}\n")
	m.proxy.Recheck()
	close(m.arrival("release " + d.name))
}

// lock keeps everybody else from writing the trail until it is released.
func (r *rig) lock() (release func()) {
	db, err := sqlite.Open(r.trailPath, sqlite.Options{})
	require.NoError(r.t, err)
	conn, err := db.Conn(context.Background())
	require.NoError(r.t, err)
	_, err = conn.ExecContext(context.Background(), "BEGIN IMMEDIATE")
	require.NoError(r.t, err)
	return func() {
		_, err := conn.ExecContext(context.Background(), "ROLLBACK")
		assert.NoError(r.t, err)
		assert.NoError(r.t, conn.Close())
		assert.NoError(r.t, db.Close())
	}
}

func lockTrail(t *testing.T, m *matrix, _ agent) {
	m.rows() // the first exchange is written
	release := m.lock()
	t.Cleanup(release)
}

func lockTrailAndEnd(t *testing.T, m *matrix, d *duration) {
	release := m.lock()
	close(m.arrival("release " + d.name))
	assert.Eventually(t, func() bool { return m.trail.Stats().Queue > 0 }, within, time.Millisecond, "the outcome waits")
	release()
}

func patient(r *rig) { r.patience = within }

func stop(_ *testing.T, m *matrix, _ *duration) { m.shutdown() }

func stopAndEnd(t *testing.T, m *matrix, d *duration) {
	stopped := make(chan struct{})
	go func() {
		m.shutdown()
		close(stopped)
	}()
	assert.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", m.address)
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	}, within, time.Millisecond, "it no longer listens")
	close(m.arrival("release " + d.name))
	<-stopped
}
