// Command gen writes the answers that package hub embeds: for each operation of
// GitHub's published description its method, path, the first example of its success, and
// the permissions that it needs, by the data beside the product's own generator.
//
//	npm pack @octokit/openapi && tar -xzf octokit-openapi-*.tgz -C /tmp/openapi
//	OCTOKIT_OPENAPI=/tmp/openapi/package go generate ./test/hub
package main

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

type description struct {
	Paths      map[string]map[string]operation
	Components struct {
		Responses  map[string]response
		Examples   map[string]example
		Parameters map[string]parameter
	}
}

type operation struct {
	OperationID string
	Parameters  []parameter
	Responses   map[string]response
	Servers     []struct{ URL string }
}

type parameter struct {
	Ref          string `json:"$ref"`
	Name         string
	MultiSegment bool `json:"x-multi-segment"`
}

type response struct {
	Ref     string `json:"$ref"`
	Content map[string]struct{ Examples map[string]example }
}

type example struct {
	Ref   string `json:"$ref"`
	Value json.RawMessage
}

// answer is one line of the file.
type answer struct {
	Name   string          `json:"name"`
	Verb   string          `json:"verb"`
	Path   string          `json:"path"`
	Many   []string        `json:"many,omitempty"`   // parameters that hold slashes
	Server string          `json:"server,omitempty"` // if it is not the API's
	Status string          `json:"status"`
	Type   string          `json:"type,omitempty"`
	Body   json.RawMessage `json:"body,omitempty"`

	Installation bool                `json:"installation,omitempty"` // an installation's token may call it
	Permissions  []map[string]string `json:"permissions,omitempty"`  // alternatives
}

func run(args []string) error {
	if len(args) != 2 || args[0] == "" {
		return errors.New("want the folder of the unpacked npm package @octokit/openapi, and the file to write")
	}
	data, err := os.ReadFile(filepath.Join(args[0], "generated", "api.github.com.json"))
	if err != nil {
		return err
	}
	var d description
	if err := json.Unmarshal(data, &d); err != nil {
		return err
	}
	allowed, err := readPermissions()
	if err != nil {
		return err
	}
	var text bytes.Buffer
	lines := json.NewEncoder(&text)
	for _, template := range slices.Sorted(maps.Keys(d.Paths)) {
		for _, verb := range slices.Sorted(maps.Keys(d.Paths[template])) {
			a := d.answer(verb, template, d.Paths[template][verb])
			a.Permissions, a.Installation = allowed.of(a)
			if err := lines.Encode(a); err != nil {
				return err
			}
		}
	}
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := w.Write(text.Bytes()); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return os.WriteFile(args[1], packed.Bytes(), 0o644) //nolint:gosec // a committed source file, not a secret
}

func (d *description) answer(verb, template string, o operation) answer {
	a := answer{Name: o.OperationID, Verb: verb, Path: template}
	for _, p := range o.Parameters {
		if p.Ref != "" {
			p = d.Components.Parameters[path.Base(p.Ref)]
		}
		if p.MultiSegment {
			a.Many = append(a.Many, p.Name)
		}
	}
	for _, s := range o.Servers {
		a.Server = strings.TrimPrefix(s.URL, "https://")
	}
	for _, status := range slices.Sorted(maps.Keys(o.Responses)) {
		if status[0] != '2' && status[0] != '3' {
			continue
		}
		a.Status = status
		r := o.Responses[status]
		if r.Ref != "" {
			r = d.Components.Responses[path.Base(r.Ref)]
		}
		a.Type, a.Body = d.body(r)
		break
	}
	a.Status = cmp.Or(a.Status, "204")
	return a
}

// body is the first example of the first media type, by name.
func (d *description) body(r response) (media string, body json.RawMessage) {
	types := slices.Sorted(maps.Keys(r.Content))
	if len(types) == 0 {
		return "", nil
	}
	examples := r.Content[types[0]].Examples
	names := slices.Sorted(maps.Keys(examples))
	if len(names) == 0 {
		return types[0], nil
	}
	e := examples[names[0]]
	if e.Ref != "" {
		e = d.Components.Examples[path.Base(e.Ref)]
	}
	return types[0], e.Value
}
