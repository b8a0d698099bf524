package admin_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/admin"
	"sallyport/audit"
	"sallyport/certs"
	"sallyport/credentials"
	"sallyport/credentials/budget"
	"sallyport/identity"
	"sallyport/identity/owners"
	"sallyport/policy"
	"sallyport/services/github"
)

// trail is a trail whose failure a test decides.
type trail struct {
	mu     sync.Mutex
	events []audit.Event
	fail   string // the type of event that cannot be recorded
}

func (t *trail) Record(_ context.Context, e audit.Event) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.fail == e.Type {
		return errors.New("disk full")
	}
	t.events = append(t.events, e)
	return nil
}

func (t *trail) types() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var types []string
	for _, e := range t.events {
		types = append(types, e.Type)
	}
	return types
}

type fixture struct {
	*admin.Service
	trail *trail
	mu    sync.Mutex
	cut   []uuid.UUID
	now   time.Time
}

const domain = "agents.test"

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{trail: &trail{}, now: time.Now()}
	now := func() time.Time { return f.now }
	registry, err := identity.Open(t.Context(), filepath.Join(t.TempDir(), "identity.db"), now)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, registry.Close()) })
	agentCA, err := certs.CreateAuthority(certs.Template{CommonName: "agents", URI: "spiffe://" + domain}, f.now)
	require.NoError(t, err)
	interceptionCA, err := certs.CreateAuthority(certs.Template{CommonName: "interception"}, f.now)
	require.NoError(t, err)
	view := newView(t)
	f.Service = admin.NewService(admin.Config{
		Registry: registry, Trail: f.trail, AgentCA: agentCA, InterceptionCA: interceptionCA, Now: now,
		View:  func() admin.View { return view },
		Proxy: func() string { return "127.0.0.1:8443" },
		Cut: func(id uuid.UUID) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.cut = append(f.cut, id)
		},
	})
	return f
}

func newView(t *testing.T) admin.View {
	t.Helper()
	directory, err := owners.Parse("owners.yaml", []byte("people: {dana: {name: Dana}}\nteams: {ops: {members: [dana]}}\n"))
	require.NoError(t, err)
	p, err := policy.Parse("p.yaml", []byte("policy: p\nrules:\n  - {name: r, allow: {host: a.example}, credential: key}\n"))
	require.NoError(t, err)
	set, err := credentials.Parse("credentials.yaml", []byte("credentials:\n"+
		"  key: {kind: bearer, secret: {env: KEY}, hosts: [a.example]}\n"+
		"  app: {kind: github_app, app_id: 7, private_key: {env: KEY}, owners: [acme], installation: auto}\n"+
		"  none: {kind: bearer, secret: {env: NONE}, hosts: [a.example]}\n"), credentials.Options{
		Kinds: github.New().Kinds(),
		Home:  t.TempDir(), FingerprintKey: make([]byte, 32), Now: time.Now,
		Getenv: func(name string) string { return map[string]string{"KEY": "canary"}[name] },
	})
	require.NoError(t, err)
	return admin.View{TrustDomain: domain, Policies: map[string]*policy.Policy{"p": p}, Owners: directory, Credentials: set}
}

func (f *fixture) session() *admin.Session {
	return f.As(admin.Principal{UID: 1000, User: "dana", Via: "socket"})
}

func create(t *testing.T, s *admin.Session) admin.Enrolment {
	t.Helper()
	e, err := s.CreateAgent(t.Context(), admin.CreateRequest{Name: "a", Policy: "p", Owner: "person:dana", TTL: admin.Duration(time.Hour)})
	require.NoError(t, err)
	return e
}

func TestCreateHandsOverAWholeIdentity(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	e := create(t, f.session())
	pair, err := tls.X509KeyPair(e.Certificate, e.Key)
	require.NoError(t, err)
	peer, err := identity.ParsePeer(pair.Leaf, domain)
	require.NoError(t, err)
	assert.Equal(t, e.Agent.ID, peer.Agent)
	assert.False(t, f.Registry.CertificateRevoked(peer.Serial))
	assert.Equal(t, "person:dana", *e.Agent.Accountable)
	assert.Equal(t, "127.0.0.1:8443", e.Proxy)
	assert.NotEmpty(t, e.Bundle)
	assert.NotEmpty(t, e.CA)
	assert.Equal(t, []string{"agent.created", "certificate.issued"}, f.trail.types())
	for _, event := range f.trail.events {
		assert.Equal(t, "dana", event.Payload["user"])
		assert.Equal(t, 1000, event.Payload["uid"])
		assert.Equal(t, e.Agent.ID.String(), event.Payload["agent"])
	}
}

