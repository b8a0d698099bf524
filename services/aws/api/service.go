package api

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"sallyport/internal/nearest"
)

// The protocols of the table.
const (
	jsonTarget = "j"
	query      = "q"
	rest       = "r"
	cbor       = "c"
)

// service is one of AWS's services, as botocore describes it.
type service struct {
	prefix    string // by which its operations are called
	signing   string
	protocols string
	target    string // before the dot in X-Amz-Target
	id        string // botocore's folder
	hosts     []string
	aliases   [][2]string

	text   string
	once   sync.Once
	parsed *parsed
}

// parsed is what is looked up of a service.
type parsed struct {
	operations map[string]*entry
	root       node
	selectors  []string            // query keys that tell operations apart
	keys       map[string]struct{} // all query keys that it knows, if it must know them
}

func (s *service) speaks(protocol string) bool { return strings.Contains(s.protocols, protocol) }

// servesHost reports whether a host of this name takes the service's operations.
func (s *service) servesHost(name string) bool {
	for _, h := range s.hosts {
		if h == name || strings.Contains(h, "*") && labelGlob(h, name) {
			return true
		}
	}
	return false
}

// labelGlob compares names label by label; a star is any run of characters but a dot.
func labelGlob(pattern, name string) bool {
	for {
		p, patternRest, more := strings.Cut(pattern, ".")
		n, nameRest, moreName := strings.Cut(name, ".")
		if more != moreName || n == "" || !glob(p, n) {
			return false
		}
		if !more {
			return true
		}
		pattern, name = patternRest, nameRest
	}
}

const byHost = "; a rule about the host can allow it, with a credential only if it says unnamed: allow"

// candidates are the services that a request may be for. A host of AWS's says which. Some names
// below a service's are not its own hosts but customers', such as functions' URLs and search
// domains, whose paths mean what the customer likes: they take none of its operations.
func (t *table) candidates(r *Request) ([]*service, *Unresolved) {
	signing := r.Service
	switch signing {
	case "s3express", "s3-object-lambda":
		signing = "s3"
	case "IngestionService": // the older of its two names
		signing = "importexport"
	}
	all := t.bySigning[signing]
	if len(all) == 0 {
		return nil, unresolved(ReasonService, "no service that is known here signs as "+printable(r.Service)+byHost)
	}
	if r.Host == "" {
		return all, nil
	}
	if signing == "s3" {
		return s3Services(all, r.Host, r.Path)
	}
	var served []*service
	for _, s := range all {
		if s.servesHost(r.Host) {
			served = append(served, s)
		}
	}
	if len(served) == 0 {
		return nil, unresolved(ReasonHost, "the host is not one at which "+printable(r.Service)+" takes its operations"+byHost)
	}
	return served, nil
}

// Services are those that a request may be for, as its host and what it is signed for tell:
// its operations are SERVICE/OPERATION.
func Services(r *Request) []string {
	all, err := operationsTable().candidates(r)
	if err != nil {
		return nil
	}
	var names []string
	for _, s := range all {
		if !slices.Contains(names, s.prefix) {
			names = append(names, s.prefix)
		}
	}
	return names
}

// ParseService reads the name of a service as rules have it: its endpoint prefix. The
// error of any other name says what to write.
func ParseService(name string) (string, error) {
	switch prefixes := serviceNames(name); {
	case len(prefixes) == 1 && prefixes[0] == name:
		return name, nil
	case len(prefixes) > 0:
		return "", fmt.Errorf("%s is not the endpoint prefix of a service; write service: %s", printable(name), strings.Join(prefixes, " or "))
	}
	best, distance := "", 1<<30
	for _, s := range operationsTable().services {
		for _, known := range []string{s.prefix, s.id} {
			if d := nearest.Edits(name, known); d < distance || d == distance && s.prefix < best {
				best, distance = s.prefix, d
			}
		}
	}
	return "", fmt.Errorf("no service of AWS's is called %s; did you mean %s", printable(name), best)
}

// serviceNames returns the endpoint prefixes that a name may mean: itself, or those of
// the services that botocore's clients call so, or that sign so. One is what a rule
// needs.
func serviceNames(name string) []string {
	t := operationsTable()
	if len(t.byPrefix[name]) > 0 {
		return []string{name}
	}
	var prefixes []string
	add := func(s *service) {
		if slices.Contains(prefixes, s.prefix) {
			return
		}
		prefixes = append(prefixes, s.prefix)
	}
	for _, s := range t.services {
		if s.id == name {
			add(s)
		}
	}
	if len(prefixes) == 0 {
		for _, s := range t.bySigning[name] {
			add(s)
		}
	}
	return prefixes
}
