package api

import (
	"slices"
	"strings"
)

// route is where an operation of a REST service is found.
type route struct {
	method, path string
	required     []condition // on the query
	headers      []string    // canonical names that must be there
	members      []string    // query keys that it takes, of those that tell operations apart
	names        []string    // of the path's parameters, by segment; empty for what is fixed
}

// condition is a query key that must be there, with a value if it states one.
type condition struct {
	key, value string
	valued     bool
}

func newRoute(method, uri, headers, members string) *route {
	path, keys, _ := strings.Cut(uri, "?")
	r := &route{method: method, path: path}
	for pair := range strings.FieldsFuncSeq(keys, func(c rune) bool { return c == '&' }) {
		key, value, valued := strings.Cut(pair, "=")
		r.required = append(r.required, condition{key, value, valued})
	}
	for segment := range strings.SplitSeq(cleanTemplate(path), "/") {
		name, _ := strings.CutPrefix(segment, "{")
		if name == segment {
			name = ""
		}
		r.names = append(r.names, strings.TrimRight(name, "+}"))
	}
	if headers != "" {
		r.headers = strings.Split(headers, ",")
	}
	if members != "" {
		r.members = strings.Split(members, ",")
	}
	return r
}

// takes reports whether the route knows a query key.
func (r *route) takes(key string) bool {
	return slices.Contains(r.members, key) || slices.ContainsFunc(r.required, func(c condition) bool { return c.key == key })
}

// fits reports whether the request has what the route demands.
func (r *route) fits(h *head) bool {
	for _, c := range r.required {
		value, count := h.parameter(c.key)
		if count != 1 || c.valued && value != c.value {
			return false
		}
	}
	for _, name := range r.headers {
		if h.headerCount(name) == 0 {
			return false
		}
	}
	return true
}

// weight orders routes that fit a request: the one that demands most is meant.
func (r *route) weight() int { return len(r.required) + len(r.headers) }

// node is one level of the tree of paths.
type node struct {
	literal map[string]*node
	one     *node // {name}
	greedy  *node // {name+}
	entries []*entry
}

// insert adds an operation's path to the tree, and its query keys to what is known.
func (p *parsed) insert(e *entry, strict bool) {
	n := &p.root
	for segment := range strings.SplitSeq(cleanTemplate(e.route.path), "/") {
		switch {
		case strings.HasSuffix(segment, "+}"):
			n = child(&n.greedy)
		case strings.HasPrefix(segment, "{"):
			n = child(&n.one)
		default:
			if n.literal == nil {
				n.literal = map[string]*node{}
			}
			if n.literal[segment] == nil {
				n.literal[segment] = &node{}
			}
			n = n.literal[segment]
		}
	}
	n.entries = append(n.entries, e)
	for _, c := range e.route.required {
		if !slices.Contains(p.selectors, c.key) {
			p.selectors = append(p.selectors, c.key)
		}
	}
	if !strict {
		return
	}
	if p.keys == nil {
		p.keys = map[string]struct{}{"x-id": {}}
	}
	for _, c := range e.route.required {
		p.keys[c.key] = struct{}{}
	}
	for _, key := range e.route.members {
		p.keys[key] = struct{}{}
	}
}

func child(at **node) *node {
	if *at == nil {
		*at = &node{}
	}
	return *at
}

// cleanTemplate leaves out the slashes at both ends: clients differ about the last.
func cleanTemplate(path string) string {
	path, _, _ = strings.Cut(path, "#")
	return strings.TrimSuffix(strings.TrimPrefix(path, "/"), "/")
}

// walk finds the operation for the segments from i on: fixed segments before
// parameters, and parameters before the rest of the path.
func (n *node) walk(h *head, segments []string, i int) (*entry, *Unresolved) {
	if i == len(segments) {
		return n.pick(h)
	}
	if next := n.literal[segments[i]]; next != nil {
		if e, err := next.walk(h, segments, i+1); e != nil || err != nil {
			return e, err
		}
	}
	if n.one != nil && segments[i] != "" {
		if e, err := n.one.walk(h, segments, i+1); e != nil || err != nil {
			return e, err
		}
	}
	if n.greedy != nil && strings.Join(segments[i:], "") != "" {
		for end := i + 1; end < len(segments) && n.greedy.literal != nil; end++ {
			if e, err := n.greedy.walk(h, segments, end); e != nil || err != nil {
				return e, err
			}
		}
		return n.greedy.pick(h)
	}
	return nil, nil
}

// pick chooses between the operations of one path: of those that the request fits the
// one that demands most, if it accounts for all that the request says.
func (n *node) pick(h *head) (*entry, *Unresolved) {
	var best *entry
	for _, e := range n.entries {
		if e.route.method != h.Method || !e.route.fits(h) {
			continue
		}
		switch {
		case best == nil, e.route.weight() > best.route.weight():
			best = e
		case e.route.weight() == best.route.weight():
			return nil, unresolved(ReasonConflict, "the query names two operations at once: "+best.name+" and "+e.name)
		}
	}
	return best, nil
}
