package api

import (
	"fmt"
	"slices"
	"strings"

	"sallyport/internal/glob"
	"sallyport/internal/nearest"
	"sallyport/policy"
)

// Pattern matches operation names: "pulls/create", "pulls/*", "*/delete*",
// "graphql/mutation.*", or "*" for every operation. A star is any run of characters but
// "/". It is immutable; the zero value matches nothing.
type Pattern struct {
	text           string
	category, name string
	also           []string // other names of the same requests
	reach          Reach
}

// Reach is what the operations of a pattern have in common. The zero value is that of
// none.
type Reach struct {
	Least, Greatest policy.Access
	Repo            bool // one of them at least names its repository
	GraphQL         bool // one of them at least is a GraphQL field, which hides it
	WritesRefs      bool // one of them at least writes a ref, and is no push
	Pushes          bool // one of them is a push
}

func (r Reach) with(o Reach) Reach {
	if r == (Reach{}) {
		return o
	}
	return Reach{
		Least: min(r.Least, o.Least), Greatest: max(r.Greatest, o.Greatest), Repo: r.Repo || o.Repo, GraphQL: r.GraphQL || o.GraphQL,
		WritesRefs: r.WritesRefs || o.WritesRefs, Pushes: r.Pushes || o.Pushes,
	}
}

// Reach says what the operations that the pattern names have in common.
func (p Pattern) Reach() Reach { return p.reach }

// ParsePattern reads a pattern and checks that it matches at least one operation. Its
// error names the nearest one.
func ParsePattern(s string) (Pattern, error) {
	category, name, found := strings.Cut(s, "/")
	if s == "*" {
		category, name, found = "*", "*", true
	}
	if !found || category == "" || name == "" || strings.Contains(name, "/") {
		return Pattern{}, fmt.Errorf("operation pattern %q: want CATEGORY/NAME, each with or without *; did you mean %q", s, nearest.Word(s, operationsTable().names))
	}
	p := Pattern{text: s, category: category, name: name}
	matched := false
	for _, known := range operationsTable().names {
		if p.matches(known) || p.Catches(known) {
			matched = true
			p.reach = p.reach.with(operationsTable().reach(known))
			p.also = append(p.also, otherNames(known)...)
		}
	}
	if !matched {
		return Pattern{}, fmt.Errorf("operation pattern %q matches no operation of GitHub's; did you mean %q", s, nearest.Word(s, operationsTable().names))
	}
	return p, nil
}

// otherNames: GitHub's descriptions hold one request twice, under an older and a newer
// name. Which of them a policy uses must not matter.
func otherNames(name string) []string {
	switch name {
	case "repos/compare-commits":
		return []string{"repos/compare-commits-with-basehead"}
	case "repos/compare-commits-with-basehead":
		return []string{"repos/compare-commits"}
	}
	return nil
}

func (p Pattern) String() string { return p.text }

// Exact reports whether the pattern is one name, without a star.
func (p Pattern) Exact() bool { return p.text != "" && !strings.Contains(p.text, "*") }

// Matches reports whether the pattern names the operation: what an allow goes by.
func (p Pattern) Matches(operation string) bool {
	if p.matches(operation) {
		return true
	}
	return slices.Contains(p.also, operation)
}

func (p Pattern) matches(operation string) bool {
	category, name, found := strings.Cut(operation, "/")
	return found && p.text != "" && glob.Match(p.category, category) && glob.Match(p.name, name)
}

// Catches is Matches and more: what a deny goes by. A GraphQL operation is caught by its
// field alone as well, so that "*/delete*" catches graphql/mutation.deleteRef.
func (p Pattern) Catches(operation string) bool {
	if p.Matches(operation) {
		return true
	}
	kind, field, found := strings.Cut(operation, ".")
	category, _, _ := strings.Cut(kind, "/")
	return found && p.text != "" && category == "graphql" && glob.Match(p.category, category) && glob.Match(p.name, field)
}
