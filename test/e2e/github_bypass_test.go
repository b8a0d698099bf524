package e2e_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/test/rig"
)

// attempt is one request as it goes into the tunnel to a host, byte for byte. MARK in
// it becomes a word by which it is known where it arrives.
type attempt struct{ name, host, request string }

const (
	gitHubAPI     = "api.github.com"
	gitHubWeb     = "github.com"
	gitHubUploads = "uploads.github.com"
)

// ask writes a request; its body has the length that it says.
func ask(method, target, host, body string, header ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: MARK\r\n", method, target, host)
	for _, line := range header {
		b.WriteString(line + "\r\n")
	}
	if body != "" || method != "GET" {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	return b.String() + "\r\n" + body
}

// chunked writes a request whose body comes in pieces.
func chunked(method, target, host string, header []string, parts ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: MARK\r\nTransfer-Encoding: chunked\r\n", method, target, host)
	for _, line := range header {
		b.WriteString(line + "\r\n")
	}
	b.WriteString("\r\n")
	for _, part := range parts {
		fmt.Fprintf(&b, "%x\r\n%s\r\n", len(part), part)
	}
	return b.String() + "0\r\n\r\n"
}

// pathAttempts want a repository gone, or one that is secret read.
func pathAttempts() []attempt {
	var all []attempt
	for _, line := range []string{
		// case
		"DELETE /REPOS/acme/api", "DELETE /repos/ACME/API", "delete /repos/acme/api", "Delete /repos/acme/api", "GET /Repos/Acme/Secret/contents/README.md",
		// encoded slashes
		"DELETE /repos/acme%2Fapi", "DELETE /repos%2Facme%2Fapi", "DELETE /repos/acme%2fapi", "GET /repos/acme/web%2F..%2Fsecret/contents/README.md",
		"GET /repos/acme/web/contents/..%2F..%2F..%2Fsecret%2Fcontents%2FREADME.md", "GET /repos/acme/web/contents/%2e%2e/%2e%2e/secret/contents/README.md",
		// dot segments
		"GET /repos/acme/web/../secret/contents/README.md", "GET /repos/acme/./secret/contents/README.md", "GET /repos/acme/web/contents/../../secret/contents/README.md",
		"GET /repos/acme/web/%2e%2e/secret/contents/README.md", "GET /repos/acme/web/.%2e/secret/contents/README.md", "GET /repos/acme/web/..;/secret/contents/README.md",
		"GET /repos/acme/web/%252e%252e/secret/contents/README.md", "GET /repos/acme/web/%c0%ae%c0%ae/secret/contents/README.md",
		// slashes
		"DELETE /repos/acme/api/", "DELETE //repos/acme/api", "DELETE /repos//acme/api", "DELETE /repos/acme/api//", `GET /repos/acme/web\..\secret/contents/README.md`,
		"GET /repos/acme/web/..%5Csecret/contents/README.md", "DELETE /repos/acme%EF%BC%8Fapi",
		// names
		"DELETE /repos/acme/api.git", "DELETE /repos/acme/api.GIT", "DELETE /repos/acme/api;x=1", "DELETE /repos/acme/api%20", "DELETE /repos/acme/api%00", "DELETE /repos/acme/%61pi",
		"GET /repos/acme/secr%D0%B5t/contents/README.md", "DELETE /repos/acme/api#", "GET /repos/acme/secret.git/contents/README.md", "DELETE /r%65pos/acme/api",
		// the numeric alias
		"DELETE /repositories/1296001", "GET /repositories/1296002/contents/README.md", "GET /Repositories/1296002/contents/README.md", "GET /repositories/1296002",
		"GET /repositories/%31296002/contents/README.md", "GET /repositories/01296002/contents/README.md",
		// renamed methods
		"POST /repos/acme/api?_method=DELETE", "GET /repos/acme/api?_method=delete", "GET /repos/acme/api?a=b&_method=DELETE", "GET /repos/acme/api?%5Fmethod=DELETE", "GET /repos/acme/api?a;_method=DELETE",
		"GET /repos/acme/api?_METHOD=DELETE",
		// another product's paths
		"DELETE /api/v3/repos/acme/api", "GET /api/v3/repos/acme/secret/contents/README.md", "POST /api/graphql", "GET /raw/acme/secret/main/README.md",
		// other ways to write a ref that may not be pushed
		"PATCH /repos/acme/web/git/refs/heads/main", "POST /repos/acme/web/git/refs", "PUT /repos/acme/web/contents/README.md", "POST /repos/acme/web/merges",
		"PUT /repos/acme/web/pulls/1/merge", "PUT /repos/acme/web/pulls/1/update-branch", "POST /repos/acme/web/branches/main/rename", "POST /repos/acme/web/merge-upstream",
		// not in any description
		"GET /repos/acme/secret/contents/README.md/", "PROPFIND /repos/acme/secret", "TRACE /repos/acme/secret", "GET /repos/acme/secret/..",
	} {
		method, target, _ := strings.Cut(line, " ")
		all = append(all, attempt{line, gitHubAPI, ask(method, target, gitHubAPI, "")})
	}
	return all
}

// hostAttempts go to one of GitHub's hosts with what belongs to another.
func hostAttempts() []attempt {
	override := func(header string) attempt {
		return attempt{header, gitHubAPI, ask("GET", "/repos/acme/api", gitHubAPI, "", header)}
	}
	return []attempt{
		override("X-HTTP-Method-Override: DELETE"), override("X-HTTP-Method: DELETE"), override("X-Method-Override: DELETE"), override("x-http-method-override: delete"),
		override("X_HTTP_METHOD_OVERRIDE: DELETE"), override("X-Http_Method-Override: DELETE"),
		{"API on the uploads host", gitHubUploads, ask("DELETE", "/repos/acme/api", gitHubUploads, "")},
		{"contents on the uploads host", gitHubUploads, ask("GET", "/repos/acme/secret/contents/README.md", gitHubUploads, "")},
		{"uploads prefix on the API host", gitHubAPI, ask("DELETE", "/api/uploads/repos/acme/api", gitHubAPI, "")},
		{"server's API on the web host", gitHubWeb, ask("DELETE", "/api/v3/repos/acme/api", gitHubWeb, "")},
		{"server's GraphQL on the web host", gitHubWeb, ask("POST", "/api/graphql", gitHubWeb, `{"query":"mutation{deleteRef(input:{refId:\"x\"}){clientMutationId}}"}`, "Content-Type: application/json")},
		{"page of the web site", gitHubWeb, ask("POST", "/acme/api/settings/delete", gitHubWeb, "")},
		{"another Host", gitHubAPI, ask("DELETE", "/repos/acme/api", "github.com", "")},
		{"another Host's API", gitHubWeb, ask("DELETE", "/repos/acme/api", gitHubAPI, "")},
		{"Host twice", gitHubAPI, ask("DELETE", "/repos/acme/api", gitHubWeb, "", "Host: "+gitHubAPI)},
		{"Host of another port", gitHubAPI, ask("DELETE", "/repos/acme/api", gitHubAPI+":8443", "")},
		{"absolute form", gitHubAPI, ask("DELETE", "https://api.github.com/repos/acme/api", gitHubAPI, "")},
		{"absolute form of another host", gitHubWeb, ask("DELETE", "https://api.github.com/repos/acme/api", gitHubWeb, "")},
		{"authority with a user", gitHubAPI, ask("DELETE", "https://x@api.github.com/repos/acme/api", gitHubAPI, "")},
		{"two lengths", gitHubAPI, "POST /repos/acme/web/pulls HTTP/1.1\r\nHost: " + gitHubAPI + "\r\nUser-Agent: MARK\r\nContent-Length: 2\r\nContent-Length: 60\r\n\r\n{}DELETE /repos/acme/api HTTP/1.1\r\nHost: " + gitHubAPI + "\r\nUser-Agent: MARK\r\n\r\n"},
		{"length and chunks", gitHubAPI, "POST /repos/acme/web/pulls HTTP/1.1\r\nHost: " + gitHubAPI + "\r\nUser-Agent: MARK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nDELETE /repos/acme/api HTTP/1.1\r\nHost: " + gitHubAPI + "\r\nUser-Agent: MARK\r\n\r\n"},
		{"odd transfer coding", gitHubAPI, "POST /repos/acme/web/pulls HTTP/1.1\r\nHost: " + gitHubAPI + "\r\nUser-Agent: MARK\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"},
		{"two transfer codings", gitHubAPI, "POST /repos/acme/web/pulls HTTP/1.1\r\nHost: " + gitHubAPI + "\r\nUser-Agent: MARK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n"},
		{"space before the colon", gitHubAPI, "DELETE /repos/acme/api HTTP/1.1\r\nHost : " + gitHubAPI + "\r\nUser-Agent: MARK\r\n\r\n"},
		{"bare line feed", gitHubAPI, "GET /repos/acme/web HTTP/1.1\r\nHost: " + gitHubAPI + "\r\nX: a\nX-HTTP-Method-Override: DELETE\r\nUser-Agent: MARK\r\n\r\n"},
		{"folded line", gitHubAPI, "GET /repos/acme/web HTTP/1.1\r\nHost: " + gitHubAPI + "\r\nX: a\r\n X-HTTP-Method-Override: DELETE\r\nX-Http-Method-Override: DELETE\r\nUser-Agent: MARK\r\n\r\n"},
	}
}

// bypass sends an attempt and returns the answer's status and body; 0 if the
// connection was cut without one. seen takes every byte that comes back.
func bypass(t *testing.T, a rig.Agent, one attempt, mark string, seen *bytes.Buffer) (int, string) {
	t.Helper()
	conn, err := a.Dial(t.Context(), shared.address, one.host, "http/1.1")
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	if _, err := io.WriteString(conn, strings.ReplaceAll(one.request, "MARK", mark)); err != nil {
		return 0, err.Error()
	}
	response, err := http.ReadResponse(bufio.NewReader(io.TeeReader(conn, seen)), nil)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body) // as much as came
	return response.StatusCode, string(body)
}

