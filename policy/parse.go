package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
	"slices"
	"strings"

	"sallyport/internal/yamldoc"
)

// Parse compiles the policy file named file from its bytes. On failure the error
// is an yamldoc.Errors with every problem of the file. A file called NAME.yaml must hold
// the policy NAME. Its rules can speak the languages given.
func Parse(file string, data []byte, languages ...Language) (*Policy, error) {
	doc, top := yamldoc.Read(file, data, yamldoc.Options{
		Empty: "the file is empty; begin it with policy: NAME", One: "one file holds one policy",
	})
	sum := sha256.Sum256(data)
	p := &Policy{hash: hex.EncodeToString(sum[:]), file: file}
	c := newCompiler(doc, languages)
	for _, l := range languages {
		words := l.Words()
		c.serve(words.Key, words.Default)
		p.limiting = append(p.limiting, words.Limiting...)
	}
	if top != nil {
		c.policy(top, p)
	}
	if err := doc.Err(); err != nil {
		return nil, err
	}
	p.index, p.related = newIndex(p.rules), relate(languages, p.rules)
	p.servers = c.servers
	p.silence = silence(p.name)
	return p, nil
}

// compiler reads the nodes of one file into a Policy.
type compiler struct {
	doc       *yamldoc.Doc
	languages []Language
	servers   map[string][]string // by service: those that rules name, and its own

	pinners   []Pinner // of the languages, those with keys of a rule beside its clause
	ruleKeys  []string
	matchKeys []string // below allow, ask or deny
}

func newCompiler(doc *yamldoc.Doc, languages []Language) *compiler {
	c := &compiler{doc: doc, languages: languages, servers: map[string][]string{}}
	c.ruleKeys = []string{"name", "description", "allow", "ask", "deny", "credential", "unnamed"}
	c.matchKeys = []string{"host", "scheme", "methods", "path", "case", "query"}
	for _, l := range languages {
		c.matchKeys = append(c.matchKeys, l.Words().Key)
		if p, ok := l.(Pinner); ok {
			c.pinners = append(c.pinners, p)
			c.ruleKeys = append(c.ruleKeys, p.PinKeys()...)
		}
	}
	c.ruleKeys = append(c.ruleKeys, "agent_auth", "cookies", "record")
	return c
}

// serve notes servers that the policy speaks of.
func (c *compiler) serve(key string, servers ...string) {
	for _, server := range servers {
		if server != "" && !slices.Contains(c.servers[key], server) {
			c.servers[key] = append(c.servers[key], server)
		}
	}
}

func (c *compiler) policy(n *yamldoc.Node, p *Policy) {
	if !n.Mapping("policy", "description", "rules", "tests") {
		return
	}
	if name := n.Required("policy", "write policy: NAME, the name of the file without .yaml"); name != nil {
		p.name = c.policyName(name)
	}
	p.description = optionalText(n.Field("description"))
	if rules := n.Required("rules", "write rules: [] for a policy that denies everything"); rules != nil {
		p.rules = c.rules(rules)
		p.said = said(rules)
	}
	if tests := n.Field("tests"); tests != nil {
		p.tests = c.tests(tests, p.rules)
	}
}

// said is the rules as they were written, without comments.
func said(rules *yamldoc.Node) []map[string]any {
	all := make([]map[string]any, 0, len(rules.Below))
	for _, r := range rules.Below {
		if m, ok := r.Value().(map[string]any); ok {
			all = append(all, m)
		}
	}
	return all
}

func (c *compiler) policyName(n *yamldoc.Node) string {
	name, ok := identifier(n, "write policy: NAME")
	base := filepath.Base(c.doc.File())
	stem, isYAML := strings.CutSuffix(base, ".yaml")
	if !isYAML {
		stem, isYAML = strings.CutSuffix(base, ".yml")
	}
	if ok && isYAML && stem != name {
		n.Fail("the policy is called %s but its file %s; rename one of them", name, base)
	}
	return name
}

