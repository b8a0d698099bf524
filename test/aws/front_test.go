package aws_test

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"sync"

	"sallyport/sandbox/environment"
	"sallyport/test/rig"
)

// front ends TLS before a server that speaks none, byte for byte, and searches what
// passes for placeholders.
type front struct {
	address, roots string
	names          []string
	listener       net.Listener

	mu    sync.Mutex
	found []byte // the surroundings of the first placeholder
}

func newFront(dir string, names []string, to string) (*front, error) {
	certificate, roots, err := rig.Certificate(dir, names)
	if err != nil {
		return nil, err
	}
	f := &front{roots: roots, names: names}
	f.listener, err = tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{certificate}, NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS12,
	})
	if err != nil {
		return nil, err
	}
	f.address = f.listener.Addr().String()
	go f.accept(to)
	return f, nil
}

func (f *front) close() { _ = f.listener.Close() }

func (f *front) accept(to string) {
	for {
		client, err := f.listener.Accept()
		if err != nil {
			return // closed
		}
		go f.carry(client, to)
	}
}

func (f *front) carry(client net.Conn, to string) {
	defer client.Close()
	server, err := net.Dial("tcp", to) //nolint:noctx // ends with the connections on both sides
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		_, _ = io.Copy(io.MultiWriter(server, &search{front: f}), client)
		_ = server.(*net.TCPConn).CloseWrite() //nolint:errcheck,forcetypeassert // it is one
	}()
	_, _ = io.Copy(client, server)
}

// search looks for placeholders in a stream.
type search struct {
	front *front
	tail  []byte
}

func (s *search) Write(p []byte) (int, error) {
	text := append(s.tail, p...)
	if i := placeholderIn(text); i >= 0 {
		s.front.mu.Lock()
		if s.front.found == nil {
			s.front.found = bytes.Clone(text[max(0, i-200):min(len(text), i+200)])
		}
		s.front.mu.Unlock()
	}
	s.tail = append(s.tail[:0], text[max(0, len(text)-len(environment.Placeholder)):]...)
	return len(p), nil
}

// placeholderIn finds a placeholder of a secret, or of an access key id.
func placeholderIn(text []byte) int {
	if i := bytes.Index(text, []byte(environment.Placeholder)); i >= 0 {
		return i
	}
	return bytes.Index(text, []byte("SALLYPORT"))
}

// placeholders returns where one was seen, "" if none was.
func (s *server) placeholders() string {
	s.front.mu.Lock()
	defer s.front.mu.Unlock()
	return string(s.front.found)
}
