package api_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"

	"sallyport/policy"
	github "sallyport/services/github/api"
)

// documentSeeds are documents that have been read in two ways, and the parts of the
// language.
func documentSeeds(t testing.TB) []string {
	t.Helper()
	nine := strings.Repeat(`"`, 9)
	return []string{
		document(t, `query A { a: viewer { login } ...f } fragment f on Query { node(id: 1) { id } }`, `,"operationName":"A","variables":{}`),
		document(t, `mutation { deleteRef(input: {refId: "x"}) { clientMutationId } }`),
		document(t, `query A { a } mutation B { deleteRef }`, `,"operationName":"B"`),
		document(t, `mutation { ... on Mutation { ...f } } fragment f on Mutation { x: deleteRef @skip(if: true) { y } }`),
		document(t, `query Q($a: [Int!]! = [1] @d, $b: I = {x: null, y: [E, true]}) @d { a(b: -1.5e3, c: $a, d: {}) }`, `,"variables":{"a":[1.10,{"b":"\ud83d\ude00"}]}`),
		document(t, "{ a #\r b\n }"), document(t, "{ a #\u2028\n b }"), document(t, "{ a #\u0085 b\n }"), document(t, "\ufeff{ a }\r\n"),
		document(t, `{ a(b: `+nine+`) b(c: `+nine+`) }`), document(t, `{ a(b: """x\\""" #""") }`), document(t, `{ a(b: ["x""y" "" """"""]) }`),
		document(t, "{ a(b: \"\"\"  x\n   \ty\r\n\r\n \\\"\"\" \\\\u0041\"\"\") }"), document(t, `{ a(b: "\\u0041\ud83d\ude00\u{1F600}\ud800\"") }`),
		document(t, `"""d""" query Q("""e""" $x: Int) { a }`), document(t, `{ ... "on" T { a } }`), document(t, `{ a(b: 0xF1) c(d: 1.2.3) }`),
		`[{"query":"{a}"}]`, `{"query":"\u007b\u0061\u007d","\u0071uery":"{b}"}`, "\ufeff" + `{"query":"{a}"}`, `{"query":"{a}","query":"{b}"}`,
		`{"query":"{a}","extensions":{"persistedQuery":{}}}`, `{"query":"` + strings.Repeat("{a", 200) + strings.Repeat("}", 200) + `"}`,
	}
}

// What is sent says what was parsed, is spelled in one way only, and has one kind of
// operation; no input makes it panic or run long.
func FuzzReadGraphQL(f *testing.F) {
	for _, seed := range documentSeeds(f) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		operations, sent, err := github.ParseGraphQL(jsonType, []byte(body))
		if err != nil {
			reasonOf(t, err)
			assert.Nil(t, sent)
			return
		}
		require.NotEmpty(t, operations)
		kind, _, _ := strings.Cut(operations[0].Name, ".")
		for _, o := range operations {
			if o.Name != "graphql/repository.tempCloneToken" && o.Name != "graphql/enterpriseIdentityProvider.recoveryCodes" {
				assert.True(t, strings.HasPrefix(o.Name, kind+"."), o.Name)
				assert.Equal(t, kind == "graphql/mutation", o.Access >= policy.Write, "%s", o.Name) // what administers is more
			}
		}

		again, sentAgain, err := github.ParseGraphQL(jsonType, sent)
		require.NoError(t, err, "%s", sent)
		assert.Equal(t, operations, again)
		assert.Equal(t, string(sent), string(sentAgain))

		var request map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(sent, &request))
		for key := range request {
			assert.Contains(t, []string{"query", "variables", "operationName"}, key)
		}
		var query string
		require.NoError(t, json.Unmarshal(request["query"], &query))
		operation, fragments, err := github.ParsedGraphQL([]byte(body))
		require.NoError(t, err)
		doc, err := parser.ParseQuery(&ast.Source{Input: query})
		require.NoError(t, err, query)
		require.Len(t, doc.Operations, 1)
		assert.Equal(t, shape(operation, fragments), shape(doc.Operations[0], doc.Fragments), query)
	})
}

// shape is what a document says, without where and how it says it.
func shape(o *ast.OperationDefinition, fragments []*ast.FragmentDefinition) []any {
	all := []any{o.Operation, o.Name, directives(o.Directives), selections(o.SelectionSet)}
	for _, v := range o.VariableDefinitions {
		all = append(all, v.Variable, v.Type.Dump(), value(v.DefaultValue), directives(v.Directives))
	}
	for _, f := range fragments {
		all = append(all, f.Name, f.TypeCondition, directives(f.Directives), selections(f.SelectionSet))
	}
	return all
}

func selections(set ast.SelectionSet) (all []any) {
	for _, s := range set {
		switch s := s.(type) {
		case *ast.Field:
			all = append(all, []any{"field", s.Alias, s.Name, arguments(s.Arguments), directives(s.Directives), selections(s.SelectionSet)})
		case *ast.FragmentSpread:
			all = append(all, []any{"spread", s.Name, directives(s.Directives)})
		case *ast.InlineFragment:
			all = append(all, []any{"inline", s.TypeCondition, directives(s.Directives), selections(s.SelectionSet)})
		}
	}
	return all
}

func arguments(list ast.ArgumentList) (all []any) {
	for _, a := range list {
		all = append(all, a.Name, value(a.Value))
	}
	return all
}

func directives(list ast.DirectiveList) (all []any) {
	for _, d := range list {
		all = append(all, d.Name, arguments(d.Arguments))
	}
	return all
}

func value(v *ast.Value) any {
	if v == nil {
		return nil
	}
	all := []any{v.Kind, v.Raw}
	for _, child := range v.Children {
		all = append(all, child.Name, value(child.Value))
	}
	return all
}