func (c *compiler) rules(n *yamldoc.Node) []rule {
	if n.Kind != yamldoc.List {
		n.Fail("must be a list; write rules: [] for a policy that denies everything")
		return nil
	}
	rules := make([]rule, 0, len(n.Below))
	lines := make(map[string]int, len(n.Below))
	for _, item := range n.Below {
		r := c.rule(item)
		if first := lines[r.name]; first != 0 {
			item.Field("name").Fail("the name %s is already taken by the rule on line %d; names must be unique", r.name, first)
		} else if r.name != "" {
			lines[r.name] = r.line
		}
		rules = append(rules, r)
	}
	return rules
}

// rule compiles one rule. What it returns after an error is only good for finding
// more errors.
func (c *compiler) rule(n *yamldoc.Node) rule {
	r := rule{line: n.Line}
	if name := n.Field("name"); name != nil && isIdentifier(name.Text) {
		n.Label = name.Text // errors name the rule rather than count it
	}
	if !n.Mapping(c.ruleKeys...) {
		return r
	}
	if name := n.Required("name", "every rule has a name, which answers and the trail show"); name != nil {
		r.name, _ = identifier(name, "write name: WORD")
	}
	what := readEffect(n, &r)
	r.description = optionalText(n.Field("description"))
	readCredential(n, &r)
	readPasses(n, &r)
	readRecord(n, &r)
	for _, pinner := range c.pinners {
		if pinned := pinner.Pin(n, r.credential); r.scope == nil {
			r.scope = pinned
		}
	}
	if what != nil {
		r.matcher = c.matcher(what, &r)
	}
	r.bind()
	r.decide()
	return r
}

// matcher compiles what stands under allow, ask or deny: a clause of a service, or else
// a rule about hosts.
func (c *compiler) matcher(n *yamldoc.Node, r *rule) matcher {
	if n.Kind == yamldoc.Map {
		for _, l := range c.languages {
			if f := n.Field(l.Words().Key); f != nil {
				return c.service(n, f, l, r)
			}
		}
	}
	return c.request(n, r)
}

// readEffect finds the one key of allow, ask and deny that a rule has.
func readEffect(n *yamldoc.Node, r *rule) (what *yamldoc.Node) {
	for _, effect := range []Effect{Allow, Ask, Deny} {
		f := n.Field(effect.String())
		switch {
		case f == nil:
		case what != nil:
			f.Fail("a rule has one of allow, ask and deny; this one has %s too, make it two rules", what.Label)
		default:
			what, r.effect = f, effect
		}
	}
	if what == nil {
		n.Fail("has none of allow, ask and deny; add one, as in allow: {host: api.example.com}")
	}
	return what
}

func readCredential(n *yamldoc.Node, r *rule) {
	f := n.Field("credential")
	if f == nil {
		return
	}
	r.credential, _ = identifier(f, "write credential: NAME, a name from credentials.yaml")
	r.credentialLine = f.Line
	if r.effect == Deny && n.Field("deny") != nil {
		f.Fail("a deny rule sends nothing, so it has no credential; remove it")
	}
}

// readPasses reads agent_auth, cookies and unnamed, each of which has one value: what they
// lift is the default.
func readPasses(n *yamldoc.Node, r *rule) {
	r.agentAuth = lifts(n, "agent_auth", "pass", r)
	r.cookies = lifts(n, "cookies", "pass", r)
	r.unnamed = lifts(n, "unnamed", "allow", r)
	if r.agentAuth && r.credential != "" {
		n.Field("agent_auth").Fail("the agent's own authentication cannot pass beside a credential; remove one of them")
	}
}

func lifts(n *yamldoc.Node, label, word string, r *rule) bool {
	f := n.Field(label)
	if f == nil {
		return false
	}
	if f.Kind != yamldoc.Scalar || f.Text != word {
		f.Fail("the only value is %s; leave the key out otherwise", word)
		return false
	}
	if r.effect == Deny && n.Field("deny") != nil {
		f.Fail("a deny rule sends nothing, so nothing can pass; remove it")
		return false
	}
	return true
}
