package config

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"sallyport/credentials"
	"sallyport/internal/host"
	"sallyport/internal/yamldoc"
)

// defaultListen is where agents and sidecars connect unless the file says otherwise.
const defaultListen = "127.0.0.1:8443"

// Config is sallyport.yaml.
type Config struct {
	TrustDomain  string
	Listen       string      // host:port; the host may be empty for every address
	Names        []host.Name // on the listener's certificate, beside its own
	HealthListen string      // host:port; "" is off
	Enrol        Enrol
	Upstream     Upstream
	Durability   string  // "" (the trail's default), "commit" or "fsync"
	Publish      []Place // where the trail's checkpoints go
	// MaxUnpublished is how long a place may lack them before requests are
	// refused; 0 is for ever.
	MaxUnpublished time.Duration
	Limits         Limits
	// OwnersGrace is how long an agent goes on whose owner is not in owners.yaml
	// any more, before it is suspended.
	OwnersGrace time.Duration
	// TrustGroup may write what holds secrets, beside the user that runs the server.
	TrustGroup credentials.Group
}

// Enrol is the listener on which agents join and renew their certificates.
type Enrol struct {
	Listen  string // host:port; "" is off
	Address string // host:port where agents reach it; "" if that follows from Listen
	// RenewGrace is how long after its end a certificate can still be renewed.
	RenewGrace time.Duration
}

// defaultRenewGrace lets an agent come back whose server was away for a night.
const defaultRenewGrace = 24 * time.Hour

// defaultOwnersGrace is three days: a long weekend.
const defaultOwnersGrace = 72 * time.Hour

// Limits bound what one agent may take. 0 means the default.
type Limits struct {
	Tunnels           int
	Exchanges         int
	RequestsPerSecond float64
	NewHostsPerMinute int

	TunnelsPerSecond      float64
	TrailBytesPerMinute   int
	RefusedBytesPerMinute int
}

// Bounds of the limits: a larger number is most likely a typing mistake.
const (
	mostCount = 1_000_000
	mostRate  = 1_000_000
	mostBytes = 1 << 30
)

// ListenerNames are the DNS names and addresses of the listener's certificate,
// without duplicates, in a fixed order.
func (c *Config) ListenerNames() []string {
	names := []string{"localhost", "127.0.0.1", "::1"}
	for _, n := range c.Names {
		names = append(names, n.String())
	}
	listenHost, _, err := net.SplitHostPort(c.Listen)
	if err == nil && !unspecified(listenHost) {
		if n, err := host.ParseName(listenHost); err == nil {
			names = append(names, n.String())
		}
	}
	var unique []string
	for _, n := range names {
		if !slices.Contains(unique, n) {
			unique = append(unique, n)
		}
	}
	return unique
}

// ReachableAt turns the address the listener is bound to into one that a client
// can use: an address that means "all" becomes the first configured name, or
// loopback.
func (c *Config) ReachableAt(bound string) string {
	boundHost, port, err := net.SplitHostPort(bound)
	if err != nil || !unspecified(boundHost) {
		return bound
	}
	if len(c.Names) > 0 {
		return net.JoinHostPort(c.Names[0].String(), port)
	}
	return net.JoinHostPort("127.0.0.1", port)
}

func unspecified(listenHost string) bool {
	addr, err := netip.ParseAddr(listenHost)
	return listenHost == "" || err == nil && addr.IsUnspecified()
}

// parseConfig reads sallyport.yaml; doc says what is wrong with it.
func parseConfig(file string, data []byte, home string, checkTrustDomain func(string) error) (*Config, *yamldoc.Doc) {
	c := &Config{Listen: defaultListen, OwnersGrace: defaultOwnersGrace, Enrol: Enrol{RenewGrace: defaultRenewGrace}}
	doc, root := yamldoc.Read(file, data, yamldoc.Options{})
	if root == nil {
		root = doc.New()
	}
	value{root}.fields(map[string]func(value){
		"trust_domain": func(v value) {
			if c.TrustDomain, _ = v.Written(); c.TrustDomain == "" {
				return
			}
			if err := checkTrustDomain(c.TrustDomain); err != nil {
				v.Fail("%v", err)
			}
		},
		"listen": func(v value) { c.Listen = v.listen() },
		"names":  func(v value) { v.list(func(v value) { c.Names = v.appendName(c.Names) }) },
		"health": func(v value) {
			v.fields(map[string]func(value){"listen": func(v value) { c.HealthListen = v.listen() }})
		},
		"enrol":       func(v value) { c.Enrol.parse(v) },
		"trust_group": func(v value) { c.TrustGroup = v.group() },
		"upstream":    func(v value) { c.Upstream.parse(v, home) },
		"audit":       func(v value) { c.parseAudit(v, home) },
		"owners": func(v value) {
			v.fields(map[string]func(value){"grace": func(v value) { c.OwnersGrace = v.duration(0, "72h") }})
		},
		"limits": func(v value) { v.fields(map[string]func(value){"per_agent": c.Limits.parse}) },
	})
	if c.TrustDomain == "" && doc.Count() == 0 {
		doc.Fail(0, "trust_domain", "is missing; write for example trust_domain: agents.example.com")
	}
	return c, doc
}

