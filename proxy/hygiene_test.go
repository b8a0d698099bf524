package proxy_test

import (
	"bufio"
	"encoding/base64"
	"encoding/hex"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const hygienePolicy = `
policy: operator
rules:
  - {name: injected, allow: {host: api.test}, credential: key}
  - {name: in-query, allow: {host: query.test}, credential: inquery}
  - {name: open, allow: {host: open.test}}
  - {name: own, allow: {host: own.test}, agent_auth: pass}
  - {name: cookies, allow: {host: cookies.test}, credential: biscuit, cookies: pass}
`

// recorder is an upstream that keeps the requests it was sent.
type recorder struct {
	mu   sync.Mutex
	last *http.Request
}

func (c *recorder) serve(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = r
}

func (c *recorder) request() *http.Request {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}

func hygieneRig(t *testing.T, http2 bool, handler http.HandlerFunc) *rig {
	r := newRig(t, func(r *rig) { r.policy = hygienePolicy })
	r.upstream(handler, http2, "api.test", "query.test", "open.test", "own.test", "cookies.test")
	return r
}

// ownAuth is how an agent may try to authenticate by itself.
var ownAuth = http.Header{
	"Authorization": {"Bearer own"}, "authorization": {"own"}, "Proxy-Authorization": {"own"}, "X-Api-Key": {"own"}, "x-api-key": {"own"},
	"X_Api_Key": {"own"}, "X-Api_key": {"own"}, "api-key": {"own"}, "Api_Key": {"own"}, "Private-Token": {"own"}, "private_token": {"own"},
	"Cookie": {"a=own"}, "Job-Token": {"own"}, "X-Goog-Api-Key": {"own"}, "X-Amz-Security-Token": {"own"}, "X-Vault-Token": {"own"}, "Dd-Api-Key": {"own"},
	"X-Auth-Token": {"own"}, "X-Github-Otp": {"own"}, "X-Forwarded-User": {"own"}, "Impersonate-User": {"own"},
}

func TestAgentsOwnAuthenticationStaysHere(t *testing.T) {
	pairs(t, func(t *testing.T, agentSide, upstreamSide bool) {
		var upstream recorder
		r := hygieneRig(t, upstreamSide, upstream.serve)
		client := r.client(r.agent("a"), agentSide)
		ask := func(target string) *http.Request {
			request, err := http.NewRequest(http.MethodPost, target, io.NopCloser(strings.NewReader("x")))
			require.NoError(t, err)
			request.Header = ownAuth.Clone()
			request.Header["X-Mine"] = []string{"kept"}
			request.Trailer = http.Header{"X-Api-Key": {"own"}, "Private-Token": {"own"}, "X_api_key": {"own"}, "X-Sum": {"kept"}}
			response, err := client.Do(request)
			require.NoError(t, err)
			require.Equal(t, 200, response.StatusCode, body(t, response))
			return upstream.request()
		}
		for _, target := range []string{"https://open.test/?a=1&api_key=own&b=2&api%5Fkey=own&Access-Token=own;private_token=own", "https://api.test/?access_token=own", "https://query.test/?api_key=own"} {
			got := ask(target)
			for name, values := range got.Header {
				assert.NotContains(t, strings.Join(values, " "), "own", name)
			}
			assert.Equal(t, "kept", got.Header.Get("X-Mine"))
			assert.NotContains(t, got.URL.RawQuery, "own")
			assert.Equal(t, http.Header{"X-Sum": {"kept"}}, got.Trailer)
		}
		assert.Equal(t, "api_key="+canary, upstream.request().URL.RawQuery)
		got := ask("https://own.test/?api_key=own")
		for _, name := range []string{"Cookie", "Private-Token", "X-Vault-Token"} {
			assert.Contains(t, strings.Join(got.Header[name], " "), "own", name)
		}
		assert.Contains(t, strings.Join(got.Header.Values("Authorization"), " "), "own", "agent_auth: pass")
		assert.Equal(t, "own", got.Header.Get("X-Api-Key"))
		assert.Equal(t, "api_key=own", got.URL.RawQuery)
		assert.Empty(t, got.Header.Get("Proxy-Authorization"), "that one was for us")
		assert.Equal(t, "pass", r.rows()[0].Details["agent_auth"])
	})
}

// Sessions pass in both directions, or in none.
func TestCookiesPassInBothDirectionsOrNotAtAll(t *testing.T) {
	pairs(t, func(t *testing.T, agentSide, upstreamSide bool) {
		var upstream recorder
		r := hygieneRig(t, upstreamSide, func(w http.ResponseWriter, req *http.Request) {
			upstream.serve(w, req)
			w.Header().Set("Set-Cookie", "session=1")
			w.Header().Set("Set-Cookie2", "session=1")
			w.Header().Set("Trailer", "Set-Cookie")
			_, _ = io.WriteString(w, "x")
			w.Header().Set("Set-Cookie", "late=1")
		})
		client := r.client(r.agent("a"), agentSide)
		for name, passes := range map[string]bool{"api.test": false, "open.test": false, "own.test": true, "cookies.test": true} {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+name+"/", http.NoBody)
			require.NoError(t, err)
			request.Header = http.Header{"Cookie": {"a=own"}, "Cookie2": {"$Version=1"}}
			response, err := client.Do(request)
			require.NoError(t, err)
			require.Equal(t, "x", body(t, response))
			assert.Equal(t, passes, len(upstream.request().Header["Cookie"]) > 0, name)
			assert.Equal(t, passes, len(response.Header["Set-Cookie"]) > 0, name)
			assert.Equal(t, passes, len(response.Header["Set-Cookie2"]) > 0, name)
			assert.Equal(t, passes, len(response.Trailer["Set-Cookie"]) > 0, name)
			if name == "cookies.test" {
				assert.Equal(t, "pass", r.rows()[0].Details["cookies"])
			}
		}
	})
}

