package policy

import (
	"slices"
	"strings"

	"sallyport/internal/authfield"
	"sallyport/internal/host"
	"sallyport/internal/yamldoc"
)

const (
	httpsPort = 443
	httpPort  = 80
)

// request compiles what stands under allow, ask or deny.
func (c *compiler) request(n *yamldoc.Node, r *rule) matcher {
	if !n.Mapping(c.matchKeys...) {
		return nil
	}
	if len(n.Below) == 0 {
		n.Fail(`says nothing and would match every request; write {host: "*"} if that is meant`)
		return nil
	}
	m := &request{anyHost: true, credential: r.credential, unnamed: r.unnamed, signed: r.effect != Deny && c.signs(r.credential)}
	readScheme(n, r, m)
	if f := n.Field("host"); f != nil {
		m.anyHost = false
		m.host = readHost(f)
	} else if r.credential != "" {
		n.Doc().Fail(n.Line, n.Sub("host"), "missing; a rule with a credential names the host that may get it")
	}
	if f := n.Field("methods"); f != nil {
		m.methods = readMethods(f, r.effect)
	}
	if f := n.Field("path"); f != nil {
		if text, ok := f.Word("write path: /v1/**"); ok {
			pattern, err := parsePathPattern(text, folds(n, r))
			if err != nil {
				f.Fail("%v", err)
			}
			m.path = pattern
		}
	} else if f := n.Field("case"); f != nil {
		f.Fail("is about path, and the rule has none; remove it")
	}
	if f := n.Field("query"); f != nil {
		m.query = readQuery(f)
	}
	return m
}

// folds reads case: ignore, which only makes a rule wider.
func folds(n *yamldoc.Node, r *rule) bool {
	f := n.Field("case")
	switch {
	case f == nil:
		return false
	case r.effect == Allow:
		f.Fail("is for deny and ask; an allow means the path as it is written")
	case f.Kind != yamldoc.Scalar || f.Text != "ignore":
		f.Fail("must be ignore; leave the key out where case matters")
	}
	return true
}

func (c *compiler) signs(credential string) bool {
	return credential != "" && slices.ContainsFunc(c.languages, func(l Language) bool {
		s, ok := l.(Signer)
		return ok && s.Signs(credential)
	})
}

// readScheme fixes the scheme and the port that goes with it. Deny is wide where
// nothing is written, allow and ask are narrow.
func readScheme(n *yamldoc.Node, r *rule, m *request) {
	if r.effect != Deny {
		m.scheme, m.defaultPort = "https", httpsPort
	}
	f := n.Field("scheme")
	if f == nil {
		return
	}
	switch {
	case f.Kind == yamldoc.Scalar && f.Text == "https":
		m.scheme = "https"
	case f.Kind == yamldoc.Scalar && f.Text == "http":
		m.scheme = "http"
		if r.effect != Deny {
			m.defaultPort = httpPort
		}
		if r.credential != "" && r.effect != Deny {
			f.Fail("no credential is ever applied in clear text; use https, or remove the credential")
		}
	default:
		f.Fail("must be https or http")
	}
}

func readHost(n *yamldoc.Node) host.Pattern {
	text, ok := n.Word(`write one pattern, as in host: "*.example.com"`)
	if !ok {
		return host.Pattern{}
	}
	pattern, err := host.ParsePattern(text)
	switch {
	case err == nil:
	case strings.ContainsAny(text, "/ "):
		n.Fail("%q is not a host; write the host alone, and what follows it under path", text)
	default:
		n.Fail("%v", err)
	}
	return pattern
}

func readMethods(n *yamldoc.Node, effect Effect) []string {
	items, ok := n.Items("write methods: [GET, HEAD], or leave the key out for any method")
	if !ok {
		return nil
	}
	methods := make([]string, 0, len(items))
	for _, item := range items {
		method, ok := item.Word("write methods: [GET, HEAD]")
		switch {
		case !ok:
		case !isMethod(method):
			item.Fail("%s is not a method; methods are upper-case words such as GET, or %s for an upgrade", yamldoc.Quote(method), Upgrade)
		case effect != Deny && (method == "CONNECT" || method == "TRACE"):
			item.Fail("%s is always refused, so no rule can grant it; remove it", method)
		case slices.Contains(methods, method):
			item.Fail("%s is listed twice; remove one", method)
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

func readQuery(n *yamldoc.Node) []parameter {
	if n.Kind != yamldoc.Map || len(n.Below) == 0 {
		n.Fail("must be a mapping of names to lists of values, as in query: {state: [open]}")
		return nil
	}
	parameters := make([]parameter, 0, len(n.Below))
	for _, f := range n.Below {
		p := parameter{name: f.Label, folded: authfield.Fold(f.Label)}
		items, _ := f.Items("write query: {state: [open, closed]}")
		for _, item := range items {
			switch {
			case item.Kind != yamldoc.Scalar: // the empty value is a value: quoted
				item.Fail(`must be a single value; quote an empty one, as in [""]`)
			case slices.Contains(p.values, item.Text):
				item.Fail("%s is listed twice; remove one", yamldoc.Quote(item.Text))
			default:
				p.values = append(p.values, item.Text)
			}
		}
		parameters = append(parameters, p)
	}
	return parameters
}
