package sidecar_test

import (
	"bufio"
	"bytes"
	"net/http"
	"strings"
	"testing"

	"sallyport/sandbox/sidecar"
)

// FuzzHead: what is forwarded never holds the password, is stable when forwarded
// again, and means to net/http, which reads it at the proxy, what it meant here.
func FuzzHead(f *testing.F) {
	f.Add([]byte("CONNECT a.example:443 HTTP/1.1\r\nHost: a\r\nProxy-Authorization: Basic eA==\r\n"))
	f.Add([]byte("GET http://a.example/ HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"))
	f.Add([]byte("GET http://a.example/ HTTP/1.1\nX: 1\r\n\tProxy-Authorization: x\n"))
	f.Add([]byte("GET http://a.example/ HTTP/1.0\r\nproxy-authorization : x\r\nConnection: Proxy-Authorization\r\n"))
	f.Fuzz(func(t *testing.T, head []byte) {
		if bytes.Contains(head, []byte("\n\n")) || bytes.Contains(head, []byte("\n\r\n")) {
			return // a head ends at the first empty line
		}
		forward, err := sidecar.Forward(head)
		if err != nil {
			return
		}
		if strings.Contains(strings.ToLower(string(forward)), "\nproxy-authorization") {
			t.Fatalf("%q forwards the password: %q", head, forward)
		}
		again, err := sidecar.Forward(bytes.TrimSuffix(forward, []byte("\r\n")))
		if err != nil || !bytes.Equal(again, forward) {
			t.Fatalf("%q becomes %q becomes %q, %v", head, forward, again, err)
		}
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(forward)))
		if err != nil {
			return // stricter than the sidecar: the proxy answers 400
		}
		if r.Header.Get("Proxy-Authorization") != "" || (r.Method != http.MethodConnect && !r.Close) {
			t.Fatalf("%q is read by the proxy as %+v", head, r)
		}
	})
}
