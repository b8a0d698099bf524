package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
	"strings"
)

// Parse compiles the policy file named file from its bytes. On failure the error
// is an Errors with every problem of the file. A file called NAME.yaml must hold
// the policy NAME. Its rules can name the operations of the services given.
func Parse(file string, data []byte, services ...Service) (*Policy, error) {
	c := &compiler{reader: reader{file: file}, services: services, servers: map[string][]string{}}
	for i := range services {
		c.serve(&services[i], services[i].Default)
	}
	sum := sha256.Sum256(data)
	p := &Policy{hash: hex.EncodeToString(sum[:]), file: file}
	if top := c.document(data); top != nil {
		c.policy(top, p)
	}
	if err := c.err(); err != nil {
		return nil, err
	}
	p.index, p.bounds = newIndex(p.rules), boundsOf(p.rules)
	meetBounds(p.rules, p.bounds)
	p.servers = c.servers
	p.silence = silence(p.name)
	return p, nil
}

// compiler reads the nodes of one file into a Policy.
type compiler struct {
	reader
	services []Service
	servers  map[string][]string // by service: those that rules name, and its own
}

func (c *compiler) policy(n *node, p *Policy) {
	if !c.mapping(n, "policy", "description", "rules", "tests") {
		return
	}
	if name := c.required(n, "policy", "write policy: NAME, the name of the file without .yaml"); name != nil {
		p.name = c.policyName(name)
	}
	p.description = c.optionalText(n.field("description"))
	if rules := c.required(n, "rules", "write rules: [] for a policy that denies everything"); rules != nil {
		p.rules = c.rules(rules)
	}
	if tests := n.field("tests"); tests != nil {
		p.tests = c.tests(tests, p.rules)
	}
}

func (c *compiler) policyName(n *node) string {
	name, ok := c.identifier(n, "write policy: NAME")
	base := filepath.Base(c.file)
	stem, isYAML := strings.CutSuffix(base, ".yaml")
	if !isYAML {
		stem, isYAML = strings.CutSuffix(base, ".yml")
	}
	if ok && isYAML && stem != name {
		c.failAt(n, "the policy is called %s but its file %s; rename one of them", name, base)
	}
	return name
}

func (c *compiler) rules(n *node) []rule {
	if n.kind != listNode {
		c.failKind(n, "must be a list; write rules: [] for a policy that denies everything")
		return nil
	}
	rules := make([]rule, 0, len(n.below))
	lines := make(map[string]int, len(n.below))
	for _, item := range n.below {
		r := c.rule(item)
		if first := lines[r.name]; first != 0 {
			c.failAt(item.field("name"), "the name %s is already taken by the rule on line %d; names must be unique", r.name, first)
		} else if r.name != "" {
			lines[r.name] = r.line
		}
		rules = append(rules, r)
	}
	return rules
}

// rule compiles one rule. What it returns after an error is only good for finding
// more errors.
func (c *compiler) rule(n *node) rule {
	r := rule{line: n.line}
	if name := n.field("name"); name != nil && isIdentifier(name.text) {
		n.label = name.text // errors name the rule rather than count it
	}
	if !c.mapping(n, "name", "description", "allow", "ask", "deny", "credential", "unnamed", "repositories", "permissions", "shared", "agent_auth", "cookies", "record") {
		return r
	}
	if name := c.required(n, "name", "every rule has a name, which answers and the trail show"); name != nil {
		r.name, _ = c.identifier(name, "write name: WORD")
	}
	what := c.effect(n, &r)
	r.description = c.optionalText(n.field("description"))
	c.credential(n, &r)
	c.passes(n, &r)
	c.record(n, &r)
	r.scope = c.scope(n, &r)
	if what != nil {
		r.matcher = c.matcher(what, &r)
	}
	r.bind()
	r.decide()
	return r
}

// effect finds the one key of allow, ask and deny that a rule has.
func (c *compiler) effect(n *node, r *rule) (what *node) {
	for _, effect := range []Effect{Allow, Ask, Deny} {
		f := n.field(effect.String())
		switch {
		case f == nil:
		case what != nil:
			c.failAt(f, "a rule has one of allow, ask and deny; this one has %s too, make it two rules", what.label)
		default:
			what, r.effect = f, effect
		}
	}
	if what == nil {
		c.failAt(n, "has none of allow, ask and deny; add one, as in allow: {host: api.example.com}")
	}
	return what
}

func (c *compiler) credential(n *node, r *rule) {
	f := n.field("credential")
	if f == nil {
		return
	}
	r.credential, _ = c.identifier(f, "write credential: NAME, a name from credentials.yaml")
	r.credentialLine = f.line
	if r.effect == Deny && n.field("deny") != nil {
		c.failAt(f, "a deny rule sends nothing, so it has no credential; remove it")
	}
}

// passes reads agent_auth, cookies and unnamed, each of which has one value: what they
// lift is the default.
func (c *compiler) passes(n *node, r *rule) {
	r.agentAuth = c.lifts(n, "agent_auth", "pass", r)
	r.cookies = c.lifts(n, "cookies", "pass", r)
	r.unnamed = c.lifts(n, "unnamed", "allow", r)
	if r.agentAuth && r.credential != "" {
		c.failAt(n.field("agent_auth"), "the agent's own authentication cannot pass beside a credential; remove one of them")
	}
}

func (c *compiler) lifts(n *node, label, word string, r *rule) bool {
	f := n.field(label)
	if f == nil {
		return false
	}
	if f.kind != scalarNode || f.text != word {
		c.failKind(f, "the only value is %s; leave the key out otherwise", word)
		return false
	}
	if r.effect == Deny && n.field("deny") != nil {
		c.failAt(f, "a deny rule sends nothing, so nothing can pass; remove it")
		return false
	}
	return true
}
