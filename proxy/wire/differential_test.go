package wire_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/proxy/wire"
)

// script is an agent that says all it has to say, ends its side, and takes every answer.
type script struct {
	said io.Reader
	mu   sync.Mutex
	told bytes.Buffer
}

func (s *script) Read(p []byte) (int, error) { return s.said.Read(p) }

func (s *script) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.told.Write(p)
}

func (s *script) Close() error                     { return nil }
func (s *script) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (s *script) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (s *script) SetDeadline(time.Time) error      { return nil }
func (s *script) SetReadDeadline(time.Time) error  { return nil }
func (s *script) SetWriteDeadline(time.Time) error { return nil }

// standard has net/http's server serve a script.
func standard(s *script, handler http.HandlerFunc) {
	ended := make(chan struct{})
	server := &http.Server{
		Handler: handler, MaxHeaderBytes: 60 << 10, DisableGeneralOptionsHandler: true, ErrorLog: log.New(io.Discard, "", 0),
		ConnState: func(_ net.Conn, state http.ConnState) {
			if state == http.StateClosed {
				close(ended)
			}
		},
	}
	once := &single{conn: s, closed: make(chan struct{})}
	served := make(chan error)
	go func() { served <- server.Serve(once) }()
	<-ended
	_ = server.Close()
	<-served
}

// single is a listener at which one connection arrives.
type single struct {
	conn   net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *single) Accept() (net.Conn, error) {
	if conn := l.conn; conn != nil {
		l.conn = nil
		return conn, nil
	}
	<-l.closed
	return nil, net.ErrClosed
}

func (l *single) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *single) Addr() net.Addr { return &net.TCPAddr{} }

// understood is a request as a handler is given it, with its body.
type understood struct {
	method, target, proto, host, url, body, failed string

	header, trailer http.Header
	length          int64
	coding          []string
	closes          bool
}

func understand(r *http.Request) understood {
	body, err := io.ReadAll(r.Body)
	u := understood{
		method: r.Method, target: r.RequestURI, proto: r.Proto, host: r.Host, url: fmt.Sprintf("%#v", *r.URL), body: string(body),
		header: r.Header, trailer: r.Trailer, length: r.ContentLength, coding: r.TransferEncoding, closes: r.Close,
	}
	if err != nil {
		u.failed = "failed" // in whatever words
	}
	return u
}

// conversations are what an agent may say that is worth varying.
var conversations = append([]string{
	"", "\r\n", "G", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: a\r\n", "SSH-2.0-OpenSSH\r\n",
	get, get + get, "\r\n" + get, upload + "hello" + get, upload + "hello\r\n" + get, upload + "hello\r\n\r\n\r\n" + get, upload + "hel",
	"GET /a?b=%zz#c HTTP/1.1\r\nhost:\texample.test \r\nx-A:  b  \r\nX-a: c\r\nAccept:\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", "GET / HTTP/1.1\r\n X: b\r\nHost: a\r\n\r\n",
	"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
	"GET / HTTP/1.0\r\n\r\n" + get, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + get, "G@T / HTTP/1.1\r\nHost: a\r\n\r\n", "GET a HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nPragma: no-cache\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n" + get,
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\nx", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\nx", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\nx",
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx" + get, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\nx",
	"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n" + get,
	"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n x\r\n\r\n0\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-A, X-B\r\n\r\n3;x=y\r\nabc\r\n0\r\nx-a: 1\r\n\r\n" + get,
	"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: Content-Length\r\n\r\n0\r\n\r\n", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcx\r\n0\r\n\r\n" + get, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX\r\n\r\n" + get,
	"POST / HTTP/1.1\r\nHost: a\r\nExpect: nothing\r\nContent-Length: 1\r\n\r\nx", "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx" + get,
	"POST / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("a", 5000) + "\r\nContent-Length: 1\r\n\r\nx" + get,
}, heads...)

// FuzzConversation: a handler is given nothing that net/http would not give one, and
// nothing else by it; what it is given with no fault is unambiguous; what net/http answers
// by itself is told, with the same status.
func FuzzConversation(f *testing.F) {
	for _, seed := range conversations {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, said []byte) {
		if len(said) < 60<<10 { // to a longer head, net/http waits half a second
			compare(t, said)
		}
	})
}

func compare(t *testing.T, said []byte) {
	var want, got []understood
	reference := &script{said: bytes.NewReader(said)}
	standard(reference, func(_ http.ResponseWriter, r *http.Request) { want = append(want, understand(r)) })

	h := &house{}
	ours, faults := &script{said: bytes.NewReader(said)}, 0
	wire.ServeHTTP1(ours, h, func(w http.ResponseWriter, r *http.Request) {
		if _, fault := wire.SessionOf(r).Framing(r).Host(r); fault != nil {
			faults++
			w.Header().Set("Connection", "close")
			return
		}
		got = append(got, understand(r))
	})
	require.LessOrEqual(t, faults, 1, "%q", said)
	if !assert.LessOrEqual(t, len(got), len(want), "%q", said) {
		return
	}
	for i := range got {
		require.Equal(t, want[i], got[i], "%q", said)
	}
	require.LessOrEqual(t, len(h.unparsed), 1)
	if faults > 0 || len(got) < len(want) || slices.ContainsFunc(got, func(u understood) bool { return u.failed != "" }) {
		return // the connection has ended before, which is for the two to differ in
	}
	answer := reference.told.String()
	for range want { // each has an empty answer
		_, answer, _ = strings.Cut(strings.TrimPrefix(answer, "HTTP/1.1 100 Continue\r\n\r\n"), "\r\n\r\n")
	}
	refused := strings.Contains(answer, "Connection: close\r\n") && !strings.Contains(answer, "Content-Length: 0\r\n") || strings.HasPrefix(answer, "HTTP/1.1 417 ")
	if refused {
		require.Len(t, h.unparsed, 1, "%q: %q", said, answer)
		require.Equal(t, answer[9:12], fmt.Sprint(h.unparsed[0].Status), "%q", said)
	}
}

