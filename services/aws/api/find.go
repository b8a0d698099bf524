package api

import (
	"net/http"
	"strings"
)

// signals is what a request says of its operation.
type signals struct {
	*head
	body *payload
}

// found is the operation that a request is named.
type found struct {
	service  *service
	entry    *entry
	protocol string   // by which it was named
	segments []string // of a REST path, decoded
	place    place    // S3's
}

// find names the operation. In this order:
//
//  1. what is CBOR says so in a header and names the operation in its path;
//  2. a target names the operation of a JSON service;
//  3. an Action, in the query or in the form, that of a query service;
//  4. method, path and query that of a REST service.
//
// A request that gives a signal of another kind than the one it is named by is refused.
func (q *signals) find(services []*service) (*found, *Unresolved) {
	_, inQuery := actionCount(q.parameters)
	switch {
	case q.smithy != "":
		if q.target != "" || inQuery > 0 {
			return nil, conflict()
		}
		return q.findCBOR(services)
	case q.target != "":
		if inQuery > 0 || q.media == formType {
			return nil, conflict()
		}
		return q.findTarget(services)
	case strings.HasPrefix(q.Path, "/service/") && speak(services, cbor):
		return nil, unresolved(ReasonConflict, "the path is CBOR's, but Smithy-Protocol does not say so")
	}
	if speak(services, query) && (!speak(services, rest) || inQuery > 0 || q.Path == "/") {
		return q.findAction(services)
	}
	if !speak(services, rest) {
		return nil, unresolved(ReasonUnknown, "the request has no X-Amz-Target, by which "+printable(q.Service)+" tells its operations apart")
	}
	return q.findRoute(services)
}

func conflict() *Unresolved {
	return unresolved(ReasonConflict, "the request names its operation in two ways; send one of Smithy-Protocol, X-Amz-Target and Action")
}

func speak(services []*service, protocol string) bool {
	for _, s := range services {
		if s.speaks(protocol) {
			return true
		}
	}
	return false
}

// amzJSON is how the media types of AWS's JSON begin.
const amzJSON = "application/x-amz-json-1."

// findCBOR reads "/service/GraniteServiceVersion20100801/operation/PutMetricData".
func (q *signals) findCBOR(services []*service) (*found, *Unresolved) {
	path, found := strings.CutPrefix(q.Path, "/service/")
	target, name, found2 := strings.Cut(path, "/operation/")
	if !found || !found2 || q.smithy != "rpc-v2-cbor" || q.Method != http.MethodPost {
		return nil, unresolved(ReasonUnknown, "the request is not of the form rpc-v2-cbor, or it is of another form of Smithy's")
	}
	if q.media != "" && q.media != "application/cbor" {
		return nil, unresolved(ReasonConflict, "a request of the form rpc-v2-cbor has a body of CBOR, and its Content-Type says so")
	}
	return byTarget(services, cbor, target, name)
}

func (q *signals) findTarget(services []*service) (*found, *Unresolved) {
	dot := strings.LastIndexByte(q.target, '.')
	if q.Method != http.MethodPost || q.Path != "/" || dot < 0 {
		return nil, unresolved(ReasonConflict, "a request with X-Amz-Target is a POST to / and names SERVICE.OPERATION")
	}
	if q.media != "application/json" && !strings.HasPrefix(q.media, amzJSON) {
		return nil, unresolved(ReasonConflict, "a request with X-Amz-Target has a body of JSON in UTF-8, and its Content-Type says so")
	}
	return byTarget(services, jsonTarget, q.target[:dot], q.target[dot+1:])
}

func byTarget(services []*service, protocol, target, name string) (*found, *Unresolved) {
	for _, s := range services {
		if s.target != target || !s.speaks(protocol) {
			continue
		}
		if e := s.load().operations[name]; e != nil {
			return &found{service: s, entry: e, protocol: protocol}, nil
		}
	}
	return nil, unresolved(ReasonUnknown, "the service has no operation "+printable(target+"."+name))
}

