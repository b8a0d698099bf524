package github

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
)

// Limits of a GraphQL request. GitHub itself stops at 500,000 nodes of answer; no client
// tried came near a tenth of these.
const (
	MaxGraphQLBody   = 1 << 20
	maxGraphQLTokens = 20_000
	maxGraphQLDepth  = 100
)

// ReadGraphQL reads the body of a request whose operation has a GraphQLBody, and names
// each root field that it would run: "graphql/query.repository",
// "graphql/mutation.createIssue". All of them have to be allowed. The body is returned
// whole, for it has been consumed. The error is always an [*Unresolved].
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
	operations, err := parseGraphQL(contentType(header), data)
	if err != nil {
		return nil, data, err
	}
	return operations, data, nil
}

func parseGraphQL(media string, body []byte) ([]Operation, *Unresolved) {
	switch media {
	case "application/json":
	case "application/x-www-form-urlencoded":
		// What curl -d sends unless told otherwise; GitHub reads it as JSON. Without a
		// separator a form reader finds a single key in it, which starts with "{" and so
		// is not "query".
		if bytes.ContainsAny(body, "&;") {
			return nil, unresolved(ReasonEncoding, "the body can be read as a form; send Content-Type: application/json")
		}
	default:
		return nil, unresolved(ReasonEncoding, "a GraphQL request is taken as application/json only")
	}
	r, err := readGraphQLRequest(body)
	if err != nil {
		return nil, err
	}
	return r.operations()
}

// graphQLRequest is the JSON object that GraphQL over HTTP takes.
type graphQLRequest struct {
	query, operationName string
}

func readGraphQLRequest(body []byte) (graphQLRequest, *Unresolved) {
	var r graphQLRequest
	err := jsonObject(body, func(key string, value json.RawMessage) *Unresolved {
		var ok bool
		switch key {
		case "query":
			r.query, ok = jsonString(value)
		case "operationName":
			r.operationName, ok = jsonString(value)
		case "variables":
			ok = value[0] == '{' || string(value) == "null"
		case "extensions":
			// Where clients put the hash of a stored document.
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

func (r graphQLRequest) operations() ([]Operation, *Unresolved) {
	if i := strings.IndexFunc(r.query, func(c rune) bool { return c < ' ' && c != '\t' && c != '\n' && c != '\r' }); i >= 0 {
		return nil, unresolved(ReasonSyntax, "the GraphQL document holds a control character")
	}
	doc, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: r.query}, maxGraphQLTokens)
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
	if selected.Operation == ast.Subscription {
		return nil, unresolved(ReasonSyntax, "GitHub's GraphQL API has no subscriptions")
	}
	roots := rootFields{doc: doc, spread: map[string]bool{}}
	if err := roots.collect(selected.SelectionSet); err != nil {
		return nil, err
	}
	operations := nameFields(string(selected.Operation), roots.names)
	if asksForToken(doc) {
		operations = append(operations, Operation{Name: cloneField, Access: Read, InstallationToken: true, CredentialAnswer: true})
	}
	return operations, nil
}

// cloneField stands for a document that asks for a token to clone with. No rule can
// name it: an agent holds no token.
const cloneField = "graphql/repository.tempCloneToken"

// asksForToken looks everywhere in a document, under every alias; its depth is checked.
func asksForToken(doc *ast.QueryDocument) bool {
	var within func(ast.SelectionSet) bool
	within = func(set ast.SelectionSet) bool {
		return slices.ContainsFunc(set, func(s ast.Selection) bool {
			switch s := s.(type) {
			case *ast.Field:
				return s.Name == "tempCloneToken" || within(s.SelectionSet)
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

// checkDocument refuses what would make the choice of an operation or a fragment a
// matter of taste.
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
func (r graphQLRequest) selected(doc *ast.QueryDocument) (*ast.OperationDefinition, *Unresolved) {
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
	access := Read
	if kind == string(ast.Mutation) {
		access = Write
	}
	graphql := operationsTable().graphql
	operations := make([]Operation, len(fields))
	for i, f := range fields {
		name := "graphql/" + kind + "." + f
		operations[i] = Operation{Name: name, Access: access, InstallationToken: true, CredentialAnswer: graphql[name]}
	}
	return operations
}
