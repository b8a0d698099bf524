package policy

import (
	"errors"
	"fmt"
	"strings"

	"sallyport/internal/host"
	"sallyport/internal/yamldoc"
)

// test is one entry of a file's own tests.
type test struct {
	line     int
	request  string
	query    Query
	expected string
	effect   Effect
	rule     string // "" for any
}

func (c *compiler) tests(n *yamldoc.Node, rules []rule) []test {
	items, ok := n.Items("write - request: GET https://example.com/ and expect: deny")
	if !ok {
		return nil
	}
	names := make(map[string]bool, len(rules))
	for i := range rules {
		names[rules[i].name] = true
	}
	tests := make([]test, 0, len(items))
	for _, item := range items {
		tests = append(tests, c.test(item, names))
	}
	return tests
}

func (c *compiler) test(n *yamldoc.Node, rules map[string]bool) test {
	t := test{line: n.Line}
	if !n.Mapping("request", "expect") {
		return t
	}
	if f := n.Required("request", "write request: POST https://api.example.com/v1/messages"); f != nil {
		c.testRequest(f, &t)
	}
	if f := n.Required("expect", "write expect: allow, deny or ask, and by RULE if it matters"); f != nil {
		readExpectation(f, rules, &t)
	}
	return t
}

// testRequest reads "METHOD URL" or, for an upgrade, "GET URL websocket", or a
// question in a service's own words.
func (c *compiler) testRequest(n *yamldoc.Node, t *test) {
	const form = "write METHOD URL, as in POST https://api.example.com/v1/messages, and websocket after it for an upgrade"
	text, ok := n.Word(form)
	if !ok {
		return
	}
	if query, ok, err := parseQuestion(text, c.servers, c.languages); ok {
		if err != nil {
			n.Fail("%v", err)
		}
		t.request, t.query = text, query
		return
	}
	words := strings.Fields(text)
	upgrade := len(words) == 3 && strings.EqualFold(words[2], Upgrade)
	if len(words) != 2 && !upgrade {
		n.Fail("%q is not a request; %s", text, form)
		return
	}
	if upgrade {
		if words[0] != "GET" && words[0] != Upgrade {
			n.Fail("%q: a WebSocket handshake is a GET", text)
			return
		}
		words[0] = Upgrade
	}
	query, err := ParseRequest(words[0], words[1])
	if err != nil {
		n.Fail("%v", err)
	}
	t.request, t.query = text, classify(query, c.servers, c.languages)
}

func readExpectation(n *yamldoc.Node, rules map[string]bool, t *test) {
	const form = "write allow, deny or ask, and by RULE if it matters, as in allow by docs"
	text, ok := n.Word(form)
	if !ok {
		return
	}
	words := strings.Fields(text)
	known := len(words) == 1 || len(words) == 3 && words[1] == "by"
	switch {
	case known && words[0] == "allow":
		t.effect = Allow
	case known && words[0] == "ask":
		t.effect = Ask
	case known && words[0] == "deny":
		t.effect = Deny
	default:
		n.Fail("%q is not an outcome; %s", text, form)
		return
	}
	t.expected = text
	if len(words) == 3 {
		t.rule = words[2]
		if !rules[t.rule] {
			n.Fail("there is no rule %s in this policy", yamldoc.Quote(t.rule))
		}
	}
}

func parseQuestion(text string, servers map[string][]string, languages []Language) (q Query, ok bool, err error) {
	for _, l := range languages {
		if q, ok, err = l.Question(text, servers[l.Words().Key]); ok {
			return q, true, err
		}
	}
	return Query{}, false, nil
}

func classify(q Query, servers map[string][]string, languages []Language) Query {
	for _, l := range languages {
		if q.Meaning = l.Meaning(q, servers[l.Words().Key]); q.Meaning != nil {
			break
		}
	}
	return q
}

// ParseRequest makes the query for a method and an absolute URL, as tests in
// policy files and people write them. A ws or wss URL stands for an upgrade; a
// fragment is dropped, because no client sends it.
func ParseRequest(method, rawURL string) (Query, error) {
	scheme, rest, ok := strings.Cut(rawURL, "://")
	if !ok {
		return Query{}, fmt.Errorf("%q is not an absolute URL; write https://host/path", rawURL)
	}
	var port uint16
	switch strings.ToLower(scheme) {
	case "wss", "ws":
		if method != "GET" && method != Upgrade {
			return Query{}, errors.New("a WebSocket handshake is a GET")
		}
		method = Upgrade
	}
	switch strings.ToLower(scheme) {
	case "https", "wss":
		scheme, port = "https", httpsPort
	case "http", "ws":
		scheme, port = "http", httpPort
	default:
		return Query{}, fmt.Errorf("scheme %q is not https or http", scheme)
	}
	if !isMethod(method) {
		return Query{}, fmt.Errorf("%q is not a method; methods are upper-case words such as GET", method)
	}
	if method == "CONNECT" || method == "TRACE" {
		return Query{}, fmt.Errorf("%s is always refused, before any rule is asked", method)
	}
	return parseTarget(Query{Method: method, Scheme: scheme}, rest, port)
}

// parseTarget reads what follows "scheme://" by hand, because net/url would
// change what it cannot keep.
func parseTarget(q Query, rest string, port uint16) (Query, error) {
	rest, _, _ = strings.Cut(rest, "#")
	rest, q.RawQuery, _ = strings.Cut(rest, "?")
	if strings.ContainsFunc(q.RawQuery, func(c rune) bool { return c <= ' ' || c == 0x7f }) {
		return Query{}, errors.New("the query has a space or control character")
	}
	authority, path, _ := strings.Cut(rest, "/")
	var err error
	if q.Authority, err = host.ParseAuthority(authority, port); err != nil {
		return Query{}, err
	}
	q.Path, err = ParsePath("/" + path)
	return q, err
}

// Tests is how many tests the file holds.
func (p *Policy) Tests() int { return len(p.tests) }

// RunTests runs the tests inside the file and returns those that fail.
func (p *Policy) RunTests() []TestFailure {
	var failures []TestFailure
	for i := range p.tests {
		t := &p.tests[i]
		got := p.Decide(t.query)
		if got.Effect != t.effect || t.rule != "" && got.Rule != t.rule {
			failures = append(failures, TestFailure{File: p.file, Line: t.line, Request: t.request, Expected: t.expected, Got: got})
		}
	}
	return failures
}

// String says where the test is, what it expected and what it got.
func (f TestFailure) String() string {
	got := f.Got.Effect.String()
	if f.Got.Rule != "" {
		got += " by " + f.Got.Rule
	}
	return fmt.Sprintf("%s:%d: %s: expected %s, got %s (%s)", f.File, f.Line, f.Request, f.Expected, got, f.Got.Reason)
}
