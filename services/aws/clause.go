package aws

import (
	"fmt"
	"slices"
	"strings"

	"sallyport/internal/glob"
	"sallyport/internal/yamldoc"
	"sallyport/policy"
	"sallyport/services/aws/api"
)

// clause is what stands under aws: in a rule. Its zero fields match anything.
type clause struct {
	place      policy.Place // the hosts that the rule's credential is bound to
	operations policy.Operations
	resources  []api.Resource
	regions    []string
}

// Clause implements [policy.Language].
func (l *language) Clause(n *yamldoc.Node, h policy.Header) policy.Clause {
	m := &clause{operations: readOperations(n)}
	m.resources = policy.ReadPatterns(n.Field("resources"), "as in "+example, func(pattern string) (api.Resource, error) {
		return api.ParseResourceOf(pattern, patternsIn(m.operations))
	})
	for _, f := range n.Field("regions").Words("write regions: [eu-west-1]") {
		if err := checkRegionPattern(f.Text); err != nil {
			f.Fail("%v", err)
		}
		m.regions = append(m.regions, f.Text)
	}
	if h.Credential != "" {
		m.place.Hosts = l.hosts(h.Credential)
	}
	return m
}

// readOperations reads service and operations. With service, operations are written
// without it.
func readOperations(n *yamldoc.Node) (list policy.Operations) {
	prefix := ""
	if f := n.Field("service"); f != nil {
		text, ok := f.Word("write service: s3")
		if !ok {
			return nil
		}
		service, err := api.ParseService(text)
		if err != nil {
			f.Fail("%v", err)
			return nil
		}
		prefix = service + "/"
	}
	read := func(n *yamldoc.Node, pattern string) {
		if p, err := api.ParsePattern(pattern); err != nil {
			n.Fail("%v", err)
		} else {
			list = append(list, p)
		}
	}
	for _, f := range n.Field("operations").Words("as in " + example) {
		if prefix != "" && strings.Contains(f.Text, "/") {
			f.Fail("the rule names its service already; write the operation alone, as in %s", f.Text[strings.LastIndexByte(f.Text, '/')+1:])
			continue
		}
		read(f, prefix+f.Text)
	}
	if prefix != "" && n.Field("operations") == nil {
		read(n, prefix+"*")
	}
	return list
}

// Place implements [policy.Placed].
func (m *clause) Place() *policy.Place { return &m.place }

// Match implements [policy.Clause].
func (m *clause) Match(c *policy.Call, _ policy.Bound) policy.Verdict {
	result := m.operations.Match(c, false)
	if result == policy.Mismatch {
		return policy.Mismatch
	}
	f := factsOf(c)
	return min(result, m.matchRegion(f.Region), m.matchResource(c, f.Container))
}

func (m *clause) matchRegion(region string) policy.Verdict {
	switch {
	case len(m.regions) == 0:
		return policy.Matched
	case region == "":
		return policy.Doubtful
	}
	return policy.VerdictOf(slices.ContainsFunc(m.regions, func(pattern string) bool { return glob.Match(pattern, region) }))
}

// matchResource is in doubt about a resource that a pattern covers only in part, as it may be
// with a listing.
func (m *clause) matchResource(c *policy.Call, container string) policy.Verdict {
	switch {
	case len(m.resources) == 0:
		return policy.Matched
	case c.Resource == "":
		return policy.Doubtful
	}
	result := policy.Mismatch
	for i := range m.resources {
		switch p := &m.resources[i]; {
		case p.Matches(c.Resource), container != "" && p.Matches(container):
			return policy.Matched
		case p.Touches(c.Resource):
			result = policy.Doubtful
		}
	}
	return result
}

// Outlook implements [policy.Clause]. The body may say which resources are touched, so that
// no rule with resources is sure to match.
func (m *clause) Outlook(c *policy.Call) (surely, possibly policy.Verdict) {
	surely, possibly = m.operations.Outlook(c)
	region := m.matchRegion(factsOf(c).Region)
	surely, possibly = min(surely, region), min(possibly, region)
	if len(m.resources) > 0 {
		surely = policy.Mismatch
	}
	return surely, possibly
}

// Meets implements [policy.Clause]. If it is not known where the rules' credentials go, rules
// are not told apart by regions and resources.
func (m *clause) Meets(other policy.Clause) bool {
	o, ok := other.(*clause)
	if !ok || !m.operations.Meet(o.operations) {
		return false
	}
	if len(m.place.Hosts)+len(o.place.Hosts) == 0 {
		return true
	}
	return glob.MeetAny(m.regions, o.regions, glob.Meet) &&
		glob.MeetAny(m.resources, o.resources, func(a, b api.Resource) bool { return a.Meets(b.String()) })
}

// Why implements [policy.Clause].
func (m *clause) Why(c *policy.Call, _ policy.Bound) string {
	f := factsOf(c)
	switch {
	case m.operations.Match(c, false) != policy.Matched:
		return m.operations.Why(c, nil)
	case m.matchRegion(f.Region) != policy.Matched:
		region := f.Region
		if region == "" {
			region = "a region that is not known"
		}
		return fmt.Sprintf("regions [%s] do not include %s", strings.Join(m.regions, ", "), region)
	}
	return m.whyNotResource(c, &f)
}

func (m *clause) whyNotResource(c *policy.Call, f *facts) string {
	listed := policy.Listed(m.resources)
	switch {
	case f.Unknown != "":
		return fmt.Sprintf("resources [%s] cannot be told from %s: %s", listed, c.Operation, f.Unknown)
	case c.Resource == "":
		return fmt.Sprintf("resources [%s] cannot be told from %s, whose requests are not read for what they touch", listed, c.Operation)
	case m.matchResource(c, f.Container) == policy.Doubtful:
		return fmt.Sprintf("resources [%s] include only a part of %s", listed, c.Resource)
	}
	return fmt.Sprintf("resources [%s] do not include %s", listed, c.Resource)
}