// findAction reads Action from the query or from the form, but not from both.
func (q *signals) findAction(services []*service) (*found, *Unresolved) {
	name, count := actionCount(q.parameters)
	exact, _ := q.parameter("Action")
	switch q.Method {
	case http.MethodGet:
		if body, err := q.body.whole(); q.Body != nil && (err != nil || len(body) > 0) {
			return nil, unresolved(ReasonConflict, "the request has an Action in its query and a body, though it is a GET")
		}
	case http.MethodPost:
		if q.media == formType {
			if err := q.body.readForm(); err != nil {
				return nil, err
			}
		} else if count == 0 {
			return nil, unresolved(ReasonUnknown, "the request names no Action, neither in its query nor in a form")
		} else if body, err := q.body.whole(); err != nil || len(body) > 0 {
			return nil, unresolved(ReasonConflict, "the request has an Action in its query and a body that is no form")
		}
	default:
		return nil, unresolved(ReasonUnknown, "a request with an Action is a GET or a POST")
	}
	inBody, more := actionCount(q.body.form)
	if more > 0 {
		name = inBody
		exact, _ = lookup(q.body.form, "Action")
	}
	if count+more != 1 || exact != name {
		return nil, unresolved(ReasonConflict, "the request must hold Action once, in its query or in its form")
	}
	if name, again := q.repeated(); again {
		return nil, unresolved(ReasonConflict, "the request must hold "+printable(name)+" once, in its query or in its form")
	}
	if q.Path != "/" && q.Service != "sqs" { // a queue's URL is where its actions go
		return nil, unresolved(ReasonConflict, "a request with an Action goes to /")
	}
	for _, s := range services {
		if s.speaks(query) {
			if e := s.load().operations[name]; e != nil {
				return &found{service: s, entry: e, protocol: query}, nil
			}
		}
	}
	return nil, unresolved(ReasonUnknown, "the service has no operation "+printable(name))
}

// findRoute looks in every service that may be meant. Two that would do different
// things must not both find one.
func (q *signals) findRoute(services []*service) (*found, *Unresolved) {
	var first *found
	for _, s := range services {
		if !s.speaks(rest) {
			continue
		}
		f, err := q.routeIn(s)
		switch {
		case err != nil:
			return nil, err
		case f == nil:
		case first == nil:
			first = f
		case first.entry.name == f.entry.name:
			// One request under the names of two services: that of the host is used.
			if s.prefix == q.Host {
				first = f
			}
		case first.entry.full != f.entry.full:
			return nil, unresolved(ReasonConflict, "the request may mean "+first.entry.full+" or "+f.entry.full)
		}
	}
	if first == nil {
		return nil, unresolved(ReasonUnknown, "the service has no operation for this method, path and query")
	}
	return first, nil
}

func (q *signals) routeIn(s *service) (*found, *Unresolved) {
	p := s.load()
	f := &found{service: s, protocol: rest}
	var err *Unresolved
	if s.id == "s3" {
		f.place, f.entry, err = q.s3Route(p)
	} else {
		f.segments, f.entry, err = q.restRoute(p)
	}
	if err != nil || f.entry == nil {
		return nil, err
	}
	return f, q.accounted(p, f.entry)
}

// restRoute finds the operation by the path, and by method and query among those of one path.
func (h *head) restRoute(p *parsed) ([]string, *entry, *Unresolved) {
	segments, slashed, err := splitPath(h.Path)
	if err != nil {
		return nil, nil, err
	}
	e, err := p.root.walk(h, segments, 0)
	if err != nil || e == nil {
		return nil, nil, err
	}
	if slashed != nil {
		// Whether the service splits before or after decoding must not matter.
		if other, err := p.root.walk(h, slashed, 0); err != nil || other != nil && other != e {
			return nil, nil, unresolved(ReasonPath, "the path means another operation once its encoded slashes are decoded")
		}
	}
	return segments, e, nil
}

// accounted refuses a request with a query key that tells operations apart and does not
// belong to the operation that was found.
func (h *head) accounted(p *parsed, e *entry) *Unresolved {
	for _, key := range p.selectors {
		if _, count := h.parameter(key); count > 1 || count == 1 && !e.route.takes(key) {
			return unresolved(ReasonConflict, "the query names another operation than "+e.name+" by "+printable(key))
		}
	}
	if p.keys == nil {
		return nil
	}
	for i := range h.parameters {
		key := h.parameters[i].key
		_, known := p.keys[key]
		if !known && (len(key) < 6 || !strings.EqualFold(key[:6], "x-amz-")) {
			return unresolved(ReasonQuery, "the query holds "+printable(key)+", which is not known here")
		}
		if key == "x-id" && h.parameters[i].value != e.name {
			return unresolved(ReasonConflict, "x-id says "+printable(h.parameters[i].value)+", but the request is "+e.name)
		}
	}
	return nil
}

// repeated returns a name that comes twice in query and form together, whatever its case:
// servers differ in which of its values counts.
func (q *signals) repeated() (name string, found bool) {
	seen := make(map[string]struct{}, len(q.parameters)+len(q.body.form))
	for _, pairs := range [][]pair{q.parameters, q.body.form} {
		for _, p := range pairs {
			key := strings.ToLower(p.key)
			if _, again := seen[key]; again {
				return p.key, true
			}
			seen[key] = struct{}{}
		}
	}
	return "", false
}
