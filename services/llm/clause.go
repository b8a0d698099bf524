package llm

import (
	"fmt"
	"slices"
	"strings"

	"sallyport/internal/glob"
	"sallyport/internal/host"
	"sallyport/internal/yamldoc"
	"sallyport/policy"
)

// clause is what stands under llm: in a rule. Its zero fields match anything.
type clause struct {
	site       site
	effect     policy.Effect
	place      policy.Place
	operations policy.Operations
	models     []string
	most       int64    // tokens of an answer; 0 for any number
	denied     []string // tools of the provider's side
}

// site is where a rule says that a provider's protocol is spoken.
type site struct {
	provider *provider
	hosts    []host.Pattern
	bases    []string
	own      bool // they are the provider's
}

// Clause implements [policy.Language].
func (l *language) Clause(n *yamldoc.Node, h policy.Header) policy.Clause {
	c := &clause{effect: h.Effect}
	p := l.provider(n)
	if p == nil {
		return c
	}
	c.site = readSite(n, p)
	c.place = policy.Place{Server: p.name, Hosts: c.site.hosts}
	c.operations = policy.ReadPatterns(n.Field("operations"), "as in {provider: openai, operations: [responses]}", p.pattern)
	for _, f := range n.Field("models").Words("as in {provider: anthropic, models: [claude-*]}") {
		c.models = append(c.models, f.Text)
	}
	if f := n.Field("max_output_tokens"); f != nil {
		const most = 1 << 30
		c.most = int64(f.Count(most))
	}
	c.readTools(n.Field("tools"))
	return c
}

func (l *language) provider(n *yamldoc.Node) *provider {
	f := n.Required("provider", "write provider: "+l.names())
	if f == nil {
		return nil
	}
	name, ok := f.Word("write provider: " + l.names())
	p := l.service.lookup(name)
	if ok && p == nil {
		f.Fail("%s is no provider; there are %s", f.Doc().Shown(name), l.names())
	}
	return p
}

// readSite reads the hosts at which the provider's protocol is spoken, and below which path.
func readSite(n *yamldoc.Node, p *provider) site {
	s := site{provider: p, bases: p.bases}
	for _, f := range n.Field("hosts").Words("write hosts: [models.example.com]") {
		if pattern, err := host.ParsePattern(f.Text); err != nil {
			f.Fail("%v", err)
		} else {
			s.hosts = append(s.hosts, pattern)
		}
	}
	if f := n.Field("base"); f != nil {
		base, ok := f.Word("write base: /v1")
		if ok && (!strings.HasPrefix(base, "/") || strings.HasSuffix(base, "/") || strings.ContainsAny(base, "%;*?#\\") || strings.Contains(base, "//")) {
			f.Fail("must be the path below which the provider's operations are; write base: %s", p.bases[0])
		}
		s.bases = []string{base}
		if len(s.hosts) == 0 {
			f.Fail("belongs to hosts, for the provider's own hosts have theirs; add hosts, or leave it out")
		}
	}
	if n.Field("hosts") == nil {
		s.hosts, s.own = patternsOf(p.hosts), true
	}
	return s
}

// patternsOf are the texts that are patterns of hosts.
func patternsOf(texts []string) (patterns []host.Pattern) {
	for _, text := range texts {
		if pattern, err := host.ParsePattern(text); err == nil {
			patterns = append(patterns, pattern)
		}
	}
	return patterns
}

func (c *clause) readTools(n *yamldoc.Node) {
	if n == nil || !n.Mapping("deny") {
		return
	}
	f := n.Required("deny", "write tools: {deny: [web_search]}")
	if f == nil {
		return
	}
	if c.effect == policy.Deny {
		n.Fail("narrows what a rule allows; put it into the rule that allows the model")
	}
	for _, tool := range f.Words("as in tools: {deny: [web_search]}") {
		if !slices.ContainsFunc(toolNames(), func(name string) bool { return glob.Match(tool.Text, name) }) {
			tool.Fail("%s is no tool of a provider's side; there are %s, and * for all", tool.Doc().Shown(tool.Text), strings.Join(toolNames(), ", "))
			continue
		}
		c.denied = append(c.denied, tool.Text)
	}
}

// Place implements [policy.Placed].
func (c *clause) Place() *policy.Place { return &c.place }

// Match implements [policy.Clause].
func (c *clause) Match(call *policy.Call, _ policy.Bound) policy.Verdict {
	result := c.operations.Match(call, false)
	f := factsOf(call)
	return min(result, c.matchModel(call.Resource, f), c.matchLength(f), c.matchTools(f))
}

