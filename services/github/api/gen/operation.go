package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Products an operation exists in: api.github.com, GitHub Enterprise Cloud (the same
// host) and GitHub Enterprise Server.
const (
	dotcom = "d"
	cloud  = "c"
	server = "s"
)

// Surfaces an operation is served on.
const (
	surfaceAPI     = "api"
	surfaceUploads = "uploads"
	surfaceManage  = "manage"
)

// operation is one row of the table.
type operation struct {
	method, template string // template as GitHub writes it
	path             string // template with the kind of each parameter
	name             string
	products         map[string]bool
	surface          string

	access       string // read | write | admin
	installation bool   // an installation token may call it
	credential   bool
	refs         bool            // it writes a ref, and is no push
	settled      bool            // the permission sets are known, not a reading of incomplete data
	findings     map[string]bool // what its shapes hold: "answers/token"
	why          []string        // those of them for which it has to be named exactly
	reasons      []string        // why the others are none
	sets         []string        // alternatives, least first: "contents=write,workflows=write"
}

// endpoint is what GitHub's data files identify an operation by.
type endpoint struct{ method, template string }

type operations map[endpoint]*operation

func (ops operations) sorted() []*operation {
	return slices.SortedFunc(maps.Values(ops), func(a, b *operation) int {
		return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.path, b.path), cmp.Compare(a.method, b.method))
	})
}

func (ops operations) named(name string) []*operation {
	var found []*operation
	for _, o := range ops {
		if o.name == name {
			found = append(found, o)
		}
	}
	return found
}

func (o *operation) line() string {
	products := strings.Join(slices.Sorted(maps.Keys(o.products)), "")
	var flags strings.Builder
	for _, f := range []struct {
		letter string
		set    bool
	}{{"i", o.installation}, {"c", o.credential}, {"s", o.settled}, {"r", o.refs}} {
		if f.set {
			flags.WriteString(f.letter)
		}
	}
	return strings.Join([]string{
		"rest", o.name, o.method, o.path, products, o.surface, o.access, orDash(flags.String()), orDash(strings.Join(o.sets, ";")),
	}, "\t")
}

func orDash(s string) string { return cmp.Or(s, "-") }

// field is one root field of the GraphQL schema.
type field struct {
	kind, name string // "query" or "mutation"
	access     string
	credential bool
	refs       bool
}

func (f field) fullName() string { return "graphql/" + f.kind + "." + f.name }

func (f field) line() string {
	flags := ""
	if f.credential {
		flags = "c"
	}
	if f.refs {
		flags += "r"
	}
	return strings.Join([]string{"graphql", f.kind + "." + f.name, f.access, orDash(flags)}, "\t")
}

// markCredentials applies the reviewed list; a name that is not an operation stops the build.
func markCredentials(ops operations, fields []field, names []string) error {
	for _, name := range names {
		found := false
		for _, o := range ops.named(name) {
			o.credential, found = true, true
		}
		for i := range fields {
			if fields[i].fullName() == name {
				fields[i].credential, found = true, true
			}
		}
		if !found {
			return fmt.Errorf("credentials.txt: no operation is called %s", name)
		}
	}
	return nil
}
