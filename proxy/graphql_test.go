package proxy_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/services/github"
)

// documents is an upstream that keeps the bodies it gets.
type documents struct {
	mu   sync.Mutex
	all  []string
	last *http.Request
}

func (d *documents) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.all, d.last = append(d.all, string(body)), r
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
	}
}

func (d *documents) take() (bodies []string, last *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	bodies, last = d.all, d.last
	d.all, d.last = nil, nil
	return bodies, last
}

const viewerPolicy = `
policy: operator
rules:
  - name: viewer
    allow: {github: {operations: [graphql/query.viewer, graphql/mutation.addComment]}}
    credential: hub
    record: {headers: [content-type, content-length, content-encoding]}
`

// What GitHub gets is what was judged, printed anew, whatever else the agent's body could
// have meant, and however it was framed.
func TestGraphQLLeavesAsItWasJudged(t *testing.T) {
	pairs(t, func(t *testing.T, agentSide, upstreamSide bool) {
		r := newRig(t)
		var upstream documents
		r.upstream(upstream.serve, upstreamSide, "api.github.com")
		r.configure(viewerPolicy)
		client := r.client(r.agent("a"), agentSide)
		document := "query A { viewer { login } } # other\n mutation B { mergePullRequest { clientMutationId } }"
		text, err := json.Marshal(map[string]any{"query": document, "operationName": "A", "variables": map[string]any{"n": 1}, "extensions": nil})
		require.NoError(t, err)
		const sent = `{"query":"query A{viewer{login}}","variables":{"n":1},"operationName":"A"}`
		for _, length := range []int64{int64(len(text)), -1} {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://api.github.com/graphql", io.NopCloser(strings.NewReader(string(text))))
			require.NoError(t, err)
			request.ContentLength = length
			request.Header = http.Header{
				"Content-Type": {"application/json; charset=UTF-8"}, "Content-Encoding": {"identity"}, "Content-Md5": {"x"}, "Digest": {"x"}, "Content-Digest": {"x"},
				"Repr-Digest": {"x"}, "Signature": {"x"}, "Signature-Input": {"x"}, "Expect": {"100-continue"}, "Content_md5": {"x"}, "X-Mine": {"kept"},
			}
			if length < 0 {
				request.Trailer = http.Header{"X-Sum": {"x"}, "Content-Digest": {"x"}}
			}
			response, err := client.Do(request)
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, response.StatusCode, body(t, response))
			_ = body(t, response)

			bodies, last := upstream.take()
			assert.Equal(t, []string{sent}, bodies)
			assert.Equal(t, int64(len(sent)), last.ContentLength)
			assert.Empty(t, last.TransferEncoding)
			assert.Empty(t, last.Trailer)
			assert.Equal(t, []string{"application/json"}, last.Header["Content-Type"])
			assert.Equal(t, []string{"kept"}, last.Header["X-Mine"])
			for _, name := range []string{"Content-Encoding", "Content-Md5", "Content_md5", "Digest", "Content-Digest", "Repr-Digest", "Signature", "Signature-Input", "Expect"} {
				assert.Empty(t, last.Header[name], name)
			}
			row := r.rows()[0]
			assert.Equal(t, "github:graphql/query.viewer", row.Operation)
			assert.EqualValues(t, len(sent), row.Outcome.BytesSent)
			recorded := map[string]any{"Content-Type": []any{"application/json"}, "Content-Length": []any{fmt.Sprint(len(sent))}}
			assert.Equal(t, recorded, details(t, row)["request_headers"])
		}
	})
}

// Each of these was addComment to one reader and mergePullRequest to another.
func TestGraphQLWithTwoReadingsDoesNotLeave(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var upstream documents
	r.upstream(upstream.serve, true, "api.github.com")
	r.configure(viewerPolicy)
	client := r.client(r.agent("a"), true)
	nine := strings.Repeat(`"`, 9)
	for name, document := range map[string]string{
		"comment ended by CR":         "mutation { addComment(input: {}) { clientMutationId } #\r}\n#\rmergePullRequest(input: {}) { clientMutationId } }",
		"nine quotes":                 `mutation { addComment(input: {body: ` + nine + `}) { clientMutationId } #` + nine + `}) { clientMutationId } mergePullRequest(input: {}) { clientMutationId } }`,
		"half a pair":                 `mutation { addComment(input: {body: "\ud83d"}) { clientMutationId } }`,
		"argument twice":              `mutation { addComment(input: {}, input: {body: "x"}) { clientMutationId } }`,
		"escaped backslash in quotes": `mutation { addComment(input: {body: """\\""" }) { clientMutationId } mergePullRequest(input: {body: """}) { clientMutationId } }`,
	} {
		text, err := json.Marshal(map[string]string{"query": document})
		require.NoError(t, err)
		response, err := client.Post("https://api.github.com/graphql", "application/json", strings.NewReader(string(text)))
		require.NoError(t, err)
		assert.Equal(t, http.StatusForbidden, response.StatusCode, name)
		_ = body(t, response)
		assert.Empty(t, r.rows()[0].Operation, name)
	}
	bodies, _ := upstream.take()
	assert.Empty(t, bodies)
}

// The connection goes on to be used behind a body that was replaced.
func TestGraphQLOverOneConnection(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var upstream documents
	r.upstream(upstream.serve, false, "api.github.com")
	r.configure(viewerPolicy)
	conn := r.connect(r.agent("a"), "api.github.com:443", "api.github.com")
	reader := bufio.NewReader(conn)
	const text = `{"query":"{viewer{login # more\n}}"}`
	for _, coding := range []string{"Content-Length: %[1]d\r\n\r\n%[2]s", "Transfer-Encoding: chunked\r\n\r\n%[1]x\r\n%[2]s\r\n0\r\nX-Sum: 1\r\n\r\n", "Content-Length: %[1]d\r\nExpect: 100-continue\r\n\r\n%[2]s"} {
		const head = "POST /graphql HTTP/1.1\r\nHost: api.github.com\r\nContent-Type: application/x-www-form-urlencoded\r\n"
		_, err := fmt.Fprintf(conn, head+coding, len(text), text)
		require.NoError(t, err)
		response, err := http.ReadResponse(reader, nil)
		require.NoError(t, err)
		if response.StatusCode == http.StatusContinue {
			response, err = http.ReadResponse(reader, nil)
			require.NoError(t, err)
		}
		require.Equal(t, http.StatusOK, response.StatusCode, body(t, response))
		_ = body(t, response)
		bodies, last := upstream.take()
		assert.Equal(t, []string{`{"query":"query{viewer{login}}"}`}, bodies)
		assert.Equal(t, []string{"application/json"}, last.Header["Content-Type"])
	}
}

// A question about a document is answered as a request that holds it would be.
func TestQuestionsAboutDocuments(t *testing.T) {
	t.Parallel()
	ask := github.New().Language(nil).Question
	for document, want := range map[string]string{
		"# mutation { deleteRef }\n{ viewer { login } }":                "graphql/query.viewer",
		"\ufeffmutation { addComment(input: {}) { clientMutationId } }": "graphql/mutation.addComment",
		"{ viewer { login } #\r}":                                       "",
	} {
		q, ours, err := ask(document, nil)
		require.NoError(t, err)
		assert.True(t, ours, document)
		if want == "" {
			assert.Contains(t, q.Meaning.Unclassified, "carriage return")
			continue
		}
		require.Len(t, q.Meaning.Calls, 1)
		assert.Equal(t, want, q.Meaning.Calls[0].Operation)
	}
}