func (c *Config) parseDurability(v value) {
	s, ok := v.Written()
	if ok && s != "commit" && s != "fsync" {
		v.Fail("%q is unknown; write commit (survives a crash of the process) or fsync (survives power loss)", s)
	}
	c.Durability = s
}

func (e *Enrol) parse(v value) {
	v.fields(map[string]func(value){
		"listen":      func(v value) { e.Listen = v.listen() },
		"address":     func(v value) { e.Address = v.listen() },
		"renew_grace": func(v value) { e.RenewGrace = v.duration(0, "24h") },
	})
	switch {
	case e.Listen == "" && e.Address != "":
		v.Fail("address is where agents reach the listener, and there is no listen")
	case e.RenewGrace > mostRenewGrace:
		v.Field("renew_grace").Fail("%s is longer than %s: for so long a certificate that was stolen could come back", e.RenewGrace, mostRenewGrace)
	}
}

// mostRenewGrace is within what the registry remembers of certificates that have ended.
const mostRenewGrace = 7 * 24 * time.Hour

func (l *Limits) parse(v value) {
	v.fields(map[string]func(value){
		"tunnels":              func(v value) { l.Tunnels = v.Count(mostCount) },
		"exchanges":            func(v value) { l.Exchanges = v.Count(mostCount) },
		"requests_per_second":  func(v value) { l.RequestsPerSecond = v.Number(mostRate) },
		"new_hosts_per_minute": func(v value) { l.NewHostsPerMinute = v.Count(mostCount) },

		"tunnels_per_second":       func(v value) { l.TunnelsPerSecond = v.Number(mostRate) },
		"trail_bytes_per_minute":   func(v value) { l.TrailBytesPerMinute = v.Count(mostBytes) },
		"refused_bytes_per_minute": func(v value) { l.RefusedBytesPerMinute = v.Count(mostBytes) },
	})
}

// listen reads an address to listen on.
func (v value) listen() string {
	s, ok := v.Written()
	if !ok {
		return ""
	}
	if err := checkListen(s); err != nil {
		v.Fail("%v; write for example 127.0.0.1:8443, or :8443 for every address", err)
	}
	return s
}

func checkListen(s string) error {
	listenHost, port, err := net.SplitHostPort(s)
	if err != nil {
		return fmt.Errorf("%q is not host:port", s)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("port %q is not a number from 0 to 65535", port)
	}
	if listenHost == "" {
		return nil
	}
	if _, err := host.ParseName(listenHost); err != nil {
		return err
	}
	return nil
}

func (v value) appendName(names []host.Name) []host.Name {
	s, ok := v.Written()
	if !ok {
		return names
	}
	n, err := host.ParseName(s)
	switch {
	case err != nil:
		v.Fail("%v", err)
	case slices.Contains(names, n):
		v.Fail("%s is listed twice", n)
	default:
		return append(names, n)
	}
	return names
}

// EnrolAddress is where agents reach the enrolment listener, which is bound to bound; "" if
// that cannot be known.
func (c *Config) EnrolAddress(bound string) string {
	if c.Enrol.Address != "" {
		return c.Enrol.Address
	}
	if _, port, err := net.SplitHostPort(bound); err != nil || port == "0" {
		return ""
	}
	return c.ReachableAt(bound)
}

// KnownAddress is where clients reach the listener, as far as the file alone
// tells; "" if the port is chosen at the start.
func (c *Config) KnownAddress() string {
	if _, port, err := net.SplitHostPort(c.Listen); err != nil || port == "0" {
		return ""
	}
	return c.ReachableAt(c.Listen)
}
