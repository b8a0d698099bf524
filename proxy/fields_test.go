package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
)

// asking sends requests byte for byte in one protocol, and returns status, text and row.
type asking func(a agent, method, target string, fields ...string) (status int, text string, row audit.Exchange)

func askings(r *rig) map[string]asking {
	t := r.t.(*testing.T)
	last := func(a agent) audit.Exchange {
		rows := r.rowsOfAgent(a)
		require.NotEmpty(t, rows, "no row")
		return rows[0]
	}
	return map[string]asking{
		"HTTP/1.1": func(a agent, method, target string, fields ...string) (int, string, audit.Exchange) {
			conn := r.connect(a, "api.test:443", "api.test")
			defer conn.Close()
			require.NoError(t, conn.SetDeadline(time.Now().Add(within)))
			request := method + " " + target + " HTTP/1.1\r\nHost: api.test\r\nContent-Length: 0\r\n"
			for i := 0; i < len(fields); i += 2 {
				request += fields[i] + ": " + fields[i+1] + "\r\n"
			}
			_, err := io.WriteString(conn, request+"\r\n")
			require.NoError(t, err)
			response, err := http.ReadResponse(bufio.NewReader(conn), nil)
			require.NoError(t, err, request)
			return response.StatusCode, body(t, response), last(a)
		},
		"HTTP/2": func(a agent, method, target string, fields ...string) (int, string, audit.Exchange) {
			section := [][2]string{{":method", method}, {":scheme", "https"}, {":path", target}, {":authority", "api.test"}}
			for i := 0; i < len(fields); i += 2 {
				section = append(section, [2]string{strings.ToLower(fields[i]), fields[i+1]})
			}
			status, text := r.ask2(a, section)
			return status, text, last(a)
		},
	}
}

func TestFieldsWithASecondReadingAreRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var upstream recorder
	r.upstream(upstream.serve, true, "api.test")
	for protocol, ask := range askings(r) {
		a := r.agent(strings.ToLower(strings.NewReplacer("/", "-", ".", "-").Replace(protocol)))
		for _, name := range []string{
			"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "x_http_method-Override", "X.HTTP.Method", "X-Original-Method",
			"X-Original-URL", "X-Rewrite-URL", "X_Rewrite_Url", "X-Original-URI", "X-Envoy-Original-Path", "SCRIPT_NAME", "Path_Info",
			"X-MS-Original-URL", "X-Waws-Unencoded-Url", "X-Invoke-Path", "X-Matched-Path", "X-Middleware-Subrequest",
			"X-Symlink-Target", "X-Object-Manifest", "X-Copy-From-Account", "Destination-Account", "X-Symlink-Target-Account",
			"X-Kss-Copy-Source", "X-Qs-Move-Source", "X-Oss-Symlink-Target", "X-Oss-Rename-Source", "X_Tos_Copy_Source", "X-Amz_Rename-Source", "X.Obs.Copy-Source", "X_Goog_Copy_Source", "X-Ms.Copy-Source",
			"X-HTTP-Host-Override", "X-Sendfile-Type", "X-Accel-Mapping",
			"Transfer_Encoding", "Content_Length", "Content_Type", "Content_Encoding", "X_Amz_Copy_Source", "X-Amz_Target",
		} {
			status, text, row := ask(a, "POST", "/a", name, "x")
			assert.Equal(t, http.StatusBadRequest, status, "%s %s: %s", protocol, name, text)
			assert.Contains(t, text, "urn:sallyport:refusal:malformed", "%s %s", protocol, name)
			assert.Equal(t, "malformed", row.Outcome.Refusal, "%s %s", protocol, name)
			assert.Contains(t, row.Outcome.Error+text, "since some servers take it for", "%s %s", protocol, name)
		}
		for _, expect := range []string{"y 100-continue", "100-continued", "x"} {
			if protocol == "HTTP/2" && strings.HasSuffix(expect, " 100-continue") {
				continue // the server takes that one out by itself
			}
			status, text, row := ask(a, "POST", "/a", "Expect", expect)
			assert.Equal(t, http.StatusExpectationFailed, status, "%s %s: %s", protocol, expect, text)
			assert.Equal(t, "malformed", row.Outcome.Refusal)
		}
		for _, query := range []string{
			"_method=DELETE", "a=1&%5Fmethod=DELETE", "a=1;_METHOD=DELETE", "X-HTTP-Method-Override=PUT", "x_http_method_override=PUT", "X-Http.Method-Override=PUT",
			".method=DELETE", "%2Emethod=DELETE", "%20_method=DELETE", "+_method=DELETE", "_method%00x=DELETE", "_method[]=DELETE", "_method]=DELETE",
		} {
			status, text, _ := ask(a, "POST", "/a?"+query)
			assert.Equal(t, http.StatusBadRequest, status, "%s %s: %s", protocol, query, text)
			assert.Contains(t, text, "another method")
		}
		for _, query := range []string{"_HttpMethod=PUT", "$httpMethod=DELETE", "a&%24HTTPmethod=DELETE", "$httpHeaders=X-A%3Ab", "%24httpHeaders[]=x"} {
			for _, method := range []string{"GET", "POST", "PUT"} {
				status, text, _ := ask(a, method, "/a?"+query)
				assert.Equal(t, http.StatusBadRequest, status, "%s %s %s: %s", protocol, method, query, text)
				assert.Contains(t, text, "send the method and the fields themselves")
			}
		}
		assert.Nil(t, upstream.request())
	}
	status, text, _ := askings(r)["HTTP/2"](r.agent("plain"), "GET", "/a?_method=DELETE&httpMethod=PUT")
	assert.Equal(t, http.StatusOK, status, text)
}

