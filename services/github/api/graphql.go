package api

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"

	"sallyport/internal/ijson"
	"sallyport/policy"
)

// Limits of a GraphQL request. GitHub itself stops at 500,000 nodes of answer; no client
// tried came near a tenth of these.
const (
	MaxGraphQLBody = 1 << 20
	// MaxPrintedGraphQL bounds what is sent in the place of a body: line feeds in
	// strings take one byte more in print than in a block string.
	MaxPrintedGraphQL = 2 << 20
	maxGraphQLTokens  = 20_000
	maxGraphQLDepth   = 100
)

// ReadGraphQL reads the body of a request whose operation has a GraphQLBody, and names
// each root field that it would run: "graphql/query.repository",
// "graphql/mutation.createIssue". All of them have to be allowed. The error is always an
// [*Unresolved].
//
// The body that is returned has to be sent in the place of the one that was read, as
// application/json. It holds the operation that runs and what that needs, printed anew
// from what was parsed, its variables and its name: whoever reads it finds what was
// judged, however differently the agent's own document could be read.
//
// No repository is named: node ids hide it, so the token is the boundary.
func ReadGraphQL(header http.Header, body io.Reader) ([]Operation, []byte, error) {
	if !plainEncoding(header) {
		return nil, nil, unresolved(ReasonEncoding, "a GraphQL request is taken without Content-Encoding only")
	}
	data, err := readBounded(body, MaxGraphQLBody)
	if err != nil {
		return nil, nil, err
	}
	operations, printed, err := parseGraphQL(contentType(header), data)
	if err != nil {
		return nil, nil, err
	}
	return operations, printed, nil
}

func parseGraphQL(media string, body []byte) ([]Operation, []byte, *Unresolved) {
	switch media {
	case jsonMedia:
	case "application/x-www-form-urlencoded":
		// What curl -d sends unless told otherwise; GitHub reads it as JSON. Without a
		// separator a form reader finds a single key in it, which starts with "{" and so
		// is not "query".
		if bytes.ContainsAny(body, "&;") {
			return nil, nil, unresolved(ReasonEncoding, "the body can be read as a form; send Content-Type: application/json")
		}
	default:
		return nil, nil, unresolved(ReasonEncoding, "a GraphQL request is taken as application/json only")
	}
	r, err := readGraphQLRequest(body)
	if err != nil {
		return nil, nil, err
	}
	document, err := r.document()
	if err != nil {
		return nil, nil, err
	}
	if r.query, err = document.print(); err != nil {
		return nil, nil, err
	}
	printed := r.body()
	if len(printed) > MaxPrintedGraphQL {
		return nil, nil, unresolved(ReasonTooLarge, "the body is longer than is read to classify a request, once it is printed anew")
	}
	operations, err := r.operations()
	for i := range operations {
		operations[i].WritesRefs = operations[i].WritesRefs || mayAssign(operations[i].Name) && r.assigns()
	}
	return operations, printed, err
}

// graphQLRequest is the JSON object that GraphQL over HTTP takes.
type graphQLRequest struct {
	query, operationName string
	variables            []byte // as written; nil if there are none
}

func readGraphQLRequest(body []byte) (graphQLRequest, *Unresolved) {
	var r graphQLRequest
	err := jsonObject(body, func(key string, value []byte) *Unresolved {
		var ok bool
		switch key {
		case "query":
			r.query, ok = jsonString(value)
		case "operationName":
			r.operationName, ok = jsonString(value)
		case "variables":
			if ok = value[0] == '{'; ok {
				r.variables = value
			}
			ok = ok || string(value) == "null"
		case "extensions":
			// Where clients put the hash of a stored document. Empty ones are left out.
			ok = string(value) == "null" || string(bytes.Join(bytes.Fields(value), nil)) == "{}"
		default:
			return unresolved(ReasonPersisted, "the body has a key other than query, operationName and variables; stored documents are not taken")
		}
		if !ok {
			if key == "extensions" {
				return unresolved(ReasonPersisted, "the body has extensions; stored documents are not taken")
			}
			return unresolved(ReasonSyntax, "the body's "+key+" is not of the type GraphQL takes")
		}
		return nil
	})
	if err == nil && strings.TrimSpace(r.query) == "" {
		err = unresolved(ReasonPersisted, "the body has no query; stored documents are not taken")
	}
	return r, err
}

// body writes the request anew.
func (r *graphQLRequest) body() []byte {
	b := ijson.AppendString([]byte(`{"query":`), r.query)
	if r.variables != nil {
		b = ijson.Append(append(b, `,"variables":`...), r.variables)
	}
	if r.operationName != "" {
		b = ijson.AppendString(append(b, `,"operationName":`...), r.operationName)
	}
	return append(b, '}')
}