func TestCreateRefusesWhatDoesNotExist(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	good := admin.CreateRequest{Policy: "p", Owner: "team:ops", TTL: admin.Duration(time.Hour)}
	for name, c := range map[string]struct {
		change func(*admin.CreateRequest)
		want   string
	}{
		"policy":      {func(r *admin.CreateRequest) { r.Policy = "q" }, `unknown policy "q"`},
		"no policy":   {func(r *admin.CreateRequest) { r.Policy = "" }, `unknown policy ""`},
		"owner":       {func(r *admin.CreateRequest) { r.Owner = "dana" }, `unknown owner "dana"`},
		"no lifetime": {func(r *admin.CreateRequest) { r.TTL = 0 }, "a lifetime of 0s is not possible"},
		"too long":    {func(r *admin.CreateRequest) { r.TTL = admin.Duration(400 * 24 * time.Hour) }, "is not possible"},
		"odd name":    {func(r *admin.CreateRequest) { r.Name = "A\x1b[2J" }, "name"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := good
			c.change(&r)
			_, err := f.session().CreateAgent(t.Context(), r)
			require.ErrorContains(t, err, c.want)
		})
	}
	t.Cleanup(func() {
		assert.Empty(t, f.Registry.List())
		assert.Empty(t, f.trail.types())
	})
}

// What widens takes effect only on the record; what narrows always does.
func TestChangesWhileTheTrailCannotBeWritten(t *testing.T) {
	t.Parallel()
	t.Run("create", func(t *testing.T) {
		t.Parallel()
		for _, event := range []string{"agent.created", "certificate.issued"} {
			f := newFixture(t)
			f.trail.fail = event
			e, err := f.session().CreateAgent(t.Context(), admin.CreateRequest{Policy: "p", Owner: "team:ops", TTL: admin.Duration(time.Hour)})
			require.ErrorContains(t, err, "record "+event+" in the audit trail: disk full")
			assert.Empty(t, e.Key)
			for _, a := range f.Registry.List() {
				assert.Equal(t, identity.Revoked, a.Status)
			}
		}
	})
	t.Run("renew", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t)
		before := create(t, f.session()).Agent
		f.trail.fail = "certificate.issued"
		_, err := f.session().RenewAgent(t.Context(), admin.RenewRequest{ID: "a", TTL: admin.Duration(9 * time.Hour)})
		require.Error(t, err)
		after, err := f.session().Agent(t.Context(), "a")
		require.NoError(t, err)
		assert.Equal(t, before.ExpiresAt, after.ExpiresAt)
	})
	t.Run("suspend and revoke", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t)
		id := create(t, f.session()).Agent.ID
		f.trail.fail = "agent.suspended"
		_, err := f.session().SuspendAgent(t.Context(), admin.StatusRequest{ID: "a"})
		require.ErrorContains(t, err, "is suspended, but: record agent.suspended")
		f.trail.fail = "agent.revoked"
		_, err = f.session().RevokeAgent(t.Context(), admin.StatusRequest{ID: "a"})
		require.ErrorContains(t, err, "is revoked, but: record agent.revoked")
		a, _ := f.Registry.Lookup(id)
		assert.Equal(t, identity.Revoked, a.Status)
		assert.Equal(t, []uuid.UUID{id, id}, f.cut)
	})
	t.Run("resume", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t)
		id := create(t, f.session()).Agent.ID
		_, err := f.session().SuspendAgent(t.Context(), admin.StatusRequest{ID: "a", Reason: "odd"})
		require.NoError(t, err)
		f.trail.fail = "agent.resumed"
		_, err = f.session().ResumeAgent(t.Context(), admin.StatusRequest{ID: "a"})
		require.Error(t, err)
		a, _ := f.Registry.Lookup(id)
		assert.Equal(t, identity.Suspended, a.Status)
		assert.Equal(t, "odd", a.Reason)
	})
}