func TestFieldsOfOneConnectionEndHere(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var upstream recorder
	r.upstream(func(w http.ResponseWriter, req *http.Request) {
		upstream.serve(w, req)
		conn, _, err := http.NewResponseController(w).Hijack()
		if !assert.NoError(t, err) {
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 200 Fine\r\nConnection: X-Hop\r\nX-Hop: up\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\n"+
			"Proxy-Connection: close\r\nUpgrade: h2c\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\nServer: origin\r\nX-Kept: yes\r\nContent-Length: 2\r\n\r\nok")
	}, false, "api.test")
	conn, reader := r.talk(r.agent("a"))
	_, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: api.test\r\nConnection: keep-alive, X-Hop, Te\r\nKeep-Alive: 5\r\nX-Hop: down\r\n"+
		"Proxy-Connection: keep-alive\r\nTE: trailers, deflate\r\nX-Kept: yes\r\n\r\n")
	require.NoError(t, err)
	response, err := http.ReadResponse(reader, nil)
	require.NoError(t, err)
	assert.Equal(t, "ok", body(t, response))
	got := upstream.request()
	assert.Equal(t, http.Header{"X-Kept": {"yes"}, "Te": {"trailers"}, "Authorization": {"Bearer " + canary}}, got.Header, "no User-Agent, no Accept-Encoding of ours")
	assert.Equal(t, http.Header{
		"Date": {"Mon, 01 Jan 2024 00:00:00 GMT"}, "Server": {"origin"}, "X-Kept": {"yes"}, "Content-Length": {"2"},
	}, response.Header)
}

func TestRedirectsAreHandedBack(t *testing.T) {
	pairs(t, func(t *testing.T, agentSide, upstreamSide bool) {
		r := hygieneRig(t, upstreamSide, func(w http.ResponseWriter, req *http.Request) {
			http.Redirect(w, req, "https://open.test/elsewhere?x=1", http.StatusTemporaryRedirect)
		})
		response, err := r.client(r.agent("a"), agentSide).Get("https://api.test/x")
		require.NoError(t, err)
		_ = body(t, response)
		assert.Equal(t, http.StatusTemporaryRedirect, response.StatusCode)
		assert.Equal(t, "https://open.test/elsewhere?x=1", response.Header.Get("Location"))
		assert.Len(t, r.rows(), 1)
	})
}

func TestReturnedSecretIsRedacted(t *testing.T) {
	pairs(t, func(t *testing.T, agentSide, upstreamSide bool) {
		r := hygieneRig(t, upstreamSide, func(w http.ResponseWriter, req *http.Request) {
			secret := strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer ")
			if secret == "" {
				secret = req.URL.Query().Get("api_key")
			}
			h := w.Header()
			h.Set("Link", "<https://x/?k="+secret+">; rel=preload")
			h.Set("Set-Cookie", "early="+secret)
			w.WriteHeader(http.StatusEarlyHints)
			h.Set("X-Raw", "token "+secret+" end")
			h.Set("X-Request-Id", secret)
			h.Set("X-Base64", base64.StdEncoding.EncodeToString([]byte("user:"+secret)))
			h.Set("Location", "https://x.test/?token="+escapeAll(secret))
			h.Set("Set-Cookie", "session="+secret)
			inHex := hex.EncodeToString([]byte(secret))
			h.Set("X-"+inHex, "a name")
			h.Set("X-Hex", inHex)
			h.Set("X-Upper", strings.ToUpper(secret))
			h.Set("Trailer", "X-Sum, "+inHex)
			_, _ = io.WriteString(w, "body")
			h.Set("X-Sum", url.QueryEscape(secret))
			h.Set(inHex, "a name")
			h.Set(http.TrailerPrefix+"X-Late", secret)
		})
		for _, target := range []string{"https://api.test/x", "https://query.test/x"} {
			response, err := r.client(r.agent("a"), agentSide).Get(target)
			require.NoError(t, err)
			assert.Equal(t, "body", body(t, response))
			assert.Empty(t, response.Cookies(), "Set-Cookie ends here")
			for name, values := range response.Header {
				seen, err := url.QueryUnescape(strings.Join(values, " "))
				require.NoError(t, err)
				r.assertNoCanary(name, []byte(seen))
				for _, text := range []string{name, seen} {
					assert.NotContains(t, strings.ToLower(text), strings.ToLower(canary))
					assert.NotContains(t, strings.ToLower(text), hex.EncodeToString([]byte(canary)), name)
				}
			}
			require.NotEmpty(t, response.Trailer)
			for name, values := range response.Trailer {
				r.assertNoCanary(name, []byte(strings.Join(values, " ")))
				assert.NotContains(t, strings.ToLower(name), hex.EncodeToString([]byte(canary)))
			}
			assert.Equal(t, "X-Raw", firstRedacted(response.Header), "the rest of a value stays")
			assert.NotEmpty(t, r.rows()[0].Outcome.Details["redacted"])
		}
	})
}

