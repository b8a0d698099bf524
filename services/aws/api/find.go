package api

import (
	"net/http"
	"strings"
)

// find names the operation. In this order:
//
//  1. what is CBOR says so in a header and names the operation in its path;
//  2. a target names the operation of a JSON service;
//  3. an Action, in the query or in the form, that of a query service;
//  4. method, path and query that of a REST service.
//
// A request that gives a signal of another kind than the one it is named by is refused.
func (q *signals) find(services []*service) (*service, *entry, *Unresolved) {
	_, inQuery := actionCount(q.parameters)
	switch {
	case q.smithy != "":
		if q.target != "" || inQuery > 0 {
			return nil, nil, conflict()
		}
		q.protocol = cbor
		return q.findCBOR(services)
	case q.target != "":
		if inQuery > 0 || q.media == formType {
			return nil, nil, conflict()
		}
		q.protocol = jsonTarget
		return q.findTarget(services)
	case strings.HasPrefix(q.Path, "/service/") && speak(services, cbor):
		return nil, nil, unresolved(ReasonConflict, "the path is CBOR's, but Smithy-Protocol does not say so")
	}
	if speak(services, query) && (!speak(services, rest) || inQuery > 0 || q.Path == "/") {
		q.protocol = query
		return q.findAction(services)
	}
	if !speak(services, rest) {
		return nil, nil, unresolved(ReasonUnknown, "the request has no X-Amz-Target, by which "+printable(q.Service)+" tells its operations apart")
	}
	q.protocol = rest
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
func (q *signals) findCBOR(services []*service) (*service, *entry, *Unresolved) {
	path, found := strings.CutPrefix(q.Path, "/service/")
	target, name, found2 := strings.Cut(path, "/operation/")
	if !found || !found2 || q.smithy != "rpc-v2-cbor" || q.method != http.MethodPost {
		return nil, nil, unresolved(ReasonUnknown, "the request is not of the form rpc-v2-cbor, or it is of another form of Smithy's")
	}
	if q.media != "" && q.media != "application/cbor" {
		return nil, nil, unresolved(ReasonConflict, "a request of the form rpc-v2-cbor has a body of CBOR, and its Content-Type says so")
	}
	return byTarget(services, cbor, target, name)
}

func (q *signals) findTarget(services []*service) (*service, *entry, *Unresolved) {
	dot := strings.LastIndexByte(q.target, '.')
	if q.method != http.MethodPost || q.Path != "/" || dot < 0 {
		return nil, nil, unresolved(ReasonConflict, "a request with X-Amz-Target is a POST to / and names SERVICE.OPERATION")
	}
	if q.media != "application/json" && !strings.HasPrefix(q.media, amzJSON) {
		return nil, nil, unresolved(ReasonConflict, "a request with X-Amz-Target has a body of JSON in UTF-8, and its Content-Type says so")
	}
	return byTarget(services, jsonTarget, q.target[:dot], q.target[dot+1:])
}

func byTarget(services []*service, protocol, target, name string) (*service, *entry, *Unresolved) {
	for _, s := range services {
		if s.target != target || !s.speaks(protocol) {
			continue
		}
		if e := s.load().operations[name]; e != nil {
			return s, e, nil
		}
	}
	return nil, nil, unresolved(ReasonUnknown, "the service has no operation "+printable(target+"."+name))
}

// findAction reads Action from the query or from the form, but not from both.
func (q *signals) findAction(services []*service) (*service, *entry, *Unresolved) {
	name, count := actionCount(q.parameters)
	exact, _ := q.parameter("Action")
	switch q.method {
	case http.MethodGet:
		if body, err := q.readBody(); q.Body != nil && (err != nil || len(body) > 0) {
			return nil, nil, unresolved(ReasonConflict, "the request has an Action in its query and a body, though it is a GET")
		}
	case http.MethodPost:
		if q.media == formType {
			if err := q.readForm(); err != nil {
				return nil, nil, err
			}
		} else if count == 0 {
			return nil, nil, unresolved(ReasonUnknown, "the request names no Action, neither in its query nor in a form")
		} else if body, err := q.readBody(); err != nil || len(body) > 0 {
			return nil, nil, unresolved(ReasonConflict, "the request has an Action in its query and a body that is no form")
		}
	default:
		return nil, nil, unresolved(ReasonUnknown, "a request with an Action is a GET or a POST")
	}
	inBody, more := actionCount(q.form)
	if more > 0 {
		name = inBody
		exact, _ = lookup(q.form, "Action")
	}
	if count+more != 1 || exact != name {
		return nil, nil, unresolved(ReasonConflict, "the request must hold Action once, in its query or in its form")
	}
	if name, again := q.repeated(); again {
		return nil, nil, unresolved(ReasonConflict, "the request must hold "+printable(name)+" once, in its query or in its form")
	}
	if q.Path != "/" && q.Service != "sqs" { // a queue's URL is where its actions go
		return nil, nil, unresolved(ReasonConflict, "a request with an Action goes to /")
	}
	for _, s := range services {
		if s.speaks(query) {
			if e := s.load().operations[name]; e != nil {
				return s, e, nil
			}
		}
	}
	return nil, nil, unresolved(ReasonUnknown, "the service has no operation "+printable(name))
}

// findRoute looks in every service that may be meant. Two that would do different
// things must not both find one.
func (q *signals) findRoute(services []*service) (*service, *entry, *Unresolved) {
	var service *service
	var found *entry
	for _, s := range services {
		if !s.speaks(rest) {
			continue
		}
		e, err := q.routeIn(s)
		switch {
		case err != nil:
			return nil, nil, err
		case e == nil:
		case found != nil && found.name == e.name && s.prefix != q.Host:
			// One request under the names of two services: that of the host is used.
		case found != nil && found.name == e.name && s.prefix == q.Host:
			service, found = s, e
		case found != nil && found.full != e.full:
			return nil, nil, unresolved(ReasonConflict, "the request may mean "+found.full+" or "+e.full)
		default:
			service, found = s, e
		}
	}
	if found == nil {
		return nil, nil, unresolved(ReasonUnknown, "the service has no operation for this method, path and query")
	}
	return service, found, nil
}

func (q *signals) routeIn(s *service) (*entry, *Unresolved) {
	p := s.load()
	if s.id == "s3" {
		return q.s3Route(p)
	}
	segments, slashed, err := splitPath(q.Path)
	if err != nil {
		return nil, err
	}
	e, err := p.root.walk(q, segments, 0)
	if err != nil || e == nil {
		return nil, err
	}
	if slashed != nil {
		// Whether the service splits before or after decoding must not matter.
		if other, err := p.root.walk(q, slashed, 0); err != nil || other != nil && other != e {
			return nil, unresolved(ReasonPath, "the path means another operation once its encoded slashes are decoded")
		}
	}
	q.segments, q.names = segments, e.route.names
	return e, q.accounted(p, e)
}

// accounted sees that no key that tells operations apart is left over.
func (q *signals) accounted(p *parsed, e *entry) *Unresolved {
	for _, key := range p.selectors {
		if _, count := q.parameter(key); count > 1 || count == 1 && !e.route.takes(key) {
			return unresolved(ReasonConflict, "the query names another operation than "+e.name+" by "+printable(key))
		}
	}
	if p.keys == nil {
		return nil
	}
	for i := range q.parameters {
		key := q.parameters[i].key
		_, known := p.keys[key]
		if !known && (len(key) < 6 || !strings.EqualFold(key[:6], "x-amz-")) {
			return unresolved(ReasonQuery, "the query holds "+printable(key)+", which is not known here")
		}
		if key == "x-id" && q.parameters[i].value != e.name {
			return unresolved(ReasonConflict, "x-id says "+printable(q.parameters[i].value)+", but the request is "+e.name)
		}
	}
	return nil
}