func TestFieldsOfProxiesEndHere(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var upstream recorder
	r.upstream(upstream.serve, true, "api.test")
	fields := []string{
		"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port", "X-Forwarded-Prefix", "X-Forwarded-Anything",
		"X_Forwarded_Host", "X-Host", "X-Original-Host", "X-Real-IP", "X-Client-IP", "True-Client-IP", "CF-Connecting-IP", "Front-End-Https", "Proxy",
	}
	var sent []string
	for _, name := range fields {
		sent = append(sent, name, "192.0.2.1")
	}
	sent = append(sent, "X-Mine", "kept", "X_Mine_Too", "kept", "Expect", "100-continue")
	for protocol, ask := range askings(r) {
		a := r.agent(strings.ToLower(strings.NewReplacer("/", "-", ".", "-").Replace(protocol)))
		status, text, row := ask(a, "GET", "/a", sent...)
		require.Equal(t, http.StatusOK, status, "%s: %s", protocol, text)
		got := upstream.request().Header
		for name, values := range got {
			assert.NotContains(t, fmt.Sprint(values), "192.0.2.1", "%s: %s", protocol, name)
		}
		assert.Equal(t, "kept", got.Get("X-Mine"), protocol)
		assert.Contains(t, fmt.Sprint(got), "X_mine_too:[kept]", protocol)
		assert.Empty(t, got.Get("Expect"), "%s: no body comes", protocol)
		assert.Len(t, row.Details["dropped_fields"], len(fields), protocol)
	}
}

func TestTargetsThatServersReadInTwoWays(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var upstream recorder
	r.upstream(upstream.serve, true, "api.test")
	for protocol, ask := range askings(r) {
		a := r.agent(strings.ToLower(strings.NewReplacer("/", "-", ".", "-").Replace(protocol)))
		for target, want := range map[string]string{
			"/\u00e9":                 "beyond ASCII",
			"/a/\xc0\xae\xc0\xae/b":   "beyond ASCII",
			"/a?b=\xff":               "beyond ASCII",
			"/a/%c0%ae%c0%ae/b":       "overlong",
			"/a/..%20/b":              "dot segment",
			"/a#b":                    "fragment",
			"/a?b#c":                  "fragment",
			"/a%5cb":                  "backslash",
			"/a%00":                   "NUL",
			"https://api.test/a":      "begins with a slash",
			"https://api.test/a/../b": "",
		} {
			status, text, row := ask(a, "GET", target)
			if protocol == "HTTP/1.1" && target == "https://api.test/a" {
				assert.Equal(t, http.StatusOK, status, "what RFC 9112 section 3.2.2 calls absolute form: %s", text)
				assert.Equal(t, "/a", upstream.request().RequestURI)
				continue
			}
			assert.Equal(t, http.StatusBadRequest, status, "%s %q: %s", protocol, target, text)
			assert.Equal(t, "malformed", row.Outcome.Refusal, "%s %q", protocol, target)
			assert.Contains(t, text, want, "%s %q", protocol, target)
		}
		for _, method := range []string{"GE T", "G\"T", "GET/", "(", "trace", "Connect", "websocket"} {
			if protocol == "HTTP/1.1" && strings.Contains(method, " ") {
				continue // that is another target
			}
			status, text, row := ask(a, method, "/a")
			assert.Equal(t, http.StatusBadRequest, status, "%s %q: %s", protocol, method, text)
			assert.Equal(t, "malformed", row.Outcome.Refusal, "%s %q", protocol, method)
		}
	}
	status, text, _ := askings(r)["HTTP/2"](r.agent("spaced"), "GET", "/a", "x-a", " b")
	assert.Equal(t, http.StatusBadRequest, status, text)
	assert.Contains(t, text, "white space")
}

const davPolicy = `
policy: operator
rules:
  - {name: agents, allow: {host: api.test, path: "/agents/**"}}
  - {name: reviewed, ask: {host: api.test, path: "/reviewed/**"}}
  - {name: kept, deny: {path: "/agents/kept/**"}}
`

