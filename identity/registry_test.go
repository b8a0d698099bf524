package identity_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/identity"
)

var start = time.Date(2026, 3, 4, 5, 6, 7, 891234567, time.UTC)

// clock is a time that tests move.
type clock struct{ offset atomic.Int64 }

func (c *clock) now() time.Time          { return start.Add(time.Duration(c.offset.Load())) }
func (c *clock) advance(d time.Duration) { c.offset.Add(int64(d)) }

// open opens a registry on path and closes it with the test.
func open(t testing.TB, path string, now func() time.Time) *identity.Registry {
	t.Helper()
	r, err := identity.Open(context.Background(), path, now)
	require.NoError(t, err)
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func database(t testing.TB) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "identity.db")
}

func operator() identity.Agent {
	return identity.Agent{Name: "web", Policy: "operator", Owner: "person:dana", ExpiresAt: start.Add(24 * time.Hour)}
}

func create(t testing.TB, r *identity.Registry, a identity.Agent) identity.Agent {
	t.Helper()
	created, err := r.Create(context.Background(), a)
	require.NoError(t, err)
	return created
}

func certify(t testing.TB, r *identity.Registry, agent uuid.UUID, serial string) {
	t.Helper()
	require.NoError(t, r.AddCertificate(context.Background(), identity.Certificate{Serial: serial, Agent: agent, NotAfter: start.Add(time.Hour)}))
}

func TestCreate(t *testing.T) {
	t.Parallel()
	path := database(t)
	r := open(t, path, (&clock{}).now)
	a := create(t, r, operator())
	assert.NotEqual(t, uuid.Nil, a.ID)
	assert.Equal(t, identity.Active, a.Status)
	assert.Equal(t, start.Truncate(time.Microsecond), a.CreatedAt)
	assert.Equal(t, a.CreatedAt, a.ChangedAt)
	assert.Equal(t, time.UTC, a.ExpiresAt.Location())
	found, ok := r.Lookup(a.ID)
	require.True(t, ok)
	assert.Equal(t, a, found)

	unnamed := operator()
	unnamed.Name, unnamed.ID = "", uuid.New()
	b := create(t, r, unnamed)
	assert.Equal(t, unnamed.ID, b.ID)
	assert.Equal(t, "operator-"+b.ID.String()[:8], b.Name)
	_, err := r.Create(t.Context(), b)
	require.ErrorContains(t, err, "already")

	require.NoError(t, r.Close())
	again := open(t, path, (&clock{}).now)
	assert.Equal(t, r.List(), again.List(), "what was answered is what was stored")
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

func TestCreateRefuses(t *testing.T) {
	t.Parallel()
	r := open(t, database(t), (&clock{}).now)
	tests := map[string]struct {
		change func(*identity.Agent)
		want   string
	}{
		"name with capitals":  {func(a *identity.Agent) { a.Name = "Web" }, "lower-case"},
		"name with slash":     {func(a *identity.Agent) { a.Name = "../web" }, "lower-case"},
		"name with escape":    {func(a *identity.Agent) { a.Name = "web\x1b[2J" }, "lower-case"},
		"name like an option": {func(a *identity.Agent) { a.Name = "-web" }, "beginning with a letter or digit"},
		"name like an id":     {func(a *identity.Agent) { a.Name = uuid.NewString() }, "UUID"},
		"name like an id without hyphens": {
			func(a *identity.Agent) { a.Name = strings.ReplaceAll(uuid.NewString(), "-", "") }, "UUID",
		},
		"endless name":     {func(a *identity.Agent) { a.Name = strings.Repeat("a", 10000) }, "longer"},
		"no policy":        {func(a *identity.Agent) { a.Policy = "" }, "policy is empty"},
		"policy as path":   {func(a *identity.Agent) { a.Policy = "a/b" }, "policy"},
		"no owner":         {func(a *identity.Agent) { a.Owner = "" }, "person:NAME or team:NAME"},
		"owner of no kind": {func(a *identity.Agent) { a.Owner = "dana" }, "person:NAME or team:NAME"},
		"owner an agent":   {func(a *identity.Agent) { a.Owner = "agent:web" }, "person:NAME or team:NAME"},
		"nameless owner":   {func(a *identity.Agent) { a.Owner = "team:" }, "owner is empty"},
		"no expiry":        {func(a *identity.Agent) { a.ExpiresAt = time.Time{} }, "not in the future"},
		"expired":          {func(a *identity.Agent) { a.ExpiresAt = start }, "not in the future"},
		"year 10000":       {func(a *identity.Agent) { a.ExpiresAt = start.AddDate(8000, 0, 0) }, "9999"},
		"suspended":        {func(a *identity.Agent) { a.Status = identity.Suspended }, "a new agent is active"},
		"with a reason":    {func(a *identity.Agent) { a.Reason = "x" }, "reason"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := operator()
			test.change(&a)
			_, err := r.Create(t.Context(), a)
			require.ErrorContains(t, err, "create agent: ")
			require.ErrorContains(t, err, test.want)
			assert.Less(t, len(err.Error()), 400)
		})
	}
	t.Cleanup(func() { assert.Empty(t, r.List()) })
}

