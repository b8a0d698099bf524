package policy

import (
	"slices"
	"strings"

	"sallyport/internal/authfield"
	"sallyport/internal/host"
)

const (
	httpsPort = 443
	httpPort  = 80
)

// request compiles what stands under allow, ask or deny.
func (c *compiler) request(n *node, r *rule) matcher {
	if !c.mapping(n, append([]string{"host", "scheme", "methods", "path", "case", "query"}, c.serviceKeys()...)...) {
		return nil
	}
	if len(n.below) == 0 {
		c.failAt(n, `says nothing and would match every request; write {host: "*"} if that is meant`)
		return nil
	}
	m := &request{anyHost: true, credential: r.credential, unnamed: r.unnamed, signed: r.effect != Deny && c.signs(r.credential)}
	c.scheme(n, r, m)
	if f := n.field("host"); f != nil {
		m.anyHost = false
		m.host = c.host(f)
	} else if r.credential != "" {
		c.fail(n.line, join(n.key(), "host"), "missing; a rule with a credential names the host that may get it")
	}
	if f := n.field("methods"); f != nil {
		m.methods = c.methods(f, r.effect)
	}
	if f := n.field("path"); f != nil {
		if text, ok := c.word(f, "write path: /v1/**"); ok {
			pattern, err := parsePathPattern(text, c.fold(n, r))
			if err != nil {
				c.failAt(f, "%v", err)
			}
			m.path = pattern
		}
	} else if f := n.field("case"); f != nil {
		c.failAt(f, "is about path, and the rule has none; remove it")
	}
	if f := n.field("query"); f != nil {
		m.query = c.query(f)
	}
	return m
}

// fold reads case: ignore, which only makes a rule wider.
func (c *compiler) fold(n *node, r *rule) bool {
	f := n.field("case")
	switch {
	case f == nil:
		return false
	case r.effect == Allow:
		c.failAt(f, "is for deny and ask; an allow means the path as it is written")
	case f.kind != scalarNode || f.text != "ignore":
		c.failAt(f, "must be ignore; leave the key out where case matters")
	}
	return true
}

func (c *compiler) signs(credential string) bool {
	return credential != "" && slices.ContainsFunc(c.services, func(s Service) bool { return s.Signs != nil && s.Signs(credential) })
}

// scheme fixes the scheme and the port that goes with it. Deny is wide where
// nothing is written, allow and ask are narrow.
func (c *compiler) scheme(n *node, r *rule, m *request) {
	if r.effect != Deny {
		m.scheme, m.defaultPort = "https", httpsPort
	}
	f := n.field("scheme")
	if f == nil {
		return
	}
	switch {
	case f.kind == scalarNode && f.text == "https":
		m.scheme = "https"
	case f.kind == scalarNode && f.text == "http":
		m.scheme = "http"
		if r.effect != Deny {
			m.defaultPort = httpPort
		}
		if r.credential != "" && r.effect != Deny {
			c.failAt(f, "no credential is ever applied in clear text; use https, or remove the credential")
		}
	default:
		c.failAt(f, "must be https or http")
	}
}

func (c *compiler) host(n *node) host.Pattern {
	text, ok := c.word(n, `write one pattern, as in host: "*.example.com"`)
	if !ok {
		return host.Pattern{}
	}
	pattern, err := host.ParsePattern(text)
	switch {
	case err == nil:
	case strings.ContainsAny(text, "/ "):
		c.failAt(n, "%q is not a host; write the host alone, and what follows it under path", text)
	default:
		c.failAt(n, "%v", err)
	}
	return pattern
}

func (c *compiler) methods(n *node, effect Effect) []string {
	items, ok := c.list(n, "write methods: [GET, HEAD], or leave the key out for any method")
	if !ok {
		return nil
	}
	methods := make([]string, 0, len(items))
	for _, item := range items {
		method, ok := c.word(item, "write methods: [GET, HEAD]")
		switch {
		case !ok:
		case !isMethod(method):
			c.failAt(item, "%s is not a method; methods are upper-case words such as GET, or %s for an upgrade", quoteOdd(method), Upgrade)
		case effect != Deny && (method == "CONNECT" || method == "TRACE"):
			c.failAt(item, "%s is always refused, so no rule can grant it; remove it", method)
		case slices.Contains(methods, method):
			c.failAt(item, "%s is listed twice; remove one", method)
		default:
			methods = append(methods, method)
		}
	}
	return methods
}

// isMethod accepts tokens (RFC 9110, section 5.6.2) without lower case, which no
// registered method has and which would never match.
func isMethod(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !('A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0) {
			return false
		}
	}
	return s != "" && 'A' <= s[0] && s[0] <= 'Z'
}

func (c *compiler) query(n *node) []parameter {
	if n.kind != mapNode || len(n.below) == 0 {
		c.failKind(n, "must be a mapping of names to lists of values, as in query: {state: [open]}")
		return nil
	}
	parameters := make([]parameter, 0, len(n.below))
	for _, f := range n.below {
		p := parameter{name: f.label, folded: authfield.Fold(f.label)}
		items, _ := c.list(f, "write query: {state: [open, closed]}")
		for _, item := range items {
			switch {
			case item.kind != scalarNode: // the empty value is a value: quoted
				c.failKind(item, `must be a single value; quote an empty one, as in [""]`)
			case slices.Contains(p.values, item.text):
				c.failAt(item, "%s is listed twice; remove one", quoteOdd(item.text))
			default:
				p.values = append(p.values, item.text)
			}
		}
		parameters = append(parameters, p)
	}
	return parameters
}
