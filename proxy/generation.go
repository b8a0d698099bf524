package proxy

import (
	"math"
	"sync"

	"sallyport/credentials"
	"sallyport/identity"
	"sallyport/internal/authfield"
	"sallyport/internal/host"
	"sallyport/policy"
	"sallyport/proxy/upstream"
	github "sallyport/services/github/api"
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
	Upstream    *upstream.Settings
	Limits      Limits

	once    sync.Once
	auth    *authfield.Table
	servers []github.Service // every GitHub that the files speak of
	keyed   []host.Pattern   // every store of somebody else's that speaks AWS's protocols
	bounds  sync.Map         // of AWS sessions: IAM policies by policy and credential
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

// authFields is where agents may try to authenticate by themselves.
func (g *Generation) authFields() *authfield.Table {
	g.prepare()
	return g.auth
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
		g.auth = g.Credentials.AuthFields()
	})
}

// Limits bound what one agent may take. A zero field means the default.
type Limits struct {
	Tunnels           int     // open at once; default 256
	Exchanges         int     // open at once; default 512
	RequestsPerSecond float64 // with a burst of one second; default 200
	NewHostsPerMinute int     // hosts not met before; default 120

	TunnelsPerSecond      float64 // that are opened; with a burst of one second; default 200
	TrailBytesPerMinute   int     // of rows; default what RequestsPerSecond of ordinary ones take
	RefusedBytesPerMinute int     // of these, of refused requests that have rows of their own; default a sixteenth
}

// Defaults of Limits.
const (
	DefaultTunnels           = 256
	DefaultExchanges         = 512
	DefaultRequestsPerSecond = 200
	DefaultNewHostsPerMinute = 120
	DefaultTunnelsPerSecond  = 200

	ordinaryRow  = 1400 // bytes of the trail, with room to spare
	refusedShare = 16
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
	if l.TunnelsPerSecond == 0 {
		l.TunnelsPerSecond = DefaultTunnelsPerSecond
	}
	if l.TrailBytesPerMinute == 0 {
		l.TrailBytesPerMinute = int(min(max(1, l.RequestsPerSecond*60)*ordinaryRow, math.MaxInt32))
	}
	if l.RefusedBytesPerMinute == 0 {
		l.RefusedBytesPerMinute = max(ordinaryRow, l.TrailBytesPerMinute/refusedShare)
	}
	return l
}
