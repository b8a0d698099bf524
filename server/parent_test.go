package server_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/server"
)

// A company's proxy gets the credential that is its own, and the upstream none of it.
func TestAParentProxyGetsItsCredential(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	const key = "canary-secret-7d20"
	w.env.Getenv = func(string) string { return key }
	var tunnels atomic.Int64
	parent := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		name, password, ok := (&http.Request{Header: http.Header{"Authorization": r.Header["Proxy-Authorization"]}}).BasicAuth()
		if !ok || name != "sallyport" || password != key || r.Host != "up.test:443" {
			rw.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		tunnels.Add(1)
		to, err := net.Dial("tcp", w.upstream.Address)
		if err != nil {
			return
		}
		from, _, err := http.NewResponseController(rw).Hijack()
		if err != nil {
			return
		}
		_, _ = io.WriteString(from, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { _, _ = io.Copy(to, from); _ = to.Close() }()
		_, _ = io.Copy(from, to)
		_ = from.Close()
	}))
	t.Cleanup(parent.Close)
	address := parent.Listener.Addr().String()
	w.write(t, "credentials.yaml", fmt.Sprintf("credentials:\n  corp: {kind: basic, username: sallyport, secret: {env: CORP}, hosts: [%q]}\n", address))
	w.settings = fmt.Sprintf("trust_domain: %s\nupstream:\n  roots: [%q]\n", trustDomain, w.upstream.Roots)
	through := fmt.Sprintf("  proxy: {url: \"http://%s\", credential: corp, clear_text: true}\nlisten: 127.0.0.1:0\n", address)
	w.configure(t, through)
	r := w.serve(t, server.ServeOptions{})
	w.agent(t, "a").served(t)
	assert.EqualValues(t, 1, tunnels.Load())
	row := w.ended(t, "/")
	assert.Equal(t, address, row.Outcome.UpstreamAddr, "who was dialled")
	for _, where := range []string{"credentials.yaml", "owners.yaml"} {
		text, err := os.ReadFile(w.layout.Dir + "/" + where)
		require.NoError(t, err)
		assert.NotContains(t, string(text), key)
	}
	r.shut(t)
	assert.NotContains(t, fmt.Sprint(w.events(t)), key)

	for credential, says := range map[string]string{
		"nobody: {kind: basic, username: sallyport, secret: {env: CORP}, hosts: [a.example]}":         `credentials.yaml has no credential "corp"`,
		"corp: {kind: basic, username: sallyport, secret: {env: CORP}, hosts: [a.example]}":           `must not go to ` + address,
		fmt.Sprintf("corp: {kind: header, header: X-Key, secret: {env: CORP}, hosts: [%q]}", address): `name one of kind basic or bearer`,
	} {
		w.write(t, "credentials.yaml", "credentials:\n  "+credential+"\n")
		err := w.start(t, server.ServeOptions{}).end(t)
		require.ErrorContains(t, err, says)
		assert.ErrorContains(t, err, "upstream.proxy.credential")
	}
}
