package main

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// accesses is the reviewed list of how much operations take (data/access.txt).
type accesses struct {
	permissions map[string]bool   // whoever writes under them administers
	named       map[string]string // operation or pattern to access
	patterns    []string          // the longest first
	used        map[string]bool
}

func readAccesses(file string) (*accesses, error) {
	lines, err := readLines(file)
	if err != nil {
		return nil, err
	}
	a := &accesses{permissions: map[string]bool{}, named: map[string]string{}, used: map[string]bool{}}
	for _, line := range lines {
		fields := strings.Fields(line)
		switch {
		case len(fields) == 2 && fields[0] == "permission":
			a.permissions[fields[1]] = true
		case len(fields) == 2 && level(fields[1]) >= 0:
			a.named[fields[0]] = fields[1]
			if strings.Contains(fields[0], "*") {
				a.patterns = append(a.patterns, fields[0])
			}
		default:
			return nil, fmt.Errorf("access.txt: %q is neither permission NAME nor NAME ACCESS", line)
		}
	}
	slices.SortFunc(a.patterns, func(p, q string) int { return cmp.Or(cmp.Compare(len(q), len(p)), cmp.Compare(p, q)) })
	return a, nil
}

// line is what the list says of an operation by its name, and where no permission says
// more, by a pattern.
func (a *accesses) line(name string, permitted bool) (string, bool) {
	if access, ok := a.named[name]; ok {
		a.used[name] = true
		return access, true
	}
	for _, pattern := range a.patterns {
		if permitted {
			break
		}
		if ok, err := path.Match(pattern, name); ok && err == nil {
			a.used[pattern] = true
			return a.named[pattern], true
		}
	}
	return "", false
}

// of is how much an operation takes. A GET that needs a write permission cannot be made
// with a read-only token, and a POST that needs only a read permission still changes
// something.
func (a *accesses) of(o *operation, reads bool) (string, error) {
	access := "read"
	if o.method != "GET" && !reads {
		if access, ok := a.line(o.name, len(o.sets) > 0); ok {
			return access, nil
		}
		if len(o.sets) == 0 {
			return "", fmt.Errorf("access.txt: no line for %s, of which no permission is known", o.name)
		}
		access = "write"
	}
	for _, set := range o.sets[:min(1, len(o.sets))] {
		for pair := range strings.SplitSeq(set, ",") {
			permission, needed, _ := strings.Cut(pair, "=")
			if level(needed) > level(access) {
				access = needed
			}
			if access != "read" && a.permissions[permission] {
				access = "admin"
			}
		}
	}
	return access, nil
}

// mark puts accesses on every operation, and stops at a line that fits nothing.
func (a *accesses) mark(ops operations, fields []field, reads []string) error {
	var err error
	for _, o := range ops.sorted() {
		if o.access, err = a.of(o, slices.Contains(reads, o.name)); err != nil {
			return err
		}
	}
	for i, f := range fields {
		access, listed := a.line(f.fullName(), false)
		switch {
		case f.kind != "mutation":
			access = "read"
		case !listed:
			access = "write"
		}
		fields[i].access = access
	}
	for _, name := range slices.Sorted(maps.Keys(a.named)) {
		if !a.used[name] {
			return fmt.Errorf("access.txt: no operation is called %s, or a longer line says more", name)
		}
	}
	return nil
}

// markRefs applies the reviewed list of what writes refs, and stops at an operation under
// the permissions to write them that nobody has looked at.
func markRefs(ops operations, fields []field, lines []string) error {
	looked := map[string]bool{}
	for _, line := range lines {
		name, none := strings.CutPrefix(line, "!")
		looked[name] = true
		found := false
		for _, o := range ops.named(name) {
			o.refs, found = !none, true
		}
		for i := range fields {
			if fields[i].fullName() == name {
				fields[i].refs, found = !none, true
			}
		}
		if !found {
			return fmt.Errorf("refs.txt: no operation is called %s", name)
		}
	}
	for _, o := range ops.sorted() {
		if sets := strings.Join(o.sets, ";"); !looked[o.name] && (strings.Contains(sets, "contents=write") || strings.Contains(sets, "workflows=write")) {
			return fmt.Errorf("refs.txt: no line for %s, which takes %s", o.name, sets)
		}
	}
	return nil
}
