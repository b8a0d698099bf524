package api

import (
	"bufio"
	"bytes"
	"compress/gzip"
	_ "embed"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"sallyport/policy"
)

//go:embed operations.table.gz
var packedTable []byte

// table is the generated list of operations, parsed once, at first use, in about 5 ms.
// It is immutable.
type table struct {
	sources []string
	names   []string // every operation, REST, GraphQL and git, sorted
	graphql map[string]Operation
	rest    []*route
	dotcom  *node // api.github.com: the public product and Enterprise Cloud
	server  *node // GitHub Enterprise Server
	uploads *node
	manage  *node
}

// route is one line of the table.
type route struct {
	method, path, products, surface string

	op Operation
}

// operationsTable panics only if the embedded file is damaged, which no input can cause
// and every test of this package would show.
//
//nolint:gochecknoglobals // a constant that takes too long to be computed at start
var operationsTable = sync.OnceValue(func() *table {
	t, err := readTable(packedTable)
	if err != nil {
		panic("github: embedded table: " + err.Error())
	}
	return t
})

// Sources says which published descriptions the table was made from, with versions.
func Sources() []string { return slices.Clone(operationsTable().sources) }

// Names lists every operation that can be named, sorted.
func Names() []string { return slices.Clone(operationsTable().names) }

const tableFormat = "sallyport github operations 2"

func readTable(packed []byte) (*table, error) {
	unpacked, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(unpacked)
	if err != nil {
		return nil, err
	}
	t := &table{graphql: map[string]Operation{}, dotcom: &node{}, server: &node{}, uploads: &node{}, manage: &node{}}
	lines := bufio.NewScanner(bytes.NewReader(text))
	if !lines.Scan() || lines.Text() != tableFormat {
		return nil, fmt.Errorf("not of the format %q", tableFormat)
	}
	for lines.Scan() {
		if err := t.add(strings.Split(lines.Text(), "\t")); err != nil {
			return nil, fmt.Errorf("%q: %w", lines.Text(), err)
		}
	}
	if err := t.addRefs(); err != nil {
		return nil, err
	}
	t.names = append(t.names, ownNames()...)
	slices.Sort(t.names)
	t.names = slices.Compact(t.names)
	return t, lines.Err()
}

func (t *table) add(fields []string) error {
	switch {
	case fields[0] == "source" && len(fields) == 2:
		t.sources = append(t.sources, fields[1])
		return nil
	case fields[0] == "graphql" && len(fields) == 4:
		return t.addGraphQL("graphql/"+fields[1], fields[2], fields[3])
	case fields[0] == "rest" && len(fields) == 9:
		return t.addREST(fields)
	}
	return fmt.Errorf("not a line of this format")
}

func (t *table) addGraphQL(name, access, flags string) error {
	a, ok := policy.ParseAccess(access)
	if !ok {
		return fmt.Errorf("access %q", access)
	}
	t.graphql[name] = Operation{
		Name: name, Access: a, InstallationToken: true,
		CredentialAnswer: strings.Contains(flags, "c"), WritesRefs: strings.Contains(flags, "r"),
	}
	t.names = append(t.names, name)
	return nil
}

func (t *table) addREST(fields []string) error {
	access, ok := policy.ParseAccess(fields[6])
	if !ok {
		return fmt.Errorf("access %q", fields[6])
	}
	r := &route{method: fields[2], path: fields[3], products: fields[4], surface: fields[5], op: Operation{
		Name: fields[1], Access: access,
		InstallationToken: strings.Contains(fields[7], "i"),
		CredentialAnswer:  strings.Contains(fields[7], "c"),
		Settled:           strings.Contains(fields[7], "s"),
		WritesRefs:        strings.Contains(fields[7], "r"),
	}}
	if fields[8] != "-" {
		if r.op.Permissions, ok = ParseAccepted(fields[8]); !ok {
			return fmt.Errorf("permissions %q", fields[8])
		}
	}
	t.rest = append(t.rest, r)
	t.names = append(t.names, r.op.Name)
	for _, root := range t.roots(r) {
		if err := root.insert(r); err != nil {
			return err
		}
	}
	return nil
}

// addRefs adds the older path on which GitHub still lists refs, which its descriptions have for
// writing alone and which PyGithub and octokit.rb read.
func (t *table) addRefs() error {
	for _, r := range t.rest {
		if r.op.Name != "git/list-matching-refs" {
			continue
		}
		older := *r
		older.path = strings.Replace(r.path, "/matching-refs/", "/refs/", 1)
		for _, root := range t.roots(&older) {
			if err := root.insert(&older); err != nil {
				return err
			}
		}
	}
	return nil
}

// reach is what is known of an operation by its name alone.
func (t *table) reach(name string) Reach {
	category, _, _ := strings.Cut(name, "/")
	switch {
	case category == "graphql":
		o := graphQLOperation(name)
		return Reach{Least: o.Access, Greatest: o.Access, GraphQL: true, WritesRefs: o.WritesRefs}
	case name == linkGet:
		return Reach{Least: policy.Read, Greatest: policy.Read}
	case name == linkPut:
		return Reach{Least: policy.Write, Greatest: policy.Write}
	case slices.Contains(ownNames(), name):
		access := gitOperation(name, "", "").Access
		return Reach{Least: access, Greatest: access, Repo: true, Pushes: name == gitPush}
	}
	var all Reach
	for _, r := range t.rest {
		if r.op.Name == name {
			all = all.with(Reach{Least: r.op.Access, Greatest: r.op.Access, Repo: strings.Contains(r.path, "repo}"), WritesRefs: r.op.WritesRefs})
		}
	}
	return all
}

// roots says in which trees a route is looked up.
func (t *table) roots(r *route) []*node {
	switch r.surface {
	case "uploads":
		return []*node{t.uploads}
	case "manage":
		return []*node{t.manage}
	}
	var roots []*node
	if strings.ContainsAny(r.products, "cd") {
		roots = append(roots, t.dotcom)
	}
	if strings.Contains(r.products, "s") {
		roots = append(roots, t.server)
	}
	return roots
}
