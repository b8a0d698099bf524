package proxy

import (
	"math"
	"sync"
	"time"

	"github.com/google/uuid"

	"sallyport/audit"
	"sallyport/credentials"
	"sallyport/identity"
	"sallyport/identity/owners"
	"sallyport/internal/authfield"
	"sallyport/policy"
	"sallyport/proxy/upstream"
	"sallyport/services"
)

// Generation is one consistent set of all configuration files. It is immutable:
// an exchange works with the one it started with, and is checked against the
// newest before it leaves and after every reload.
type Generation struct {
	Number      uint64
	TrustDomain string
	Policies    map[string]*policy.Policy // by name; a missing one denies
	Credentials *credentials.Set
	Owners      *owners.Directory
	Upstream    *upstream.Settings
	Limits      Limits
	Services    []services.Service // that requests may go to; the first that finds one has it

	once  sync.Once
	auth  *authfield.Table
	sites []services.Sites // of each of Services
	kinds map[string]int   // of credentials, to the place of their service in Services and 1
}

// who is the agent with this id as the trail tells it; record is zero if nobody knows it.
func (g *Generation) who(id uuid.UUID, record identity.Agent, at time.Time) audit.Who {
	return audit.Who{Agent: id, AgentName: record.Name, Owner: record.Owner, Policy: record.Policy}.Answering(g.Owners, at)
}

// find returns the visit that a request is to the first service that finds it; nil for none.
func (g *Generation) find(line *services.Line) services.Visit {
	g.prepare()
	for _, s := range g.sites {
		if v := s.Find(line); v != nil {
			return v
		}
	}
	return nil
}

// owner is the service whose kind a credential is of; nil for none.
func (g *Generation) owner(kind string) services.Service {
	if i := g.ownerAt(kind); i >= 0 {
		return g.Services[i]
	}
	return nil
}

func (g *Generation) ownerAt(kind string) int {
	g.prepare()
	return g.kinds[kind] - 1
}

// narrower narrows credentials of a kind; nil for those that are the same for every request.
func (g *Generation) narrower(kind string) services.Narrower {
	g.prepare()
	if i := g.ownerAt(kind); i >= 0 {
		n, _ := g.sites[i].(services.Narrower)
		return n
	}
	return nil
}

// unsign is a query without what an agent's placeholder has signed.
func (g *Generation) unsign(rawQuery, agent string) string {
	for _, s := range g.Services {
		if u, ok := s.(services.Unsigner); ok && rawQuery != "" {
			rawQuery = u.Unsign(rawQuery, agent)
		}
	}
	return rawQuery
}

// authFields is where agents may try to authenticate by themselves.
func (g *Generation) authFields() *authfield.Table {
	g.prepare()
	return g.auth
}

// prepare derives, once, what every exchange asks of the files.
func (g *Generation) prepare() {
	g.once.Do(func() {
		g.kinds = map[string]int{}
		files := services.Files{Policies: g.Policies, Credentials: g.Credentials}
		for _, s := range g.Services {
			g.sites = append(g.sites, s.Sites(files))
			for _, kind := range s.Kinds() {
				g.kinds[kind.Name] = len(g.sites)
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