// arrived are the requests with the mark that GitHub has seen.
func arrived(mark string) []string {
	var all []string
	for _, s := range slices.Concat(shared.dotcom.Seen(), shared.ghes.Seen()) {
		if s.Header.Get("User-Agent") == mark {
			all = append(all, s.Method+" "+s.Host+s.Path)
		}
	}
	return all
}

func TestNoFormSlipsPast(t *testing.T) {
	t.Parallel()
	attempts := slices.Concat(pathAttempts(), hostAttempts(), documentAttempts(t), pushAttempts(t))
	for _, policy := range []string{"narrow", "wide"} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			agent, err := shared.home.CreateAgent(t.Context(), policy, "person:dana", "bypass-"+policy)
			require.NoError(t, err)
			var seen bytes.Buffer
			for i, one := range attempts {
				mark := fmt.Sprintf("%s-%d", policy, i)
				status, body := bypass(t, agent, one, mark, &seen)
				// git's own refusals are answers of 200: a report that accepts nothing, or an error.
				refused := status == 0 || status >= 400 || strings.Contains(body, "ng refs/") && !strings.Contains(body, "ok refs/") || strings.Contains(body, "ERR sallyport: ")
				assert.True(t, refused, "%s: %d %s", one.name, status, body)
				assert.Empty(t, arrived(mark), one.name)
			}
			// What is in order arrives, so that the attempts were not refused for nothing.
			for i, one := range inOrder(t, policy) {
				mark := fmt.Sprintf("%s-in-order-%d", policy, i)
				status, body := bypass(t, agent, one, mark, &seen)
				assert.Less(t, status, 300, "%s: %s", one.name, body)
				assert.Len(t, arrived(mark), 1, one.name)
			}
			assert.NotContains(t, refs(t, "acme/web"), "refs/heads/never")
			holdsNoSecret(t, seen.Bytes())
			t.Logf("%d attempts refused", len(attempts))
		})
	}
}