func TestState(t *testing.T) {
	t.Parallel()
	end := start.Add(time.Hour)
	tests := map[string]struct {
		agent identity.Agent
		now   time.Time
		want  string
	}{
		"active":               {identity.Agent{Status: identity.Active, ExpiresAt: end}, start, "active"},
		"at the last moment":   {identity.Agent{Status: identity.Active, ExpiresAt: end}, end.Add(-1), "active"},
		"at its expiry":        {identity.Agent{Status: identity.Active, ExpiresAt: end}, end, "expired"},
		"suspended":            {identity.Agent{Status: identity.Suspended, ExpiresAt: end}, start, "suspended"},
		"suspended, expired":   {identity.Agent{Status: identity.Suspended, ExpiresAt: end}, end, "expired"},
		"revoked":              {identity.Agent{Status: identity.Revoked, ExpiresAt: end}, start, "revoked"},
		"revoked, expired":     {identity.Agent{Status: identity.Revoked, ExpiresAt: end}, end, "revoked"},
		"nobody":               {identity.Agent{}, start, "revoked"},
		"a status of no known": {identity.Agent{Status: "Active", ExpiresAt: end}, start, "revoked"},
		"without expiry":       {identity.Agent{Status: identity.Active}, start, "expired"},
	}
	for name, test := range tests {
		assert.Equal(t, test.want, test.agent.State(test.now), name)
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	r := open(t, database(t), (&clock{}).now)
	a, b := create(t, r, operator()), create(t, r, operator())
	solo := operator()
	solo.Name = "solo"
	c := create(t, r, solo)

	for _, text := range []string{c.ID.String(), strings.ToUpper(c.ID.String()), "solo"} {
		found, err := r.Find(text)
		require.NoError(t, err)
		assert.Equal(t, c, found)
	}
	_, err := r.Find("web")
	require.ErrorContains(t, err, a.ID.String())
	require.ErrorContains(t, err, b.ID.String())
	require.NotErrorIs(t, err, identity.ErrUnknownAgent)

	_, err = r.Revoke(t.Context(), a.ID, "")
	require.NoError(t, err)
	found, err := r.Find("web")
	require.NoError(t, err, "the other one can only be meant")
	assert.Equal(t, b, found)
	_, err = r.Revoke(t.Context(), b.ID, "")
	require.NoError(t, err)
	_, err = r.Find("web")
	require.ErrorContains(t, err, "2 agents")

	for _, text := range []string{"nobody", "", "WEB", uuid.NewString(), strings.Repeat("x", 5000)} {
		_, err := r.Find(text)
		require.ErrorIs(t, err, identity.ErrUnknownAgent)
		require.ErrorContains(t, err, "agent list")
		assert.Less(t, len(err.Error()), 300)
	}
	for range 20 {
		create(t, r, operator())
	}
	_, err = r.Find("web")
	require.ErrorContains(t, err, "20 agents")
	assert.ErrorContains(t, err, "10 more")
}

func TestList(t *testing.T) {
	t.Parallel()
	clk := &clock{}
	r := open(t, database(t), clk.now)
	assert.Empty(t, r.List())
	var want []identity.Agent
	for range 5 {
		clk.advance(time.Second)
		want = append(want, create(t, r, operator()))
	}
	assert.Equal(t, want, r.List())
}

func TestCertificates(t *testing.T) {
	t.Parallel()
	path := database(t)
	r := open(t, path, (&clock{}).now)
	a, b := create(t, r, operator()), create(t, r, operator())
	assert.True(t, r.CertificateRevoked("a1"), "an unknown certificate counts as revoked")
	assert.True(t, r.CertificateRevoked(""))
	certify(t, r, a.ID, "a1")
	certify(t, r, a.ID, "a2")
	certify(t, r, b.ID, "b1")
	end := start.Add(time.Hour).Truncate(time.Microsecond)
	want := []identity.Certificate{
		{Serial: "a1", Agent: a.ID, NotAfter: end, Generation: 1},
		{Serial: "a2", Agent: a.ID, NotAfter: end, Generation: 2},
	}
	assert.Equal(t, want, r.Certificates(a.ID))
	assert.Empty(t, r.Certificates(uuid.New()))

	_, err := r.Revoke(t.Context(), a.ID, "leaked")
	require.NoError(t, err)
	check := func(r *identity.Registry) {
		assert.True(t, r.CertificateRevoked("a1"))
		assert.True(t, r.CertificateRevoked("a2"))
		assert.False(t, r.CertificateRevoked("b1"))
		for _, c := range r.Certificates(a.ID) {
			assert.True(t, c.Revoked)
		}
	}
	check(r)
	require.NoError(t, r.Close())
	check(open(t, path, (&clock{}).now))
}

func TestAddCertificateRefuses(t *testing.T) {
	t.Parallel()
	r := open(t, database(t), (&clock{}).now)
	a, gone := create(t, r, operator()), create(t, r, operator())
	certify(t, r, a.ID, "abc")
	_, err := r.Revoke(t.Context(), gone.ID, "")
	require.NoError(t, err)
	good := identity.Certificate{Serial: "def", Agent: a.ID, NotAfter: start.Add(time.Hour)}
	tests := map[string]struct {
		change func(*identity.Certificate)
		want   string
	}{
		"no serial":            {func(c *identity.Certificate) { c.Serial = "" }, "serial"},
		"upper-case serial":    {func(c *identity.Certificate) { c.Serial = "ABC" }, "serial"},
		"padded serial":        {func(c *identity.Certificate) { c.Serial = "0abc" }, "serial"},
		"endless serial":       {func(c *identity.Certificate) { c.Serial = strings.Repeat("a", 41) }, "serial"},
		"known serial":         {func(c *identity.Certificate) { c.Serial = "abc" }, "serial"},
		"expired":              {func(c *identity.Certificate) { c.NotAfter = start }, "expired"},
		"revoked":              {func(c *identity.Certificate) { c.Revoked = true }, "revoked"},
		"unknown agent":        {func(c *identity.Certificate) { c.Agent = uuid.New() }, "unknown agent"},
		"revoked agent":        {func(c *identity.Certificate) { c.Agent = gone.ID }, "create a new agent"},
		"another's, by serial": {func(c *identity.Certificate) { c.Serial, c.Agent = "abc", create(t, r, operator()).ID }, "serial"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := good
			test.change(&c)
			require.ErrorContains(t, r.AddCertificate(t.Context(), c), test.want)
		})
	}
	assert.Len(t, r.Certificates(a.ID), 1)
	assert.Empty(t, r.Certificates(gone.ID))
}

