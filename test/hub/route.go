package hub

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	_ "embed"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
)

//go:embed answers.gz
var answers []byte

// route is one operation of GitHub's published description.
type route struct {
	Name, Verb, Path, Server string
	Many                     []string
	Status, Type             string
	Body                     json.RawMessage
	Installation             bool
	Permissions              []map[string]string

	segments []string
}

// key is the operation's method and path.
func (r *route) key() string { return r.Verb + " " + r.Path }

// routes are the same for each GitHub, and nothing changes them.
var routes = sync.OnceValues(readRoutes)

func readRoutes() ([]route, error) {
	unpacked, err := gzip.NewReader(bytes.NewReader(answers))
	if err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(unpacked)
	lines.Buffer(nil, 1<<20)
	var all []route
	for lines.Scan() {
		var r route
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return nil, fmt.Errorf("answers: %w", err)
		}
		r.segments = strings.Split(r.Path, "/")
		// The descriptions do not mark these two.
		r.Many = append(r.Many, "path", "basehead")
		all = append(all, r)
	}
	// Fixed segments before parameters, from the left; a tie is no matter, for then
	// the paths that both take are the same.
	slices.SortStableFunc(all, func(a, b route) int {
		for i := range min(len(a.segments), len(b.segments)) {
			if c := cmp.Compare(strings.Count(a.segments[i], "{"), strings.Count(b.segments[i], "{")); c != 0 {
				return c
			}
		}
		return cmp.Compare(len(b.segments), len(a.segments))
	})
	return all, lines.Err()
}

// match is a route with what a path says for its parameters.
type match struct {
	route  *route
	values map[string]string
}

func (m match) value(parameter string) string { return m.values[parameter] }

// match finds the route of an escaped path: split at slashes, then decoded once.
func (h *Hub) match(verb, server, escaped string) (match, bool) {
	segments := strings.Split(escaped, "/")
	for i, s := range segments {
		decoded, err := url.PathUnescape(s)
		if err != nil {
			return match{}, false
		}
		segments[i] = decoded
	}
	for i := range h.routes {
		r := &h.routes[i]
		if r.Verb != verb || r.Server != server {
			continue
		}
		values := map[string]string{}
		if r.take(r.segments, segments, values) {
			return match{r, values}, true
		}
	}
	return match{}, false
}

func (r *route) take(template, path []string, values map[string]string) bool {
	if len(template) == 0 || len(path) == 0 {
		return len(template) == len(path)
	}
	name, isParameter := strings.CutPrefix(template[0], "{")
	name = strings.TrimSuffix(name, "}")
	switch {
	case !isParameter:
		return template[0] == path[0] && r.take(template[1:], path[1:], values)
	case path[0] == "":
		return false
	case !slices.Contains(r.Many, name):
		values[name] = path[0]
		return r.take(template[1:], path[1:], values)
	}
	for n := 1; n <= len(path); n++ {
		if path[n-1] != "" && r.take(template[1:], path[n:], values) {
			values[name] = strings.Join(path[:n], "/")
			return true
		}
	}
	return false
}
