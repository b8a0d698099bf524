package proxy

import (
	"net/http"
	"sync"

	"sallyport/credentials"
	"sallyport/identity"
	"sallyport/internal/host"
	"sallyport/operations/github"
	"sallyport/policy"
)

// Generation is one consistent set of all configuration files. It is immutable:
// an exchange works with the one it started with, and is checked against the
// newest before it leaves and after every reload.
type Generation struct {
	Number      uint64
	TrustDomain string
	Policies    map[string]*policy.Policy // by name; a missing one denies
	Credentials *credentials.Set
	Owners      *identity.Owners
	Upstream    *Upstream
	Limits      Limits

	once    sync.Once
	auth    agentAuth
	servers []github.Service // every GitHub that the files speak of
	keyed   []host.Pattern   // every store of somebody else's that speaks AWS's protocols
	bounds  sync.Map         // of AWS sessions: IAM policies by policy and credential
}

// agentAuth is where agents may try to authenticate by themselves.
type agentAuth struct {
	headers    map[string]struct{} // canonical names
	parameters []string
}

// gitHubs are the GitHub servers that the files speak of.
func (g *Generation) gitHubs() []github.Service {
	g.prepare()
	return g.servers
}

// stores are the hosts that credentials with keys for AWS's protocols are bound to.
func (g *Generation) stores() []host.Pattern {
	g.prepare()
	return g.keyed
}

func (g *Generation) agentAuth() *agentAuth {
	g.prepare()
	return &g.auth
}

// prepare derives, once, what every exchange asks of the files.
func (g *Generation) prepare() {
	g.once.Do(func() {
		var named []string
		for _, p := range g.Policies {
			named = append(named, p.Servers(gitHubKey)...)
		}
		g.servers = gitHubs(append(named, g.Credentials.Servers()...))
		for _, name := range g.Credentials.Names() {
			if c := g.Credentials.Lookup(name); SignsAnew(c.Kind()) {
				g.keyed = append(g.keyed, c.Hosts()...)
			}
		}
		g.auth.headers = map[string]struct{}{}
		for _, name := range g.Credentials.AgentAuthHeaders() {
			g.auth.headers[name] = struct{}{}
		}
		g.auth.parameters = g.Credentials.AgentAuthParameters()
	})
}

// strip removes the agent's own authentication from a request: a placeholder
// stands for what Sallyport injects, and is never forwarded.
func (a *agentAuth) strip(r *http.Request) {
	for name := range r.Header {
		if a.covers(name) {
			delete(r.Header, name)
		}
	}
	for _, name := range a.parameters {
		r.URL.RawQuery = credentials.RemoveParameter(r.URL.RawQuery, name)
	}
}

// covers reports whether an agent may try to authenticate with the field.
func (a *agentAuth) covers(name string) bool {
	_, found := a.headers[canonicalField(name)]
	return found
}

// Limits bound what one agent may take. A zero field means the default.
type Limits struct {
	Tunnels           int     // open at once; default 256
	Exchanges         int     // open at once; default 512
	RequestsPerSecond float64 // with a burst of one second; default 200
	NewHostsPerMinute int     // hosts not met before; default 120
}

// Defaults of Limits.
const (
	DefaultTunnels           = 256
	DefaultExchanges         = 512
	DefaultRequestsPerSecond = 200
	DefaultNewHostsPerMinute = 120
)

func (l Limits) withDefaults() Limits {
	if l.Tunnels == 0 {
		l.Tunnels = DefaultTunnels
	}
	if l.Exchanges == 0 {
		l.Exchanges = DefaultExchanges
	}
	if l.RequestsPerSecond == 0 {
		l.RequestsPerSecond = DefaultRequestsPerSecond
	}
	if l.NewHostsPerMinute == 0 {
		l.NewHostsPerMinute = DefaultNewHostsPerMinute
	}
	return l
}
