package config

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"path/filepath"

	"sallyport/internal/host"
)

// Upstream governs every connection that Sallyport opens.
type Upstream struct {
	Roots         []Roots
	Resolve       map[host.Authority]host.Authority // dial the second where the first is asked for
	AllowNetworks []Network
	Proxy         *Parent // through which upstreams are reached; nil for none
}

// Parent is a proxy of one's company.
type Parent struct {
	Authority  host.Authority
	TLS        bool
	Credential string         // for it; "" for none
	Except     []host.Pattern // upstreams that are reached without it

	clear bool // the credential may go to it in clear text
	line  int
	key   string
}

// Roots are certificates trusted beside the system's.
type Roots struct {
	File  string // absolute
	PEM   []byte
	Hosts []host.Pattern // for these only; empty means for all

	line int
	key  string
}

// Network is a private range that may be dialled.
type Network struct {
	Prefix netip.Prefix   // masked
	Hosts  []host.Pattern // for these only; empty means for all
}

func (u *Upstream) parse(v value, home string) {
	v.fields(map[string]func(value){
		"roots":          func(v value) { v.list(func(v value) { u.parseRoots(v, home) }) },
		"resolve":        u.parseResolve,
		"allow_networks": func(v value) { v.list(u.parseNetwork) },
		"proxy":          u.parseProxy,
	})
}

func (u *Upstream) parseProxy(v value) {
	p := &Parent{line: v.Line, key: v.Key()}
	before := v.Doc().Count()
	found := false
	v.fields(map[string]func(value){
		"url":        func(v value) { found = true; p.parseURL(v) },
		"credential": func(v value) { p.Credential, _ = v.Written() },
		"clear_text": func(v value) { p.clear = v.Truth() },
		"except":     func(v value) { v.list(func(v value) { p.Except = v.appendPattern(p.Except) }) },
	})
	switch {
	case !found && v.Doc().Count() == before:
		v.Fail("has no url; write url: https://proxy.corp.example:3128")
	case p.Credential != "" && !p.TLS && !p.clear && v.Doc().Count() == before:
		v.Fail("would send credential %s in clear text; write url: https://..., or clear_text: true if the proxy speaks nothing else and the network between is trusted", p.Credential)
	}
	if v.Doc().Count() == before {
		u.Proxy = p
	}
}

func (p *Parent) parseURL(v value) {
	text, ok := v.Written()
	if !ok {
		return
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "":
		v.Fail("is not the URL of a proxy; write https://proxy.corp.example:3128")
	case u.User != nil:
		v.Fail("holds a name or password; remove it, replace it, since it has been in a file, and name a credential of kind basic")
	case u.Port() == "":
		v.Fail("has no port; write %s://%s:3128, with the port of your proxy", u.Scheme, u.Hostname())
	default:
		p.TLS = u.Scheme == "https"
		if p.Authority, err = host.ParseAuthority(u.Host, 0); err != nil {
			v.Fail("%v", err)
		}
	}
}

// checkProxy finds a parent proxy whose credential does not exist, does not fit, or must not
// go there.
func (set *Set) checkProxy(file string) error {
	p := set.Config.Upstream.Proxy
	if p == nil || p.Credential == "" {
		return nil
	}
	problem := &fileError{File: file, Line: p.line, Key: p.key + ".credential"}
	c := set.Credentials.Lookup(p.Credential)
	to, err := host.ParsePattern(p.Authority.String())
	switch {
	case err != nil:
		problem.Msg = err.Error()
	case c == nil:
		problem.Msg = fmt.Sprintf("credentials.yaml has no credential %q", p.Credential)
	case c.Kind() != "basic" && c.Kind() != "bearer":
		problem.Msg, problem.Hint = fmt.Sprintf("credential %q is of kind %s", p.Credential, c.Kind()), "name one of kind basic or bearer"
	case !c.Covers(to):
		problem.Msg = fmt.Sprintf("credential %q must not go to %s (it is bound to %s)", p.Credential, p.Authority, patterns(c.Hosts()))
		problem.Hint = "add " + p.Authority.String() + " to the credential's hosts"
	default:
		return nil
	}
	return problem
}

