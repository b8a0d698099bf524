package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

type document struct {
	Info       struct{ Version string }
	Paths      map[string]map[string]json.RawMessage
	Components struct {
		Parameters map[string]parameter
		Schemas    map[string]json.RawMessage
	}
}

type parameter struct {
	Ref          string `json:"$ref"`
	Name, In     string
	MultiSegment bool `json:"x-multi-segment"`
	Schema       schema
}

type schema struct {
	Ref  string `json:"$ref"`
	Type string
	Enum []string
}

type description struct {
	OperationID string
	Parameters  []parameter
	Servers     []struct{ URL string }
}

// verbs are the methods that a path item may hold; its other keys are not operations.
func verbs() []string { return []string{"get", "put", "post", "patch", "delete"} }

// literal is what a fixed path segment may consist of. All of it is unreserved (RFC 3986
// section 2.3), so no request has a reason to percent-encode one, and none is accepted.
var literal = regexp.MustCompile(`^[A-Za-z0-9._~-]*$`)

var placeholder = regexp.MustCompile(`^\{([A-Za-z0-9_-]+)\}$`)

func readOpenAPI(folder string) (operations, []string, error) {
	var manifest struct{ Version string }
	if err := readJSON(filepath.Join(folder, "package.json"), &manifest); err != nil {
		return nil, nil, err
	}
	sources := []string{"@octokit/openapi " + manifest.Version}
	files, err := filepath.Glob(filepath.Join(folder, "generated", "*.json"))
	if err != nil {
		return nil, nil, err
	}
	ops := operations{}
	for _, file := range files {
		edition := strings.TrimSuffix(filepath.Base(file), ".json")
		if strings.HasSuffix(edition, ".deref") {
			continue
		}
		n, err := ops.addDocument(file, edition)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", file, err)
		}
		sources = append(sources, fmt.Sprintf("openapi %s %d operations", edition, n))
	}
	if len(ops) == 0 {
		return nil, nil, fmt.Errorf("no descriptions in %s", folder)
	}
	return ops, sources, nil
}

func product(edition string) (string, error) {
	switch {
	case edition == "api.github.com":
		return dotcom, nil
	case edition == "ghec":
		return cloud, nil
	case strings.HasPrefix(edition, "ghes-"):
		return server, nil
	}
	return "", fmt.Errorf("unknown edition %q", edition)
}

func (ops operations) addDocument(file, edition string) (int, error) {
	in, err := product(edition)
	if err != nil {
		return 0, err
	}
	var doc document
	if err := readJSON(file, &doc); err != nil {
		return 0, err
	}
	var whole tree
	if err := readJSON(file, &whole); err != nil {
		return 0, err
	}
	count := 0
	for template, item := range doc.Paths {
		for method, raw := range item {
			if !slices.Contains(verbs(), method) {
				return 0, fmt.Errorf("%s: %q is not a method this generator knows", template, method)
			}
			var d description
			if err := json.Unmarshal(raw, &d); err != nil {
				return 0, fmt.Errorf("%s %s: %w", method, template, err)
			}
			if err := ops.add(&doc, in, method, template, d); err != nil {
				return 0, fmt.Errorf("%s %s: %w", method, template, err)
			}
			count++
		}
	}
	ops.addFindings(whole)
	return count, nil
}

func (ops operations) add(doc *document, in, method, template string, d description) error {
	path, err := typedPath(doc, template, d.Parameters)
	if err != nil {
		return err
	}
	at := endpoint{strings.ToUpper(method), template}
	o := ops[at]
	if o == nil {
		o = &operation{method: at.method, template: template, path: path, name: d.OperationID, products: map[string]bool{}, surface: surfaceOf(template, d)}
		ops[at] = o
	}
	if o.name != d.OperationID || o.path != path {
		return fmt.Errorf("editions disagree: %s %s and %s %s", o.name, o.path, d.OperationID, path)
	}
	o.products[in] = true
	return nil
}

func surfaceOf(template string, d description) string {
	for _, s := range d.Servers {
		switch {
		case strings.Contains(s.URL, "upload"):
			return surfaceUploads
		case strings.HasPrefix(template, "/manage/"):
			return surfaceManage
		}
	}
	return surfaceAPI
}

// typedPath writes what each parameter accepts into the template: {number:int},
// {path:many} for one that may hold slashes, {kind:a|b} for a closed list.
func typedPath(doc *document, template string, parameters []parameter) (string, error) {
	segments := strings.Split(template, "/")
	for i, segment := range segments {
		if segment == "{base}...{head}" {
			segments[i] = "{basehead:range}"
			continue
		}
		m := placeholder.FindStringSubmatch(segment)
		if m == nil {
			if !literal.MatchString(segment) {
				return "", fmt.Errorf("segment %q is neither literal nor one parameter", segment)
			}
			continue
		}
		kind, err := kindOf(doc, m[1], parameters)
		if err != nil {
			return "", err
		}
		segments[i] = "{" + m[1] + kind + "}"
	}
	return strings.Join(segments, "/"), nil
}

func kindOf(doc *document, name string, parameters []parameter) (string, error) {
	for _, p := range parameters {
		if p.Ref != "" {
			p = doc.Components.Parameters[p.Ref[strings.LastIndexByte(p.Ref, '/')+1:]]
		}
		if p.In != "path" || p.Name != name {
			continue
		}
		s := p.Schema
		if s.Ref != "" {
			if err := json.Unmarshal(doc.Components.Schemas[s.Ref[strings.LastIndexByte(s.Ref, '/')+1:]], &s); err != nil {
				return "", err
			}
		}
		switch {
		case p.MultiSegment:
			return ":many", nil
		case len(s.Enum) > 0:
			slices.Sort(s.Enum)
			return ":" + strings.Join(s.Enum, "|"), nil
		case s.Type == "integer":
			return ":int", nil
		}
		return "", nil
	}
	return "", fmt.Errorf("parameter %s is not described", name)
}

func readJSON(file string, into any) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}