func firstRedacted(h http.Header) string {
	if v := h.Get("X-Raw"); strings.HasPrefix(v, "token ") && strings.HasSuffix(v, " end") {
		return "X-Raw"
	}
	return h.Get("X-Raw")
}

func escapeAll(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		b.WriteString("%" + string("0123456789abcdef"[c>>4]) + string("0123456789abcdef"[c&15]))
	}
	return b.String()
}

// What an upstream sends instead of HTTP is quoted by net/http in its errors.
func TestReturnedSecretIsNoError(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"echo": "", "status line": "HTTP/1.1 " + canary + "\r\n\r\n", "header": "HTTP/1.1 200 OK\r\nBearer " + canary + "\r\n\r\n",
		"length": "HTTP/1.1 200 OK\r\nContent-Length: " + canary + "\r\n\r\n", "coding": "HTTP/1.1 200 OK\r\nTransfer-Encoding: " + canary + "\r\n\r\n",
		"chunk": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + canary + "\r\n",
		"after": "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" + canary,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := hygieneRig(t, false, func(w http.ResponseWriter, req *http.Request) {
				conn, _, err := http.NewResponseController(w).Hijack()
				if !assert.NoError(t, err) {
					return
				}
				defer conn.Close()
				if answer == "" {
					_ = req.Write(bufio.NewWriterSize(conn, 0))
					_, _ = io.WriteString(conn, req.Method+" "+req.RequestURI+" HTTP/1.1\r\n")
				}
				_, _ = io.WriteString(conn, answer)
			})
			for _, target := range []string{"https://api.test/x", "https://query.test/x"} {
				response, err := r.client(r.agent("a"), false).Get(target)
				require.NoError(t, err)
				text, _ := io.ReadAll(response.Body)
				_ = response.Body.Close()
				r.assertNoCanary("answer", text)
			}
		})
	}
}

// What stands for a secret is nobody's key, wherever a client writes it.
func TestPlaceholdersLeaveInNoFieldAndNoParameter(t *testing.T) {
	pairs(t, func(t *testing.T, agentSide, upstreamSide bool) {
		var arrived recorder
		r := hygieneRig(t, upstreamSide, arrived.serve)
		client := r.client(r.agent("a"), agentSide)
		for _, host := range []string{"api.test", "query.test", "open.test", "own.test"} {
			query := "a=1&key=sallyport-placeholder;access_token=sallyport%2dplaceholder&b=%20&token=Bearer+sallyport-placeholder"
			request, err := http.NewRequest(http.MethodGet, "https://"+host+"/?"+query, nil)
			require.NoError(t, err)
			request.Header["X-Custom-Token"] = []string{"sallyport-placeholder"}
			request.Header["X-Other"] = []string{"Token sallyport-placeholder"}
			request.Header["X-Basic"] = []string{"Basic " + base64.StdEncoding.EncodeToString([]byte("x:sallyport-placeholder"))}
			request.Header["X-Kept"] = []string{"sallyport"}
			response, err := client.Do(request)
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, response.StatusCode, body(t, response))
			got := arrived.request()
			assert.NotContains(t, got.Header, "X-Custom-Token", host)
			assert.NotContains(t, got.Header, "X-Other", host)
			assert.NotContains(t, got.Header, "X-Basic", host)
			assert.Equal(t, "sallyport", got.Header.Get("X-Kept"), host)
			assert.NotContains(t, got.URL.RawQuery, "placeholder", host)
			assert.True(t, strings.HasPrefix(got.URL.RawQuery, "a=1&b=%20"), got.URL.RawQuery)
		}
	})
}

// A rule has to say WEBSOCKET, and so does the row.
func TestARefusedWebSocketIsRecordedAsRulesSayIt(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(r *rig) {
		r.policy = "policy: operator\nrules:\n  - {name: gets, allow: {host: api.test, methods: [GET]}}\n"
	})
	request, err := http.NewRequest(http.MethodGet, "https://api.test/socket", nil)
	require.NoError(t, err)
	for name, value := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="} {
		request.Header.Set(name, value)
	}
	response, err := r.client(r.agent("a"), false).Do(request)
	require.NoError(t, err)
	assert.Equal(t, http.StatusForbidden, response.StatusCode)
	assert.Contains(t, body(t, response), "WEBSOCKET", "what a rule would have to name")
	assert.Equal(t, "WEBSOCKET", r.rows()[0].Method)
}