// inOrder are requests beside the attempts, in the same forms as far as they may be.
func inOrder(t *testing.T, policy string) []attempt {
	t.Helper()
	all := []attempt{
		{"read", gitHubAPI, ask("GET", "/repos/acme/web", gitHubAPI, "")},
		{"read, in capitals", gitHubAPI, ask("GET", "/repos/ACME/Web/contents/README.md", gitHubAPI, "")},
		{"an older version", gitHubAPI, ask("GET", "/repos/acme/web", gitHubAPI, "", "X-GitHub-Api-Version: 2022-11-28", "Accept: application/vnd.github.v3.raw+json")},
		{"write", gitHubAPI, ask("POST", "/repos/acme/web/pulls", gitHubAPI, `{"title":"in order","head":"agent/x","base":"main"}`, "Content-Type: application/json")},
		{"chunks", gitHubAPI, chunked("POST", "/repos/acme/web/pulls", gitHubAPI, []string{"Content-Type: application/json"}, `{"title":"in chunks",`, `"head":"agent/x","base":"main"}`)},
		{"advertisement", gitHubWeb, ask("GET", "/acme/web/info/refs?service=git-receive-pack", gitHubWeb, "")},
	}
	for i, form := range []func(string) string{
		func(body string) string { return push("/acme/web.git/git-receive-pack", nil, body) },
		func(body string) string {
			return push("/Acme/Web/git-receive-pack", []string{"Content-Encoding: gzip"}, zipped(t, body))
		},
		func(body string) string {
			return chunked("POST", "/acme/web.git/git-receive-pack", gitHubWeb, []string{"Content-Type: application/x-git-receive-pack-request"}, body[:3], body[3:50], body[50:])
		},
		// git reads one list and one pack; what comes after is nobody's.
		func(body string) string {
			return push("/acme/web.git/git-receive-pack", nil, body+commands("refs/heads/never")+"0000"+emptyPack())
		},
	} {
		all = append(all, attempt{fmt.Sprint("push ", i), gitHubWeb, form(commands(fmt.Sprintf("refs/heads/agent/%s-%d", policy, i)) + "0000" + emptyPack())})
	}
	if policy == "narrow" { // a denial of some repositories is a denial of what hides its own
		all = append(all, attempt{"document", gitHubAPI, document(`{"query":"{repository(owner:\"acme\",name:\"web\"){name}}"}`)})
	}
	return all
}