func TestRenewRevivesAnExpiredAgent(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	first := create(t, f.session())
	f.now = f.now.Add(2 * time.Hour)
	a, err := f.session().Agent(t.Context(), "a")
	require.NoError(t, err)
	assert.Equal(t, "expired", a.Status)
	second, err := f.session().RenewAgent(t.Context(), admin.RenewRequest{ID: first.Agent.ID.String(), TTL: admin.Duration(time.Hour)})
	require.NoError(t, err)
	assert.Equal(t, first.Agent.ID, second.Agent.ID)
	assert.Equal(t, "active", second.Agent.Status)
	assert.NotEqual(t, first.Key, second.Key)
	a, err = f.session().Agent(t.Context(), "a")
	require.NoError(t, err)
	require.Len(t, a.Certificates, 2)
	assert.Equal(t, 2, a.Certificates[0].Generation)
}

func TestCredentialsTellWhatGitHubAllows(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	reset, until := f.now.Add(time.Hour).UTC(), f.now.Add(time.Minute).UTC()
	f.RateLimits = func(match func(credentials.Account) bool) map[credentials.Account][]budget.Standing {
		all := map[credentials.Account][]budget.Standing{
			{Server: "github.com", App: 7, Installation: 99, Owner: "acme"}: {
				{Resource: "graphql", Limit: 5000, Remaining: 12, Reset: reset, Agents: 3},
				{Resource: "core", Limit: 15000, Reset: reset, Agents: 3, Until: until},
			},
			{Server: "github.com", App: 8, Installation: 100, Owner: "acme"}: {{Resource: "core", Limit: 1, Reset: reset}},
		}
		maps.DeleteFunc(all, func(a credentials.Account, _ []budget.Standing) bool { return !match(a) })
		return all
	}
	list, err := f.session().Credentials(t.Context())
	require.NoError(t, err)
	app := list[slices.IndexFunc(list, func(c admin.Credential) bool { return c.Name == "app" })]
	assert.Equal(t, []string{"acme"}, app.Owners)
	text, err := json.Marshal(app.RateLimits)
	require.NoError(t, err)
	stamp := func(at time.Time) string { return at.Format(time.RFC3339Nano) }
	assert.JSONEq(t, `[
		{"server":"github.com","installation":99,"owner":"acme","resource":"core","limit":15000,"remaining":0,"reset_at":"`+stamp(reset)+`","agents":3,"retry_after":"`+stamp(until)+`"},
		{"server":"github.com","installation":99,"owner":"acme","resource":"graphql","limit":5000,"remaining":12,"reset_at":"`+stamp(reset)+`","agents":3,"retry_after":null}
	]`, string(text))
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	list, err := f.session().Credentials(t.Context())
	require.NoError(t, err)
	require.Len(t, list, 3)
	i := slices.IndexFunc(list, func(c admin.Credential) bool { return c.Name == "key" })
	assert.Equal(t, admin.Credential{Name: "key", Kind: "bearer", Hosts: []string{"a.example"}, Policies: []string{"p"}, Owners: []string{}, RateLimits: []admin.RateLimit{}}, list[i])

	check, err := f.session().CheckCredential(t.Context(), "key")
	require.NoError(t, err)
	assert.True(t, check.OK)
	assert.Len(t, *check.Fingerprint, 64)
	check, err = f.session().CheckCredential(t.Context(), "none")
	require.NoError(t, err)
	assert.False(t, check.OK)
	assert.NotEmpty(t, *check.Error)
	_, err = f.session().CheckCredential(t.Context(), "nope")
	require.ErrorContains(t, err, `unknown credential "nope"`)

	check, err = f.session().CheckCredential(t.Context(), "app")
	require.NoError(t, err)
	assert.Contains(t, *check.Error, "by a running server only")

	f.trail.fail = "credential.checked"
	_, err = f.session().CheckCredential(t.Context(), "key")
	require.ErrorContains(t, err, "disk full")
}
