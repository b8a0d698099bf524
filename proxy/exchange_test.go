package proxy_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCredentialIsInjectedAndRecorded(t *testing.T) {
	t.Parallel()
	for _, http2 := range []bool{false, true} {
		r := newRig(t)
		r.upstream(func(w http.ResponseWriter, req *http.Request) {
			_, _ = io.WriteString(w, req.Header.Get("Authorization"))
		}, http2, "api.test")
		a := r.agent("one")
		response, err := r.client(a, http2).Get("https://api.test/v1/models?x=1")
		require.NoError(t, err)
		assert.Equal(t, "Bearer "+canary, body(t, response))
		rows := r.rows()
		require.Len(t, rows, 1)
		assert.Equal(t, "completed", rows[0].Outcome.Outcome)
	}
}

func TestPolicyRefuses(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	reached := false
	r.upstream(func(http.ResponseWriter, *http.Request) { reached = true }, true, "api.test")
	response, err := r.client(r.agent("one"), true).Get("https://api.test/forbidden/x")
	require.NoError(t, err)
	text := body(t, response)
	assert.Equal(t, 403, response.StatusCode)
	assert.Contains(t, text, "urn:sallyport:refusal:policy")
	assert.False(t, reached)
	rows := r.rows()
	require.Len(t, rows, 1)
	assert.Equal(t, "refused", rows[0].Outcome.Outcome)
	assert.Equal(t, "deny", rows[0].Decision)
}

// git must not speak HTTP/2 inside its tunnels, whatever it offers: some of its libcurls
// wait for ever at the end of an upload that filled the window.
func TestGitIsOfferedNoHTTP2(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.upstream(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }, true, "api.test")
	one := r.agent("one")
	for userAgent, version := range map[string]int{
		"git/2.39.5": 1, "git/2.51.0 (Apple Git-154)": 1,
		"git-lfs/3.3.0 (GitHub; linux amd64; go 1.19.8)": 2, "curl/7.88.1": 2, "": 2,
	} {
		client := r.client(one, true)
		client.Transport.(*http.Transport).ProxyConnectHeader = http.Header{"User-Agent": {userAgent}}
		response, err := client.Get("https://api.test/x")
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		assert.Equal(t, version, response.ProtoMajor, userAgent)
	}
}