// matchModel is in doubt about a name in another case, which a server may take for the same.
// What is about no model, an allow of some models takes in, and an ask or a deny does not.
func (c *clause) matchModel(model string, f *facts) policy.Verdict {
	switch {
	case len(c.models) == 0:
		return policy.Matched
	case f.Model == nowhere:
		return policy.VerdictOf(c.effect == policy.Allow)
	case model == "" || f.Doubt != "":
		return policy.Doubtful
	}
	result := policy.Mismatch
	for _, pattern := range c.models {
		switch {
		case glob.Match(pattern, model):
			return policy.Matched
		case glob.Match(strings.ToLower(pattern), strings.ToLower(model)):
			result = policy.Doubtful
		}
	}
	return result
}

// matchLength: an allow says how long an answer may be at most, an ask or a deny beyond which
// length they begin.
func (c *clause) matchLength(f *facts) policy.Verdict {
	switch {
	case c.most == 0:
		return policy.Matched
	case !f.Writes:
		return policy.VerdictOf(c.effect == policy.Allow)
	case f.Most == unbounded:
		return policy.Doubtful
	case c.effect == policy.Allow:
		return policy.VerdictOf(f.Most <= c.most)
	}
	return policy.VerdictOf(f.Most > c.most)
}

func (c *clause) matchTools(f *facts) policy.Verdict {
	switch {
	case len(c.denied) == 0 || !f.Writes:
		return policy.Matched
	case c.deniedTool(f) != "":
		return policy.Mismatch
	case f.Unknown != "" || f.Doubt != "" || f.Model == unseen:
		return policy.Doubtful
	}
	return policy.Matched
}

// deniedTool is the first tool of a request that the rule does not want; "" for none.
func (c *clause) deniedTool(f *facts) string {
	for _, tool := range f.Tools {
		if slices.ContainsFunc(c.denied, func(pattern string) bool { return glob.Match(pattern, tool) }) {
			return tool
		}
	}
	return ""
}

// Outlook implements [policy.Clause]: all but the operation is in the body.
func (c *clause) Outlook(call *policy.Call) (surely, possibly policy.Verdict) {
	surely, possibly = c.operations.Outlook(call)
	if len(c.models)+len(c.denied) > 0 || c.most > 0 {
		surely = policy.Mismatch
	}
	return surely, possibly
}

// Meets implements [policy.Clause].
func (c *clause) Meets(other policy.Clause) bool {
	o, ok := other.(*clause)
	return ok && c.operations.Meet(o.operations) && glob.MeetAny(c.models, o.models, glob.Meet)
}

// Why implements [policy.Clause].
func (c *clause) Why(call *policy.Call, _ policy.Bound) string {
	f := factsOf(call)
	switch models := strings.Join(c.models, ", "); {
	case c.operations.Match(call, false) != policy.Matched:
		return c.operations.Why(call, nil)
	case c.matchModel(call.Resource, f) == policy.Mismatch && f.Model == nowhere:
		return fmt.Sprintf("models [%s] do not mean %s, which is about none", models, call.Operation)
	case c.matchModel(call.Resource, f) == policy.Mismatch:
		return fmt.Sprintf("models [%s] do not include %s", models, call.Resource)
	case c.matchModel(call.Resource, f) == policy.Doubtful:
		return fmt.Sprintf("models [%s] may not be all that the request means: %s", models, whyModel(call, f))
	case c.matchLength(f) != policy.Matched && !f.Writes:
		return fmt.Sprintf("max_output_tokens %d does not mean %s, whose answer no model writes", c.most, call.Operation)
	case c.matchLength(f) != policy.Matched && f.Most == unbounded:
		return fmt.Sprintf("max_output_tokens %d needs a request that bounds its answer, and this one does not", c.most)
	case c.matchLength(f) != policy.Matched && c.effect == policy.Allow:
		return fmt.Sprintf("max_output_tokens %d is less than %d, which the request asks for", c.most, f.Most)
	case c.matchLength(f) != policy.Matched:
		return fmt.Sprintf("max_output_tokens %d is not exceeded by %d", c.most, f.Most)
	case c.matchTools(f) == policy.Mismatch:
		return fmt.Sprintf("tools deny [%s], and the request has the provider use %s", strings.Join(c.denied, ", "), c.deniedTool(f))
	}
	return fmt.Sprintf("tools deny [%s], and %s", strings.Join(c.denied, ", "), whyTools(f))
}

func whyModel(call *policy.Call, f *facts) string {
	switch {
	case f.Doubt != "":
		return "its " + f.Doubt + " may name others"
	case f.Model == unseen:
		return call.Operation + " is not read for its models"
	case call.Resource == "":
		return "it names none"
	}
	return call.Resource + " is written in another case"
}

func whyTools(f *facts) string {
	switch {
	case f.Unknown != "":
		return fmt.Sprintf("where a tool of type %q runs is not known", f.Unknown)
	case f.Doubt != "":
		return "the request's " + f.Doubt + " may have more"
	}
	return "the request is not read for its tools"
}
