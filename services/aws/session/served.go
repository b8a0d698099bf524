package session

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"sallyport/credentials"
	"sallyport/internal/host"
	"sallyport/services/aws/sigv4"
)

// Served is what the file says that hosts are signed for, of those that no table has: an
// API's own domain, or a service of AWS's whose hosts no SDK lists.
type Served struct {
	Hosts   host.Pattern
	Service string
}

var serviceName = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)

// Serving is what a credential's entry says that hosts are signed for.
func Serving(c *credentials.Credential) []Served {
	switch m := c.Maker().(type) {
	case *role:
		return m.served
	case *fixed:
		return m.served
	}
	return nil
}

// readServices reads services, once hosts are known.
func (a *signing) readServices(s *credentials.Section) {
	if !s.Has("services") {
		return
	}
	const example = `{"*.neptune.amazonaws.com": neptune-db}`
	for _, item := range s.Pairs("services", example) {
		p, err := host.ParsePattern(item.Label)
		switch {
		case err != nil:
			s.WrongAt(item, "services", "%v; write services: %s", err, example)
		case !slices.ContainsFunc(a.credential.Hosts(), func(h host.Pattern) bool { return h.Covers(p) }):
			s.WrongAt(item, "services", "%s is not among the credential's hosts; list it there too, with its port", p)
		case !serviceName.MatchString(item.Text):
			s.WrongAt(item, "services", "is not the name that a service is signed for; write services: %s", example)
		default:
			a.served = append(a.served, Served{p, item.Text})
		}
	}
}

// agreeServed decides for hosts that the file names: what AWS's own table does not have.
func (a *signing) agreeServed(name, service, region string) (agreed bool, err error) {
	n, err := host.ParseName(name)
	if err != nil {
		return false, nil //nolint:nilerr // it is in no pattern, and refused by the table
	}
	var services []string
	for _, one := range a.served {
		if one.Hosts.MatchesName(n) {
			services = append(services, one.Service)
		}
	}
	switch {
	case len(services) == 0:
		return false, nil
	case !slices.Contains(services, service):
		return false, &sigv4.Refusal{Reason: sigv4.HostMismatch, Detail: fmt.Sprintf(
			"the request is signed for %s, and credential %s says that %s is %s; let the client sign for that", service, a.credential.Name(), name, strings.Join(services, " or "))}
	}
	if in := sigv4.RegionIn(name); in != "" && in != region {
		return false, &sigv4.Refusal{Reason: sigv4.HostMismatch, Detail: fmt.Sprintf("the request is signed for %s, but %s is in %s; set the client's region to that", region, name, in)}
	}
	return true, nil
}