func TestLookupAllocatesNothing(t *testing.T) {
	r := open(t, database(t), (&clock{}).now)
	a := create(t, r, operator())
	certify(t, r, a.ID, "abc")
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		agent, ok := r.Lookup(a.ID)
		if !ok || agent.State(start) != "active" || r.CertificateRevoked("abc") {
			t.Error("the agent is gone")
		}
		_, _ = r.Lookup(uuid.Nil)
		_ = r.CertificateRevoked("unknown")
	}))
}

func BenchmarkLookup(b *testing.B) {
	r := open(b, database(b), (&clock{}).now)
	a := create(b, r, operator())
	certify(b, r, a.ID, "abc")
	for range 1000 {
		create(b, r, operator())
	}
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			agent, _ := r.Lookup(a.ID)
			if agent.State(start) != "active" || r.CertificateRevoked("abc") {
				b.Error("the agent is gone")
			}
		}
	})
}

func BenchmarkCreate(b *testing.B) {
	r := open(b, database(b), (&clock{}).now)
	b.ReportAllocs()
	for b.Loop() {
		create(b, r, operator())
	}
}

// The view is asked while it changes; the race detector watches.
func TestRegistryIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	r := open(t, database(t), (&clock{}).now)
	a := create(t, r, operator())
	certify(t, r, a.ID, "abc")
	stop := make(chan struct{})
	var readers, writers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for revoked := false; ; {
				select {
				case <-stop:
					return
				default:
				}
				agent, ok := r.Lookup(a.ID)
				assert.True(t, ok)
				assert.False(t, revoked && agent.Status != identity.Revoked, "revoked is final")
				revoked = agent.Status == identity.Revoked
				assert.False(t, revoked && !r.CertificateRevoked("abc"), "certificates go before their agent")
				r.List()
				_, _ = r.Find("web")
			}
		})
	}
	for range 4 {
		writers.Go(func() {
			for range 8 {
				_, _ = r.Suspend(t.Context(), a.ID, "x") // one of the writers is first, the others are refused
				_, _ = r.Resume(t.Context(), a.ID)
				create(t, r, operator())
			}
		})
	}
	writers.Wait()
	_, err := r.Revoke(t.Context(), a.ID, "done")
	require.NoError(t, err)
	close(stop)
	readers.Wait()
	assert.Len(t, r.List(), 33)
}
