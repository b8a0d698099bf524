package main

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
)

// speaks is what a member is called, of a request or an answer, that may be a credential or
// decide who may do what.
var speaks = regexp.MustCompile(`(?i)secret|password|private_key|^pem$|credential|token|api_key|^key$|public_key|ssh_key|encrypted_value|certificate|passphrase|jit|signature|armored|webhook_url|authorization|recovery_code|^roles?$|^role_name$|permission|claim`)

// any JSON of a description, for shapes are described in many ways.
type tree = map[string]any

// addFindings notes what the requests and answers of a description's operations hold.
func (ops operations) addFindings(doc tree) {
	paths, _ := doc["paths"].(tree)
	for template, item := range paths {
		methods, _ := item.(tree)
		for method, described := range methods {
			o := ops[endpoint{strings.ToUpper(method), template}]
			description, ok := described.(tree)
			if o == nil || !ok {
				continue
			}
			if o.findings == nil {
				o.findings = map[string]bool{}
			}
			w := walk{doc: doc, side: "asks", found: o.findings}
			w.content(description["requestBody"])
			w.side = "answers"
			responses, _ := description["responses"].(tree)
			for status, response := range responses {
				if strings.HasPrefix(status, "2") {
					w.content(response)
				}
			}
		}
	}
}

type walk struct {
	doc   tree
	side  string
	found map[string]bool
}

func (w *walk) content(of any) {
	described := w.resolve(of)
	media, _ := described["content"].(tree)
	for _, one := range media {
		if one, ok := one.(tree); ok {
			w.schema("", one["schema"], nil)
		}
	}
}

// resolve follows references within the description.
func (w *walk) resolve(of any) tree {
	s, _ := of.(tree)
	for range 8 {
		ref, ok := s["$ref"].(string)
		if !ok {
			break
		}
		s = w.doc
		for part := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
			s, _ = s[part].(tree)
		}
	}
	return s
}

func (w *walk) schema(name string, of any, above []string) {
	s, _ := of.(tree)
	if ref, ok := s["$ref"].(string); ok {
		if slices.Contains(above, ref) {
			return
		}
		above = append(slices.Clone(above), ref)
	}
	if s = w.resolve(s); s == nil || len(above) > 7 {
		return
	}
	for _, key := range []string{"allOf", "anyOf", "oneOf"} {
		several, _ := s[key].([]any)
		for _, one := range several {
			w.schema(name, one, above)
		}
	}
	members, _ := s["properties"].(tree)
	for member, shape := range members {
		w.schema(member, shape, above)
	}
	if items, ok := s["items"]; ok {
		w.schema(name, items, above)
	}
	if more, ok := s["additionalProperties"].(tree); ok {
		w.schema(name, more, above)
	}
	if len(members) == 0 && s["items"] == nil && name != "" && speaks.MatchString(name) {
		w.found[w.side+"/"+name] = true
	}
}

// excuse is a line of reviewed.txt: why what an operation holds is no reason to name it exactly.
type excuse struct {
	operation, finding, reason string
	used                       bool
}

func parseExcuse(line string) (*excuse, error) {
	text, reason, ok := strings.Cut(line, "#")
	f := strings.Fields(text)
	if !ok || len(f) != 2 || strings.TrimSpace(reason) == "" || strings.Count(f[1], "/") != 1 {
		return nil, fmt.Errorf("reviewed.txt: %q is not OPERATION SIDE/MEMBER # REASON", line)
	}
	return &excuse{operation: f[0], finding: f[1], reason: strings.TrimSpace(reason)}, nil
}

func (e *excuse) covers(operation, finding string) bool {
	named, err := path.Match(e.operation, operation)
	found, err2 := path.Match(e.finding, finding)
	return named && found && err == nil && err2 == nil
}

// judge marks the operations that hold what no line explains, and stops at a line that
// explains nothing.
func judge(ops operations, excuses []*excuse) error {
	for _, o := range ops.sorted() {
		for _, f := range slices.Sorted(maps.Keys(o.findings)) {
			i := slices.IndexFunc(excuses, func(e *excuse) bool { return e.covers(o.name, f) })
			if i < 0 {
				o.why, o.credential = append(o.why, f), true
				continue
			}
			excuses[i].used = true
			if !slices.Contains(o.reasons, excuses[i].reason) {
				o.reasons = append(o.reasons, excuses[i].reason)
			}
		}
	}
	for _, e := range excuses {
		if !e.used {
			return fmt.Errorf("reviewed.txt: %s %s explains nothing that a line above does not", e.operation, e.finding)
		}
	}
	return nil
}

// reviewText is the result of the review, for people.
func reviewText(ops operations, fields []field, remarks map[string]string) []byte {
	exact, other, total := map[string]string{}, map[string]map[string]bool{}, map[string]bool{}
	for _, o := range ops.sorted() {
		total[o.name] = true
		switch {
		case o.credential:
			exact[o.name] = strings.Join(append(slices.DeleteFunc([]string{remarks[o.name]}, func(s string) bool { return s == "" }), o.why...), ", ")
		case len(o.findings) > 0:
			reason := strings.Join(o.reasons, "; ")
			if other[reason] == nil {
				other[reason] = map[string]bool{}
			}
			other[reason][o.name] = true
		}
	}
	for _, f := range fields {
		total[f.fullName()] = true
		if f.credential {
			exact[f.fullName()] = remarks[f.fullName()]
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# The review of GitHub's %d operations by what their requests and answers hold. Generated; what people decided is in\n"+
		"# gen/data/credentials.txt and gen/data/reviewed.txt. %d have to be named exactly by a rule.\n\n## Named exactly\n\n", len(total), len(exact))
	for _, name := range slices.Sorted(maps.Keys(exact)) {
		fmt.Fprintf(&b, "%s\t%s\n", name, exact[name])
	}
	b.WriteString("\n## Not, and why\n")
	for _, reason := range slices.Sorted(maps.Keys(other)) {
		fmt.Fprintf(&b, "\n# %s\n%s\n", reason, strings.Join(slices.Sorted(maps.Keys(other[reason])), " "))
	}
	return []byte(b.String())
}
