package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/policy"
	github "sallyport/services/github/api"
)

const jsonType = "application/json"

func document(t testing.TB, query string, rest ...string) string {
	t.Helper()
	var q strings.Builder
	e := json.NewEncoder(&q)
	e.SetEscapeHTML(false)
	require.NoError(t, e.Encode(query))
	return `{"query":` + strings.TrimSpace(q.String()) + strings.Join(rest, "") + `}`
}

func TestReadGraphQL(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body   string
		names  []string
		access policy.Access
		sent   string
	}{
		"shorthand": {document(t, `{ viewer { login } }`), []string{"graphql/query.viewer"}, policy.Read, document(t, `query{viewer{login}}`)},
		"named, with variables": {
			document(t, `query Q($o: String!) { repository(owner: $o, name: "web") { id } }`, `, "variables": { "o" : "\u0061cme" }, "operationName" : "Q" `),
			[]string{"graphql/query.repository"},
			policy.Read,
			document(t, `query Q($o:String!){repository(owner:$o name:"web"){id}}`, `,"variables":{"o":"acme"},"operationName":"Q"`),
		},
		"alias": {
			document(t, `{ viewer: node(id: "x") { id } login: viewer { login } }`),
			[]string{"graphql/query.node", "graphql/query.viewer"},
			policy.Read,
			document(t, `query{viewer:node(id:"x"){id} login:viewer{login}}`),
		},
		"fragments": {
			document(t, `mutation { ...a ... on Mutation { deleteRef(input: {refId: "x"}) { clientMutationId } } ... { addStar(input: {starrableId: "y"}) { clientMutationId } } }
				fragment a on Mutation { ...b } fragment b on Mutation { createIssue(input: {}) { issue { id } } ...a } fragment c on Mutation { deleteIssue }`),
			[]string{"graphql/mutation.addStar", "graphql/mutation.createIssue", "graphql/mutation.deleteRef"},
			policy.Write,
			document(t, `mutation{...a ... on Mutation{deleteRef(input:{refId:"x"}){clientMutationId}} ...{addStar(input:{starrableId:"y"}){clientMutationId}}}`+
				` fragment a on Mutation{...b} fragment b on Mutation{createIssue(input:{}){issue{id}} ...a}`),
		},
		"skipped by a directive": {
			document(t, `mutation { deleteRef(input: {}) @skip(if: true) { clientMutationId } }`),
			[]string{"graphql/mutation.deleteRef"},
			policy.Write,
			document(t, `mutation{deleteRef(input:{}) @skip(if:true){clientMutationId}}`),
		},
		"the named of two": {
			document(t, `query A { viewer { login } } mutation B { deleteRef(input: {}) { clientMutationId } }`, `,"operationName":"A"`),
			[]string{"graphql/query.viewer"},
			policy.Read,
			document(t, `query A{viewer{login}}`, `,"operationName":"A"`),
		},
		"the other of two": {
			document(t, `query A { viewer { login } } mutation B { deleteRef(input: {}) { clientMutationId } }`, `,"operationName":"B","variables":null`),
			[]string{"graphql/mutation.deleteRef"},
			policy.Write,
			document(t, `mutation B{deleteRef(input:{}){clientMutationId}}`, `,"operationName":"B"`),
		},
		"mutation in a comment and a string": {
			document(t, "# mutation { deleteRef }\n{ repository(owner: \"} mutation { deleteRef\", name: \"\"\"}\"\"\") { id } }"),
			[]string{"graphql/query.repository"},
			policy.Read,
			document(t, `query{repository(owner:"} mutation { deleteRef" name:"}"){id}}`),
		},
		"introspection":    {document(t, `{ __schema { types { name } } }`), []string{"graphql/query.__schema"}, policy.Read, document(t, `query{__schema{types{name}}}`)},
		"empty extensions": {document(t, `{ viewer { login } }`, `,"extensions": { },"operationName":null`), []string{"graphql/query.viewer"}, policy.Read, document(t, `query{viewer{login}}`)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := http.Header{"Content-Type": {"application/json; charset=utf-8"}}
			operations, body, err := github.ReadGraphQL(h, strings.NewReader(c.body))
			require.NoError(t, err)
			assert.Equal(t, c.sent, string(body))
			var names []string
			for _, o := range operations {
				names = append(names, o.Name)
				assert.Equal(t, c.access, o.Access)
				assert.Empty(t, o.Resource(), "node ids hide the repository")
			}
			assert.Equal(t, c.names, names)
		})
	}
}