// TestADestinationIsJudgedToo: WebDAV names in a field where it copies and moves to.
func TestADestinationIsJudgedToo(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var upstream recorder
	r.upstream(upstream.serve, true, "api.test")
	r.configure(davPolicy)
	for protocol, ask := range askings(r) {
		a := r.agent(strings.ToLower(strings.NewReplacer("/", "-", ".", "-").Replace(protocol)))
		for destination, want := range map[string]string{
			"/agents/b":                     "",
			"https://api.test/agents/b":     "",
			"https://API.test:443/agents/b": "",
			"/prod/b":                       "policy",
			"/agents/kept/b":                "policy",
			"/agents/kept;x/b":              "policy",
			"/reviewed/b":                   "approval",
			"https://api.test/prod/b":       "policy",
			"https://other.test/agents/b":   "authority",
			"//other.test/agents/b":         "authority",
			"http://api.test/agents/b":      "authority",
			"https://api.test:444/agents/b": "authority",
			"/agents/../prod/b":             "malformed",
			"/agents/%2e%2e/prod/b":         "malformed",
			"/agents/b?x":                   "malformed",
			"agents/b":                      "malformed",
			"https://u:p@api.test/agents/b": "malformed",
		} {
			status, text, row := ask(a, "MOVE", "/agents/a", "Destination", destination)
			assert.Equal(t, want, row.Outcome.Refusal, "%s %s: %s", protocol, destination, text)
			assert.Equal(t, want == "", status == http.StatusOK, "%s %s: %s", protocol, destination, text)
		}
		status, _, _ := ask(a, "GET", "/agents/a", "Destination", "/prod/b")
		assert.Equal(t, http.StatusOK, status, "nobody reads it there")
	}
}

// What a copy is made of is a second path as well, in every cloud's own form.
func TestTheSourceOfACopyIsJudgedToo(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var upstream recorder
	r.upstream(upstream.serve, true, "api.test")
	r.configure(davPolicy)
	for protocol, ask := range askings(r) {
		a := r.agent(strings.ToLower(strings.NewReplacer("/", "-", ".", "-").Replace(protocol)))
		for source, want := range map[string]string{
			"X-Ms-Copy-Source: https://api.test/agents/b?sig=x": "",
			"X-Ms-Copy-Source: https://api.test/prod/b":         "policy",
			"X-Ms-Copy-Source: https://other.test/agents/b":     "authority",
			"X-Ms-File-Rename-Source: https://api.test/prod/b":  "policy",
			"X-Ms-Rename-Source: /agents/b":                     "",
			"X-Ms-Rename-Source: /prod/b":                       "policy",
			"X-Ms-Rename-Source: agents/b":                      "malformed",
			"X-Amz-Copy-Source: agents/b?versionId=1":           "",
			"X-Amz-Copy-Source: /agents/b":                      "",
			"X-Amz-Copy-Source: agents/kept/b":                  "policy",
			"X-Amz-Copy-Source: secrets/b":                      "malformed",
			"X-Amz-Copy-Source: agents/../prod/b":               "malformed",
			"X-Amz-Copy-Source: agents/%2e%2e/prod/b":           "malformed",
			"X-Amz-Copy-Source: api/kept":                       "policy", // of a bucket before the host
			"X-Goog-Copy-Source: /agents/b":                     "",
			"X-Goog-Copy-Source: agents/kept/b":                 "policy",
			"X-Oss-Copy-Source: /prod/b":                        "malformed",
			"X-Obs-Copy-Source: agents/b":                       "",
			"X-Tos-Copy-Source: /agents/kept/b":                 "policy",
			"X-Amz-Rename-Source: agents/b":                     "malformed", // a bucket's, or a key's
			"X-Amz-Copy-Source: agents/b?/../../prod/b":         "malformed",
			"X-Amz-Copy-Source: agents/b+c":                     "malformed",
			"X-Object-Meta-Copy-Source: /prod/b":                "",
			"X-Amz-Meta-Copy-Source: prod/b":                    "",
			"X-Bce-Copy-Source: /agents/kept/b":                 "policy",
			"X-Cos-Copy-Source: api.test/agents/b":              "",
			"X-Cos-Copy-Source: api.test/prod/b":                "policy",
			"X-Cos-Copy-Source: other.test/agents/b":            "authority",
			"X-Copy-From: b":                                    "malformed", // the request names no account
			"X-Goog-Copy-Source: ":                              "malformed",
		} {
			name, value, _ := strings.Cut(source, ": ")
			status, text, row := ask(a, "PUT", "/agents/a", name, value)
			assert.Equal(t, want, row.Outcome.Refusal, "%s %s: %s", protocol, source, text)
			assert.Equal(t, want == "", status == http.StatusOK, "%s %s: %s", protocol, source, text)
			assert.NotContains(t, text+row.Outcome.Error, "sig=x")
		}
		for source, want := range map[string]string{"c/o": "", "../kept/o": "malformed", "/c/o": ""} {
			_, text, row := ask(a, "PUT", "/agents/account/c/new", "X-Copy-From", source)
			assert.Equal(t, want, row.Outcome.Refusal, "%s %s: %s", protocol, source, text)
		}
		_, text, row := ask(a, "PUT", "/agents/kept2/c/new", "X-Amz-Copy-Source", "agents/b", "X-Amz-Copy-Source", "agents/c")
		assert.Equal(t, "malformed", row.Outcome.Refusal, text)
	}
}