func (u *Upstream) parseRoots(v value, home string) {
	r := Roots{line: v.Line, key: v.Key()}
	r.Hosts = v.scoped("file", func(v value) {
		if file, ok := v.Written(); ok {
			r.File = file
			if !filepath.IsAbs(file) {
				r.File = filepath.Join(home, file)
			}
		}
	})
	if r.File != "" {
		u.Roots = append(u.Roots, r)
	}
}

func (u *Upstream) parseNetwork(v value) {
	var n Network
	n.Hosts = v.scoped("network", func(v value) {
		if s, ok := v.Written(); ok {
			prefix, err := parseNetwork(s)
			if err != nil {
				v.Fail("%v", err)
			}
			n.Prefix = prefix
		}
	})
	if n.Prefix.IsValid() {
		u.AllowNetworks = append(u.AllowNetworks, n)
	}
}

func parseNetwork(s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	switch {
	case err != nil:
		return netip.Prefix{}, fmt.Errorf("%q is not a network; write for example 10.0.3.0/24, and 10.0.3.7/32 for one address", s)
	case p.Addr().Is4In6():
		return netip.Prefix{}, fmt.Errorf("%q is an IPv4 network in IPv6 form; write it as IPv4", s)
	case p != p.Masked():
		return netip.Prefix{}, fmt.Errorf("%q has bits after its length; write %s", s, p.Masked())
	}
	return p, nil
}

// scoped reads an entry that is either plain text or a mapping of main to that
// text and hosts to patterns. An empty list of hosts is an error, because it
// would widen the entry to all of them.
func (v value) scoped(main string, read func(value)) []host.Pattern {
	if v.isText() {
		read(v)
		return nil
	}
	var hosts []host.Pattern
	found := false
	v.fields(map[string]func(value){
		main: func(v value) { found = true; read(v) },
		"hosts": func(v value) {
			before := v.Doc().Count()
			v.list(func(v value) { hosts = v.appendPattern(hosts) })
			if len(hosts) == 0 && v.Doc().Count() == before {
				v.Fail("is empty; list patterns, or leave it out to mean all hosts")
			}
		},
	})
	if !found {
		v.Fail("has no %s", main)
	}
	return hosts
}

func (v value) appendPattern(patterns []host.Pattern) []host.Pattern {
	s, ok := v.Written()
	if !ok {
		return patterns
	}
	p, err := host.ParsePattern(s)
	if err != nil {
		v.Fail("%v", err)
		return patterns
	}
	return append(patterns, p)
}

func (u *Upstream) parseResolve(v value) {
	u.Resolve = map[host.Authority]host.Authority{}
	v.entries(func(name string, val value) {
		from, err := host.ParseAuthority(name, 0)
		if err != nil {
			val.Fail("%v", err)
			return
		}
		s, ok := val.Written()
		if !ok {
			return
		}
		to, err := host.ParseAuthority(s, 0)
		if err != nil {
			val.Fail("%v", err)
			return
		}
		if _, twice := u.Resolve[from]; twice {
			val.Fail("%s is given twice", from)
			return
		}
		u.Resolve[from] = to
	})
}

// warnings are settings that are allowed but take a protection away.
func (u *Upstream) warnings() []string {
	var all []string
	for _, n := range u.AllowNetworks {
		if n.Prefix.Bits() == 0 && len(n.Hosts) == 0 {
			all = append(all, fmt.Sprintf("upstream.allow_networks: %s lets every agent reach every private address, cloud metadata included", n.Prefix))
		}
	}
	if p := u.Proxy; p != nil && p.Credential != "" && !p.TLS {
		all = append(all, fmt.Sprintf("upstream.proxy: credential %s goes to %s in clear text", p.Credential, p.Authority))
	}
	return all
}

// checkPEM accepts a file of certificates and nothing else: a key in it would
// be a secret in the wrong place, and a file without any would trust nobody.
func checkPEM(data []byte) error {
	found := 0
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return fmt.Errorf("holds a %s; keep only certificates in it", block.Type)
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return fmt.Errorf("certificate %d cannot be read: %w", found+1, err)
		}
		found++
	}
	if found == 0 {
		return errors.New("holds no certificate; it must be PEM (-----BEGIN CERTIFICATE-----)")
	}
	return nil
}
