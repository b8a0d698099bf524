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

// FuzzSOCKS: whatever is said, nothing leaves without the password, and what does is one
// CONNECT to one name.
func FuzzSOCKS(f *testing.F) {
	const password = "correct"
	shown := "\x05\x01\x02\x01\x05agent\x07" + password
	f.Add([]byte(shown + "\x05\x01\x00\x03\x0bapi.example\x01\xbbglued"))
	f.Add([]byte(shown + "\x05\x01\x00\x03\x03a\r\n\x01\xbb"))
	f.Add([]byte("\x05\x01\x00\x05\x01\x00\x03\x01a\x01\xbb"))
	f.Add([]byte("\x05\x02\x00\x02\x01\x05agent\x05wrong\x05\x01\x00\x01\x01\x02\x03\x04\x01\xbb"))
	f.Fuzz(func(t *testing.T, said []byte) {
		forward, err := sidecar.SOCKS(said, password)
		if err != nil {
			return
		}
		if !bytes.Contains(said, []byte("\x05agent\x07"+password)) {
			t.Fatalf("%q passes without the password", said)
		}
		head, rest, _ := strings.Cut(string(forward), "\r\n\r\n")
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(head + "\r\n\r\n")))
		if err == nil && (r.Method != http.MethodConnect || len(r.Header) > 0 || r.Host != r.RequestURI) || strings.Count(head, "\n") != 1 {
			t.Fatalf("%q becomes %q", said, forward)
		}
		if !bytes.HasSuffix(said, []byte(rest)) {
			t.Fatalf("%q is followed by %q", said, rest)
		}
	})
}