// What arrives is what was judged: the operation that runs, printed anew.
func TestDocumentsArriveAsTheyWereJudged(t *testing.T) {
	t.Parallel()
	agent, err := shared.home.CreateAgent(t.Context(), "narrow", "person:dana", "documents")
	require.NoError(t, err)
	var seen bytes.Buffer
	body := `{ "operationName":"A", "variables":{"n":"w\u0065b"}, "query":"query A($n:String!){ repository(owner: \"\"\"acme\"\"\", name: $n) { name } } # and\nmutation B{` + removal + `}" }`
	for i, request := range []string{
		document(body),
		document(body, "Content-Type: application/x-www-form-urlencoded", "Content-MD5: AAAA", "Digest: sha-256=AAAA"),
		chunked("POST", "/graphql", gitHubAPI, []string{"Content-Type: application/json", "Content-Encoding: identity"}, body[:10], body[10:]),
	} {
		mark := fmt.Sprint("documents-", i)
		status, answer := bypass(t, agent, attempt{mark, gitHubAPI, request}, mark, &seen)
		assert.Equal(t, http.StatusOK, status, answer)
		assert.Contains(t, answer, `"name":"web"`)
		for _, s := range shared.dotcom.Seen() {
			if s.Header.Get("User-Agent") != mark {
				continue
			}
			assert.JSONEq(t, `{"query":"query A($n:String!){repository(owner:\"acme\" name:$n){name}}","variables":{"n":"web"},"operationName":"A"}`, s.Document)
			assert.Equal(t, "application/json", s.Header.Get("Content-Type"))
			assert.Empty(t, s.Header.Get("Content-Md5")+s.Header.Get("Digest")+s.Header.Get("Content-Encoding"))
		}
		assert.Len(t, arrived(mark), 1)
	}
	holdsNoSecret(t, seen.Bytes())
}

// A node id hides its repository from the policy. The token does not reach it.
func TestNodeIDsReachNoFurtherThanTheToken(t *testing.T) {
	t.Parallel()
	agent, err := shared.home.CreateAgent(t.Context(), "narrow", "person:dana", "nodes")
	require.NoError(t, err)
	var seen bytes.Buffer
	for body, want := range map[string]string{
		`{"query":"{node(id:\"R_rs00\"){id ... on Repository{nameWithOwner}}}"}`:                                                                     `"nameWithOwner":"acme/web"`,
		`{"query":"query($i:ID!){node(id:$i){id ... on Repository{nameWithOwner}}}","variables":{"i":"R_rs02"}}`:                                     "NOT_FOUND",
		`{"query":"query($o:String!,$n:String!){repository(owner:$o,name:$n){id}}","variables":{"o":"acme","n":"api"}}`:                              "NOT_FOUND",
		`{"query":"mutation{createPullRequest(input:{repositoryId:\"R_rs02\",title:\"x\",headRefName:\"a\",baseRefName:\"b\"}){clientMutationId}}"}`: "NOT_FOUND",
	} {
		status, answer := bypass(t, agent, attempt{body, gitHubAPI, document(body)}, "nodes", &seen)
		assert.Equal(t, http.StatusOK, status)
		assert.Contains(t, answer, want, body)
	}
	holdsNoSecret(t, seen.Bytes())
	assert.Empty(t, shared.dotcom.Pulls("acme/secret"))
}