func TestReadGraphQLRefuses(t *testing.T) {
	t.Parallel()
	viewer := `{ viewer { login } }`
	for name, c := range map[string]struct {
		media, body string
		reason      github.Reason
	}{
		"batch":                     {jsonType, `[` + document(t, viewer) + `]`, github.ReasonBatch},
		"two anonymous":             {jsonType, document(t, viewer+` mutation { deleteRef(input: {}) { clientMutationId } }`), github.ReasonSeveralOperations},
		"anonymous beside named":    {jsonType, document(t, `query A `+viewer+` { viewer { id } }`, `,"operationName":"A"`), github.ReasonSeveralOperations},
		"same name twice":           {jsonType, document(t, `query A `+viewer+` mutation A { x }`, `,"operationName":"A"`), github.ReasonSeveralOperations},
		"two named, none chosen":    {jsonType, document(t, `query A `+viewer+` mutation B { x }`), github.ReasonSeveralOperations},
		"unknown operationName":     {jsonType, document(t, `query A `+viewer, `,"operationName":"B"`), github.ReasonSeveralOperations},
		"persisted by hash":         {jsonType, `{"extensions":{"persistedQuery":{"version":1,"sha256Hash":"ab"}}}`, github.ReasonPersisted},
		"persisted beside a query":  {jsonType, document(t, viewer, `,"extensions":{"persistedQuery":{}}`), github.ReasonPersisted},
		"persisted by id":           {jsonType, document(t, viewer, `,"documentId":"1"`), github.ReasonPersisted},
		"no query":                  {jsonType, `{"variables":{}}`, github.ReasonPersisted},
		"query is null":             {jsonType, `{"query":null}`, github.ReasonPersisted},
		"key in other case":         {jsonType, document(t, viewer, `,"Query":"mutation { x }"`), github.ReasonPersisted},
		"query twice":               {jsonType, document(t, viewer, `,"query":"mutation { x }"`), github.ReasonSyntax},
		"query twice, escaped":      {jsonType, document(t, viewer, `,"qu\u0065ry":"mutation { x }"`), github.ReasonSyntax},
		"data after the object":     {jsonType, document(t, viewer) + document(t, `mutation { x }`), github.ReasonSyntax},
		"query is a list":           {jsonType, `{"query":["{viewer{login}}"]}`, github.ReasonSyntax},
		"variables are a list":      {jsonType, document(t, viewer, `,"variables":[]`), github.ReasonSyntax},
		"lone surrogate":            {jsonType, `{"query":"{ viewer { login } } #\ud800"}`, github.ReasonSyntax},
		"control character":         {jsonType, `{"query":"{ viewer { login } } #\u0000"}`, github.ReasonSyntax},
		"not UTF-8":                 {jsonType, "{\"query\":\"{ viewer { login } } #\xff\"}", github.ReasonSyntax},
		"byte order mark":           {jsonType, "\ufeff" + document(t, viewer), github.ReasonSyntax},
		"not JSON":                  {jsonType, `query=mutation`, github.ReasonSyntax},
		"a string":                  {jsonType, `"mutation { x }"`, github.ReasonSyntax},
		"nothing":                   {jsonType, ``, github.ReasonSyntax},
		"does not parse":            {jsonType, document(t, `{ viewer { login }`), github.ReasonSyntax},
		"type definition":           {jsonType, document(t, viewer+` type X { y: Int }`), github.ReasonSyntax},
		"only a fragment":           {jsonType, document(t, `fragment a on Query { viewer { login } }`), github.ReasonSyntax},
		"unknown fragment":          {jsonType, document(t, `{ ...a }`), github.ReasonSyntax},
		"fragment twice":            {jsonType, document(t, `{ ...a } fragment a on Query { viewer { id } } fragment a on Query { x }`), github.ReasonSyntax},
		"subscription":              {jsonType, document(t, `subscription { x }`), github.ReasonSyntax},
		"too deep":                  {jsonType, document(t, strings.Repeat("{a", 200)+strings.Repeat("}", 200)), github.ReasonTooComplex},
		"far too deep":              {jsonType, document(t, strings.Repeat("{a", 9000)), github.ReasonTooComplex},
		"deep values":               {jsonType, document(t, `{ a(b: `+strings.Repeat("[", 5000)+`) }`), github.ReasonTooComplex},
		"too many tokens":           {jsonType, document(t, `{`+strings.Repeat("a ", 30_000)+`}`), github.ReasonTooComplex},
		"too many comments":         {jsonType, document(t, strings.Repeat("#\n", 100_000)+viewer), github.ReasonTooComplex},
		"too large":                 {jsonType, document(t, viewer+strings.Repeat(" ", github.MaxGraphQLBody)), github.ReasonTooLarge},
		"document as such":          {"application/graphql", `mutation { x }`, github.ReasonEncoding},
		"text":                      {"text/plain", document(t, viewer), github.ReasonEncoding},
		"multipart":                 {"multipart/form-data; boundary=x", document(t, viewer), github.ReasonEncoding},
		"no content type":           {"", document(t, viewer), github.ReasonEncoding},
		"other charset":             {"application/json; charset=utf-16", document(t, viewer), github.ReasonEncoding},
		"form hidden in JSON":       {"application/x-www-form-urlencoded", document(t, viewer+" #&query=mutation+{x}&"), github.ReasonEncoding},
		"form hidden by semicolons": {"application/x-www-form-urlencoded", document(t, viewer+" #;query=mutation+{x};"), github.ReasonEncoding},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := http.Header{}
			if c.media != "" {
				h.Set("Content-Type", c.media)
			}
			operations, _, err := github.ReadGraphQL(h, strings.NewReader(c.body))
			assert.Equal(t, c.reason, reasonOf(t, err))
			assert.Empty(t, operations)
		})
	}
}