// What is unambiguous is let through as net/http does.
func TestWhatIsOrdinaryIsLetThrough(t *testing.T) {
	t.Parallel()
	for _, said := range []string{get, get + get, upload + "hello" + get, "GET / HTTP/1.0\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nPragma: no-cache\r\n\r\n" + get} {
		var want, got int
		standard(&script{said: strings.NewReader(said)}, func(http.ResponseWriter, *http.Request) { want++ })
		wire.ServeHTTP1(&script{said: strings.NewReader(said)}, &house{}, func(_ http.ResponseWriter, r *http.Request) {
			_, fault := wire.SessionOf(r).Framing(r).Host(r)
			assert.Nil(t, fault, said)
			got++
		})
		assert.Equal(t, want, got, said)
	}
}

// answers are handlers that make a server decide how to frame.
var answers = map[string]http.HandlerFunc{
	"nothing":     func(http.ResponseWriter, *http.Request) {},
	"a short one": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") },
	"two pieces": func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "hel")
		_, _ = io.WriteString(w, "lo")
	},
	"a long one": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat("a", 5000)) },
	"one that grows": func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "a")
		_, _ = io.WriteString(w, strings.Repeat("a", 5000))
	},
	"one that is sent": func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "hel")
		_ = http.NewResponseController(w).Flush()
		_, _ = io.WriteString(w, "lo")
	},
	"a header that is sent": func(w http.ResponseWriter, _ *http.Request) { _ = http.NewResponseController(w).Flush() },
	"a length": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "5")
		_, _ = io.WriteString(w, "hello")
	},
	"a length that is not reached": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "7")
		_, _ = io.WriteString(w, "hello")
	},
	"a length that is passed": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "3")
		n, err := io.WriteString(w, "hello")
		w.Header().Set(http.TrailerPrefix+"X", fmt.Sprint(n, err))
	},
	"a length that is none": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "5") },
	"trailers": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-Sum, Content-Length")
		_, _ = io.WriteString(w, "hello")
		w.Header().Set("X-Sum", "1")
		w.Header().Set(http.TrailerPrefix+"X-Late", "2")
	},
	"a late trailer": func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "hello")
		_ = http.NewResponseController(w).Flush()
		w.Header().Set(http.TrailerPrefix+"X-Late", "2")
	},
	"no content": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "5")
		w.WriteHeader(http.StatusNoContent)
		_, err := io.WriteString(w, "hello")
		w.Header().Set("X-Error", fmt.Sprint(err))
	},
	"not modified": func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Length"], w.Header()["Content-Type"], w.Header()["Etag"] = []string{"5"}, []string{"a/b"}, []string{"x"}
		w.WriteHeader(http.StatusNotModified)
	},
	"close": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		_, _ = io.WriteString(w, "hello")
	},
	"no type": func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = nil
		_, _ = io.WriteString(w, "hello")
	},
	"a coding": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = io.WriteString(w, "hello")
	},
	"a date":  func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Date", "today") },
	"no date": func(w http.ResponseWriter, _ *http.Request) { w.Header()["Date"] = nil },
	"split": func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["X"] = []string{" a\r\nSet-Cookie: b\n"}
		w.Header()["Bad Name"] = []string{"x"}
	},
	"hints": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "a")
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(299)
	},
	"its body": func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) },
	"a changed header": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X", "before")
		w.WriteHeader(http.StatusAccepted)
		w.Header().Set("X", "after")
		w.WriteHeader(http.StatusOK)
	},
	"an abort": func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "hello")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	},
	"both ways at once": func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		_, _ = io.WriteString(w, "hello")
		_ = http.NewResponseController(w).Flush()
		_, _ = io.Copy(w, r.Body)
	},
}

func TestAnswersAreFramedAsNetHTTPFramesThem(t *testing.T) {
	t.Parallel()
	const bodied = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n"
	for _, said := range []string{
		get + get, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n" + get, "GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + get,
		"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" + get, bodied + "\r\nabc" + get, bodied + "Expect: 100-continue\r\n\r\nabc" + get,
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" + get, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\nabc",
	} {
		for name, handler := range answers {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				reference, ours := &script{said: strings.NewReader(said)}, &script{said: strings.NewReader(said)}
				standard(reference, handler)
				wire.ServeHTTP1(ours, &house{}, handler)
				method, _, _ := strings.Cut(said, " ")
				assert.Equal(t, heard(reference, method), heard(ours, method), "to %q", said[:min(len(said), 200)])
			})
		}
	}
}

// heard is what an agent makes of the answers to requests of which the first has that
// method, in words that can be compared.
func heard(s *script, method string) []string {
	var all []string
	for reader := bufio.NewReader(&s.told); ; {
		response, err := http.ReadResponse(reader, &http.Request{Method: method})
		if err != nil {
			return all
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if at, err := http.ParseTime(response.Header.Get("Date")); err == nil && time.Since(at) < time.Minute {
			response.Header.Set("Date", "now")
		}
		all = append(all, fmt.Sprint(response.Proto, " ", response.Status, response.Header, response.TransferEncoding, response.ContentLength, response.Close, len(body), " ", string(body[:min(len(body), 9)]), response.Trailer, err))
		if response.StatusCode >= 200 {
			method = http.MethodGet
		}
	}
}
