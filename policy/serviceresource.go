package policy

import (
	"fmt"
	"slices"
	"strings"

	"sallyport/internal/host"
	"sallyport/internal/yamldoc"
)

// servedBy reports whether the rule means requests to this host.
func (m *serviceRule) servedBy(a host.Authority) bool {
	return len(m.hosts) == 0 || slices.ContainsFunc(m.hosts, func(p host.Pattern) bool { return p.Matches(a, httpsPort) })
}

func (m *serviceRule) matchRegion(c *Call) verdict {
	switch {
	case len(m.regions) == 0:
		return matched
	case c.Region == "":
		return doubtful
	case slices.ContainsFunc(m.regions, func(pattern string) bool { return glob(pattern, c.Region) }):
		return matched
	}
	return mismatch
}

// matchResource is in doubt about a resource that lies in the pattern in part only, as
// what a listing shows may.
func (m *serviceRule) matchResource(c *Call) verdict {
	switch {
	case len(m.resources) == 0:
		return matched
	case c.Resource == "":
		return doubtful
	}
	result := mismatch
	for _, pattern := range m.resources {
		switch {
		case pattern.Matches(c.Resource), c.Container != "" && pattern.Matches(c.Container):
			return matched
		case pattern.Touches(c.Resource):
			result = doubtful
		}
	}
	return result
}

func (m *serviceRule) explainRegion(c *Call) string {
	region := c.Region
	if region == "" {
		region = "a region that is not known"
	}
	return fmt.Sprintf("regions [%s] do not include %s", strings.Join(m.regions, ", "), region)
}

func (m *serviceRule) explainResource(c *Call) string {
	listed := strings.Join(texts(m.resources), ", ")
	switch {
	case c.Unknown != "":
		return fmt.Sprintf("resources [%s] cannot be told from %s: %s", listed, c.Operation, c.Unknown)
	case c.Resource == "":
		return fmt.Sprintf("resources [%s] cannot be told from %s, whose requests are not read for what they touch", listed, c.Operation)
	case m.matchResource(c) == doubtful:
		return fmt.Sprintf("resources [%s] include only a part of %s", listed, c.Resource)
	}
	return fmt.Sprintf("resources [%s] do not include %s", listed, c.Resource)
}

// sharesResources reports whether two rules of a service that tells its servers by the
// rules' credentials can meet in a host, a region and a resource.
func (m *serviceRule) sharesResources(o *serviceRule) bool {
	meet := func(a, b string) bool { return sharesSegment(starred(a), starred(b)) }
	return shares(m.hosts, o.hosts, func(a, b host.Pattern) bool { return a.Reduce(httpsPort).Overlaps(b.Reduce(httpsPort)) }) &&
		shares(m.regions, o.regions, meet) &&
		shares(m.resources, o.resources, func(a, b Resources) bool { return a.Meets(b.String()) })
}

// shares reports whether some of a meets some of b, where none means all.
func shares[T any](a, b []T, meet func(a, b T) bool) bool {
	for _, x := range a {
		if slices.ContainsFunc(b, func(y T) bool { return meet(x, y) }) {
			return true
		}
	}
	return len(a) == 0 || len(b) == 0
}

// operations reads service and operations. With service, operations are written
// without it.
func (c *compiler) operations(n *yamldoc.Node, m *serviceRule) {
	s, part := m.service, ""
	if f := n.Field("service"); f != nil {
		text, ok := f.Word("write service: s3")
		if !ok {
			return
		}
		var err error
		if part, err = s.Part(text); err != nil {
			f.Fail("%v", err)
			return
		}
		part += "/"
	}
	for _, f := range n.Field("operations").Words("as in " + s.Example) {
		if part != "" && strings.Contains(f.Text, "/") {
			f.Fail("the rule names its service already; write the operation alone, as in %s", f.Text[strings.LastIndexByte(f.Text, '/')+1:])
			continue
		}
		c.operation(f, part+f.Text, m)
	}
	if part != "" && n.Field("operations") == nil {
		c.operation(n, part+"*", m)
	}
}

func (c *compiler) operation(n *yamldoc.Node, pattern string, m *serviceRule) {
	o, err := m.service.Operations(pattern)
	if err != nil {
		n.Fail("%v", err)
		return
	}
	m.operations = append(m.operations, o)
}

// resources reads resources and regions, once operations are known.
func (c *compiler) resources(n *yamldoc.Node, m *serviceRule) {
	for _, f := range n.Field("resources").Words("as in " + m.service.Example) {
		if p, err := m.service.Resources(f.Text, m.operations); err != nil {
			f.Fail("%v", err)
		} else {
			m.resources = append(m.resources, p)
		}
	}
	for _, f := range n.Field("regions").Words("write regions: [eu-west-1]") {
		if err := m.service.Region(f.Text); err != nil {
			f.Fail("%v", err)
		}
		m.regions = append(m.regions, f.Text)
	}
}