// curl -d says form unless told otherwise, and GitHub's own examples use it so.
func TestReadGraphQLFromCurl(t *testing.T) {
	t.Parallel()
	h := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	operations, _, err := github.ReadGraphQL(h, strings.NewReader(document(t, `query { viewer { login } }`)))
	require.NoError(t, err)
	assert.Equal(t, "graphql/query.viewer", operations[0].Name)
}

func TestReadGraphQLHeaders(t *testing.T) {
	t.Parallel()
	body := document(t, `{ viewer { login } }`)
	for _, h := range []http.Header{
		{"Content-Type": {jsonType}, "Content-Encoding": {"gzip"}},
		{"Content-Type": {jsonType}, "Content-Encoding": {"identity", "gzip"}},
		{"Content-Type": {jsonType, "text/plain"}},
	} {
		_, _, err := github.ReadGraphQL(h, strings.NewReader(body))
		assert.Equal(t, github.ReasonEncoding, reasonOf(t, err))
	}
}

// Fragments that spread each other many times over take linear time.
func TestReadGraphQLFragmentBomb(t *testing.T) {
	t.Parallel()
	var q strings.Builder
	q.WriteString("{ ...f0 ...f0 }")
	for i := range 500 {
		fmt.Fprintf(&q, " fragment f%d on Query { a%d ...f%d ...f%d ...f%d }", i, i, i+1, i+1, (i+7)%500)
	}
	q.WriteString(" fragment f500 on Query { last }")
	operations, _, err := github.ParseGraphQL(jsonType, []byte(document(t, q.String())))
	require.NoError(t, err)
	assert.Len(t, operations, 501)
}

func TestGraphQLCredentials(t *testing.T) {
	t.Parallel()
	operations, _, err := github.ParseGraphQL(jsonType, []byte(document(t,
		`mutation { createIssue(input: {}) { clientMutationId } regenerateVerifiableDomainToken(input: {}) { verificationToken } }`)))
	require.NoError(t, err)
	assert.False(t, operations[0].CredentialAnswer)
	assert.True(t, operations[1].CredentialAnswer)
}