// graphQLDocument is an operation and the fragments that it needs, in their order.
type graphQLDocument struct {
	operation *ast.OperationDefinition
	fragments []*ast.FragmentDefinition
}

// document parses the query and leaves out of it what would not run.
func (r *graphQLRequest) document() (*graphQLDocument, *Unresolved) {
	plain, unresolvedErr := plainDocument(r.query)
	if unresolvedErr != nil {
		return nil, unresolvedErr
	}
	doc, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: plain}, maxGraphQLTokens)
	if err != nil {
		return nil, graphQLError(err)
	}
	if err := checkDocument(doc); err != nil {
		return nil, err
	}
	selected, unresolvedErr := r.selected(doc)
	if unresolvedErr != nil {
		return nil, unresolvedErr
	}
	needed := spreads{doc: doc, seen: map[string]bool{}}
	if err := needed.collect(selected.SelectionSet); err != nil {
		return nil, err
	}
	d := &graphQLDocument{operation: selected}
	for _, f := range doc.Fragments {
		if needed.seen[f.Name] {
			d.fragments = append(d.fragments, f)
		}
	}
	return d, nil
}

func (d *graphQLDocument) print() (string, *Unresolved) {
	return printDocument(d.operation, d.fragments)
}

// spreads are the fragments that a selection needs, through every other one.
type spreads struct {
	doc  *ast.QueryDocument
	seen map[string]bool
}

