package proxy_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
	"sallyport/audit/trail"
)

// listed are all calls of the newest exchange: those of its row, and those of the events
// beside it.
func listed(t *testing.T, r *rig, key, member string) (x audit.Exchange, all []any) {
	t.Helper()
	x = r.rows()[0]
	all = append(all, x.Details[key].([]any)...)
	reader, err := trail.OpenReader(r.trailPath)
	require.NoError(t, err)
	defer func() { require.NoError(t, reader.Close()) }()
	_, events, err := reader.Show(t.Context(), x.ID)
	require.NoError(t, err)
	for _, e := range events {
		if e.Type != "request.calls" {
			continue
		}
		for _, call := range e.Payload["calls"].([]any) {
			all = append(all, call.(map[string]any)[member])
		}
	}
	return x, all
}

// TestEveryOperationIsOnRecord: the names of GraphQL's fields are as many and as long as
// the agent wants.
func TestEveryOperationIsOnRecord(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.upstream(func(_ http.ResponseWriter, req *http.Request) { _, _ = io.Copy(io.Discard, req.Body) }, true, "api.github.com")
	r.configure("policy: operator\nrules:\n  - {name: all, allow: {github: {operations: [\"graphql/*\"]}}, credential: hub}\n")
	client := r.client(r.agent("a"), true)
	var document strings.Builder
	var want []any
	for i := range 400 {
		name := fmt.Sprintf("f%03d%s", i, strings.Repeat("x", 200*(i%2)))
		document.WriteString(name + " ")
		want = append(want, "github:graphql/mutation."+name)
	}
	document.WriteString("updateIssue")
	want = append(want, "github:graphql/mutation.updateIssue")
	send := func() int {
		request, err := http.NewRequest(http.MethodPost, "https://api.github.com/graphql", strings.NewReader(`{"query":"mutation{`+document.String()+`}"}`))
		require.NoError(t, err)
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Authorization", "token placeholder")
		response, err := client.Do(request)
		require.NoError(t, err)
		_ = body(t, response)
		return response.StatusCode
	}
	require.Equal(t, http.StatusOK, send())
	row, all := listed(t, r, "operations", "operation")
	assert.ElementsMatch(t, want, all)
	assert.Equal(t, int64(401), row.Details["calls_total"])
	assert.NotContains(t, row.Details, "truncated")

	r.configure("policy: operator\nrules:\n  - {name: all, allow: {github: {operations: [\"graphql/*\"]}}, credential: hub}\n" +
		"  - {name: not-this, deny: {github: {operations: [graphql/mutation.updateIssue]}}}\n")
	require.Equal(t, http.StatusForbidden, send())
	row, all = listed(t, r, "operations", "operation")
	assert.Equal(t, "github:graphql/mutation.updateIssue", all[0], "what was refused comes first")
	assert.Equal(t, int64(401), row.Details["calls_total"])
}

func TestEveryDeletedKeyIsOnRecord(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.upstream(func(_ http.ResponseWriter, req *http.Request) { _, _ = io.Copy(io.Discard, req.Body) }, true, "acme.s3.eu-west-1.amazonaws.com")
	r.configure(awsPolicy)
	client := r.client(r.agent("a"), true)
	var keys strings.Builder
	var want []any
	for i := range 1000 {
		key := fmt.Sprintf("k%d/%s", i, strings.Repeat("y", 500*(i%3)))
		keys.WriteString("<Object><Key>" + key + "</Key></Object>")
		want = append(want, "arn:aws:s3:::acme/"+key)
	}
	response, err := client.Do(signedFor(t, "s3", "eu-west-1", "POST", "https://acme.s3.eu-west-1.amazonaws.com/?delete", "<Delete>"+keys.String()+"</Delete>"))
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, response.StatusCode, body(t, response))
	row, all := listed(t, r, "resources", "resource")
	assert.Equal(t, "aws:s3/DeleteObjects", row.Operation)
	assert.Equal(t, "eu-west-1", row.Details["region"])
	require.Len(t, all, int(row.Details["calls_total"].(int64)))
	assert.Subset(t, all, want)
}