func (s *spreads) collect(set ast.SelectionSet) *Unresolved {
	for _, selection := range set {
		var err *Unresolved
		switch selection := selection.(type) {
		case *ast.Field:
			err = s.collect(selection.SelectionSet)
		case *ast.InlineFragment:
			err = s.collect(selection.SelectionSet)
		case *ast.FragmentSpread:
			err = s.collectFragment(selection.Name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *spreads) collectFragment(name string) *Unresolved {
	if s.seen[name] {
		return nil
	}
	s.seen[name] = true
	f := s.doc.Fragments.ForName(name)
	if f == nil {
		return unresolved(ReasonSyntax, "the GraphQL document spreads a fragment that it does not define")
	}
	return s.collect(f.SelectionSet)
}

// operations names what the printed document does: it is read once more, so that what is
// judged is what is sent and not what it was printed from.
func (r *graphQLRequest) operations() ([]Operation, *Unresolved) {
	doc, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: r.query}, 2*maxGraphQLTokens)
	if err != nil || len(doc.Operations) != 1 {
		return nil, unresolved(ReasonSyntax, "the GraphQL document cannot be printed anew")
	}
	selected := doc.Operations[0]
	if selected.Operation == ast.Subscription {
		return nil, unresolved(ReasonSyntax, "GitHub's GraphQL API has no subscriptions")
	}
	roots := rootFields{doc: doc, spread: map[string]bool{}}
	if err := roots.collect(selected.SelectionSet); err != nil {
		return nil, err
	}
	operations := nameFields(string(selected.Operation), roots.names)
	if selected.Operation == ast.Mutation && onlyAddresses(doc) {
		operations[0].Addresses = true
	}
	for _, owner := range [...]string{cloneField, recoveryField} {
		if _, field, _ := strings.Cut(owner, "."); asksFor(doc, field) {
			operations = append(operations, Operation{Name: owner, Access: policy.Read, InstallationToken: true, CredentialAnswer: true})
		}
	}
	return operations, nil
}

// The fields of GitHub's schema that are credentials, wherever in a document they are asked
// for: a token to clone with, and the codes by which an enterprise's single sign-on is passed
// by. No rule can name them: an agent holds no credential.
const (
	cloneField    = "graphql/repository.tempCloneToken"
	recoveryField = "graphql/enterpriseIdentityProvider.recoveryCodes"
)

// asksFor looks everywhere in a document, under every alias; its depth is checked.
func asksFor(doc *ast.QueryDocument, field string) bool {
	var within func(ast.SelectionSet) bool
	within = func(set ast.SelectionSet) bool {
		return slices.ContainsFunc(set, func(s ast.Selection) bool {
			switch s := s.(type) {
			case *ast.Field:
				return s.Name == field || within(s.SelectionSet)
			case *ast.InlineFragment:
				return within(s.SelectionSet)
			}
			return false
		})
	}
	return slices.ContainsFunc(doc.Operations, func(o *ast.OperationDefinition) bool { return within(o.SelectionSet) }) ||
		slices.ContainsFunc(doc.Fragments, func(f *ast.FragmentDefinition) bool { return within(f.SelectionSet) })
}

func graphQLError(err error) *Unresolved {
	if text := err.Error(); strings.Contains(text, "exceeded token limit") || strings.Contains(text, "exceeded maximum nesting") {
		return unresolved(ReasonTooComplex, "the GraphQL document has more tokens or levels than is read to classify a request")
	}
	return unresolved(ReasonSyntax, "the GraphQL document does not parse")
}

// checkDocument refuses a document in which readers may choose different operations or
// fragments.
func checkDocument(doc *ast.QueryDocument) *Unresolved {
	names := map[string]bool{}
	for _, o := range doc.Operations {
		if names[o.Name] || o.Name == "" && len(doc.Operations) > 1 {
			return unresolved(ReasonSeveralOperations, "the GraphQL document has several operations that are not told apart by name")
		}
		names[o.Name] = true
		if depth(o.SelectionSet) > maxGraphQLDepth {
			return unresolved(ReasonTooComplex, "the GraphQL document has more levels than is read to classify a request")
		}
	}
	fragments := map[string]bool{}
	for _, f := range doc.Fragments {
		if fragments[f.Name] {
			return unresolved(ReasonSyntax, "the GraphQL document defines a fragment twice")
		}
		fragments[f.Name] = true
		if depth(f.SelectionSet) > maxGraphQLDepth {
			return unresolved(ReasonTooComplex, "the GraphQL document has more levels than is read to classify a request")
		}
	}
	return nil
}

func depth(set ast.SelectionSet) int {
	deepest := 0
	for _, s := range set {
		switch s := s.(type) {
		case *ast.Field:
			deepest = max(deepest, depth(s.SelectionSet))
		case *ast.InlineFragment:
			deepest = max(deepest, depth(s.SelectionSet))
		}
	}
	return deepest + 1
}

// selected is the operation that would run (GraphQL specification, section 6.1).
func (r *graphQLRequest) selected(doc *ast.QueryDocument) (*ast.OperationDefinition, *Unresolved) {
	if len(doc.Operations) == 0 {
		return nil, unresolved(ReasonSyntax, "the GraphQL document has no operation")
	}
	if r.operationName == "" {
		if len(doc.Operations) > 1 {
			return nil, unresolved(ReasonSeveralOperations, "the GraphQL document has several operations and operationName names none")
		}
		return doc.Operations[0], nil
	}
	for _, o := range doc.Operations {
		if o.Name == r.operationName {
			return o, nil
		}
	}
	return nil, unresolved(ReasonSeveralOperations, "operationName names no operation of the GraphQL document")
}

// rootFields collects what an operation asks of the root, by its real name, whatever the
// alias, through every fragment, and whether or not a directive would skip it.
type rootFields struct {
	doc    *ast.QueryDocument
	spread map[string]bool
	names  []string
}

func (r *rootFields) collect(set ast.SelectionSet) *Unresolved {
	for _, s := range set {
		var err *Unresolved
		switch s := s.(type) {
		case *ast.Field:
			r.names = append(r.names, s.Name)
		case *ast.InlineFragment:
			err = r.collect(s.SelectionSet)
		case *ast.FragmentSpread:
			err = r.collectFragment(s.Name)
		default:
			err = unresolved(ReasonSyntax, "the GraphQL document does not parse")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *rootFields) collectFragment(name string) *Unresolved {
	if r.spread[name] {
		return nil // its fields are collected, or being collected
	}
	r.spread[name] = true
	f := r.doc.Fragments.ForName(name)
	if f == nil {
		return unresolved(ReasonSyntax, "the GraphQL document spreads a fragment that it does not define")
	}
	return r.collect(f.SelectionSet)
}

func nameFields(kind string, fields []string) []Operation {
	slices.Sort(fields)
	fields = slices.Compact(fields)
	operations := make([]Operation, len(fields))
	for i, f := range fields {
		operations[i] = graphQLOperation("graphql/" + kind + "." + f)
	}
	return operations
}

// graphQLOperation is one root field. A mutation that the table does not have yet is taken for
// one that may do anything.
func graphQLOperation(name string) Operation {
	if o, known := operationsTable().graphql[name]; known {
		return o
	}
	o := Operation{Name: name, Access: policy.Read, InstallationToken: true}
	switch field, mutation := strings.CutPrefix(name, "graphql/mutation."); {
	case mutation && field == "__typename":
		o.Access = policy.Write
	case mutation:
		o.Access, o.WritesRefs = policy.Admin, true
	}
	return o
}
