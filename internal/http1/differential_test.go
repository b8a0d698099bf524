package http1_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// reading is what a client makes of an answer.
type reading struct {
	Failed   bool // no answer
	Status   int
	Header   http.Header
	Length   int64
	Body     string
	Broken   bool // the body did not end as it should
	Trailer  http.Header
	Requests int
}

func read(response *http.Response, err error) reading {
	if err != nil {
		return reading{Failed: true}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return reading{
		Status: response.StatusCode, Header: response.Header, Length: response.ContentLength,
		Body: string(body), Broken: err != nil, Trailer: response.Trailer,
	}
}

// answers are what an upstream may send, right and wrong.
var answers = map[string]string{
	"length":             "HTTP/1.1 200 OK\nContent-Length: 5\nX-A: 1\nX-A: 2\n\nhello",
	"kept":               "HTTP/1.1 200 OK\ncontent-length:\t5 \nConnection: keep-alive, x\n\nhello",
	"closed":             "HTTP/1.1 200 OK\nContent-Length: 5\nConnection: Close\n\nhello",
	"no cache":           "HTTP/1.1 200 OK\nContent-Length: 5\nPragma: no-cache\n\nhello",
	"no reason":          "HTTP/1.1 200\nContent-Length: 5\n\nhello",
	"empty reason":       "HTTP/1.1 200 \nContent-Length: 5\n\nhello",
	"two spaces":         "HTTP/1.1  200 OK\nContent-Length: 5\n\nhello",
	"three in one":       "HTTP/1.1 2OK\nContent-Length: 5\n\nhello",
	"signed status":      "HTTP/1.1 +20 OK\nContent-Length: 5\n\nhello",
	"empty field":        "HTTP/1.1 200 OK\nContent-Length: 5\nX-A:\nX-A: 1\n\nhello",
	"long header":        "HTTP/1.1 200 OK\nContent-Length: 5\nX-A: " + strings.Repeat("x", 9000) + "\n\nhello",
	"no body":            "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
	"chunked":            "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n5\nhello\n1;x=y\n!\n0\n\n",
	"announced trailer":  "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\nTrailer: X-T\n\n1\na\n0\nX-T: 1\n\n",
	"late trailer":       "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n1\na\n0\nX-T: 1\n\n",
	"forbidden trailer":  "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\nTrailer: Content-Length\n\n1\na\n0\nContent-Length: 1\n\n",
	"until close":        "HTTP/1.1 200 OK\n\nhello",
	"old":                "HTTP/1.0 200 OK\n\nhello",
	"old, with length":   "HTTP/1.0 200 OK\nContent-Length: 5\nConnection: keep-alive\n\nhello",
	"old, chunked":       "HTTP/1.0 200 OK\nTransfer-Encoding: chunked\n\n5\nhello\n0\n\n",
	"204":                "HTTP/1.1 204 No Content\n\n",
	"204 with length":    "HTTP/1.1 204 No Content\nContent-Length: 5\n\nhello",
	"304":                "HTTP/1.1 304 Not Modified\nContent-Length: 5\n\n",
	"hints":              "HTTP/1.1 103 Early Hints\nLink: <x>\n\nHTTP/1.1 100 Continue\n\nHTTP/1.1 200 OK\nContent-Length: 1\n\na",
	"hints only":         "HTTP/1.1 103 Early Hints\nLink: <x>\n\n",
	"two lengths, equal": "HTTP/1.1 200 OK\nContent-Length: 5\nContent-Length: 5\n\nhello",
	"two lengths":        "HTTP/1.1 200 OK\nContent-Length: 5\nContent-Length: 6\n\nhello!",
	"list of lengths":    "HTTP/1.1 200 OK\nContent-Length: 5, 5\n\nhello",
	"negative length":    "HTTP/1.1 200 OK\nContent-Length: -5\n\nhello",
	"signed length":      "HTTP/1.1 200 OK\nContent-Length: +5\n\nhello",
	"length and chunked": "HTTP/1.1 200 OK\nContent-Length: 1\nTransfer-Encoding: chunked\n\n5\nhello\n0\n\n",
	"other encoding":     "HTTP/1.1 200 OK\nTransfer-Encoding: gzip, chunked\n\n5\nhello\n0\n\n",
	"two encodings":      "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\nTransfer-Encoding: chunked\n\n5\nhello\n0\n\n",
	"too short":          "HTTP/1.1 200 OK\nContent-Length: 50\n\nhello",
	"chunk too short":    "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n50\nhello",
	"no last chunk":      "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n5\nhello\n",
	"no end of trailer":  "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n5\nhello\n0\nX-T: 1\n",
	"chunk without size": "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n\nhello\n0\n\n",
	"chunk too long":     "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n2\nhello\n0\n\n",
	"huge chunk":         "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\nfffffffffffffffff\nhello\n0\n\n",
	"folded":             "HTTP/1.1 200 OK\nX-A: 1\n  2\nContent-Length: 1\n\na",
	"space before colon": "HTTP/1.1 200 OK\nX-A : 1\nContent-Length: 1\n\na",
	"no colon":           "HTTP/1.1 200 OK\nX-A\n\na",
	"header cut off":     "HTTP/1.1 200 OK\nX-A: 1\n",
	"not HTTP":           "SSH-2.0-OpenSSH_9.2\n",
	"other protocol":     "HTTP/2.0 200 OK\nContent-Length: 1\n\na",
	"no status":          "HTTP/1.1\n\n",
	"status of two":      "HTTP/1.1 20 OK\n\n",
	"status of four":     "HTTP/1.1 2000 OK\n\n",
	"status of words":    "HTTP/1.1 abc OK\n\n",
	"nothing":            "",
	"more than its body": "HTTP/1.1 200 OK\nContent-Length: 5\n\nhelloHTTP/1.1 200 OK\nContent-Length: 1\n\nx",
	"huge header":        "HTTP/1.1 200 OK\nX-A: " + strings.Repeat("x", 100<<10) + "\n\n",
}

// stricter are the answers that are refused although http.Transport takes them.
var stricter = map[string]bool{"other protocol": true}

// What is made of an answer is what http.Transport makes of it.
func TestAnswersAreReadAsByNetHTTP(t *testing.T) {
	for name, raw := range answers {
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
			t.Run(name+" "+method, func(t *testing.T) {
				t.Parallel()
				var both [2]reading
				for i := range both {
					address := script(t, answer(lines(raw)))
					var body io.Reader
					if method == http.MethodPost {
						body = strings.NewReader("body")
					}
					r := request(t, method, "http://"+address+"/", body)
					if i == 0 {
						both[i] = read(newRig(t, address, nil).RoundTrip(r, &watcher{}))
						continue
					}
					theirs := &http.Transport{DisableCompression: true, DisableKeepAlives: true, MaxResponseHeaderBytes: 64 << 10}
					defer theirs.CloseIdleConnections()
					both[i] = read(theirs.RoundTrip(r))
				}
				if stricter[name] {
					assert.True(t, both[0].Failed)
					return
				}
				assert.Equal(t, both[1], both[0])
			})
		}
	}
}

// What an upstream sees of a request is what it sees when http.Transport sends it.
func TestRequestsAreSentAsByNetHTTP(t *testing.T) {
	type seen struct {
		Method, Target, Host, Body string
		Length                     int64
		Encoding                   []string
		Header, Trailer            http.Header
	}
	sightings := make(chan seen, 1)
	address, base := serve(t, true, func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		sightings <- seen{r.Method, r.RequestURI, r.Host, string(body), r.ContentLength, r.TransferEncoding, r.Header, r.Trailer}
	})
	long := strings.Repeat("0123456789abcdef", 40<<10)
	requests := map[string]func(*http.Request){
		"plain": func(*http.Request) {},
		"fields": func(r *http.Request) {
			r.Header["X-A"] = []string{"1", "2"}
			r.Header.Set("User-Agent", "curl/8")
			r.Host = "other.test"
		},
		"target":      func(r *http.Request) { r.URL.Opaque, r.URL.RawQuery = "/a%2Fb//c|d", "q=%zz&x" },
		"empty":       func(r *http.Request) { r.Body = http.NoBody },
		"length":      func(r *http.Request) { set(r, "hello", 5) },
		"chunked":     func(r *http.Request) { set(r, "hello", -1) },
		"no bytes":    func(r *http.Request) { set(r, "", -1) },
		"long":        func(r *http.Request) { set(r, long, int64(len(long))) },
		"long, too":   func(r *http.Request) { set(r, long, -1) },
		"long head":   func(r *http.Request) { set(r, "hello", -1); r.Header.Set("X-A", strings.Repeat("x", 30<<10)) },
		"longer head": func(r *http.Request) { set(r, long, -1); r.Header.Set("X-A", strings.Repeat("x", 60<<10)) },
		"trailers": func(r *http.Request) {
			set(r, "hello", -1)
			r.Trailer = http.Header{"X-T": nil}
			r.Body = &trailed{r.Body, r.Trailer}
		},
	}
	ours := newRig(t, address, nil)
	theirs := http.DefaultTransport.(*http.Transport).Clone()
	theirs.DisableCompression = true
	theirs.DialTLSContext = func(ctx context.Context, network, _ string) (net.Conn, error) { return dialTLS(ctx, address) }
	defer theirs.CloseIdleConnections()
	for name, change := range requests {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete, "PROPFIND"} {
			if name == "no bytes" && method != http.MethodPost && method != http.MethodPut {
				continue // http.Transport waits whether a byte comes, and then sends no body at all
			}
			t.Run(name+" "+method, func(t *testing.T) {
				var both [2]seen
				for i := range both {
					r := request(t, method, base+"/a?b=c", nil)
					change(r)
					var response *http.Response
					var err error
					if i == 0 {
						response, err = ours.RoundTrip(r, &watcher{})
					} else {
						response, err = theirs.RoundTrip(r)
					}
					require.NoError(t, err)
					_ = response.Body.Close()
					both[i] = <-sightings
				}
				assert.Equal(t, both[1], both[0])
			})
		}
	}
}

func set(r *http.Request, body string, length int64) {
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), length
}

// trailed fills its trailer in at its end.
type trailed struct {
	io.ReadCloser
	trailer http.Header
}

func (b *trailed) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.trailer["X-T"] = []string{"told"}
	}
	return n, err
}

func TestRequestsThatCouldBeTwoAreNotSent(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*http.Request){
		"value":  func(r *http.Request) { r.Header.Set("X-A", "1\r\nX-B: 2") },
		"name":   func(r *http.Request) { r.Header["X-A: 1\r\nX-B"] = []string{"2"} },
		"method": func(r *http.Request) { r.Method = "GET / HTTP/1.1\r\nX:" },
		"target": func(r *http.Request) { r.URL.Opaque = "/ HTTP/1.1\r\nX-A: 1" },
		"space":  func(r *http.Request) { r.URL.Opaque = "/a b" },
		"host":   func(r *http.Request) { r.Host = "a.test\r\nX-A: 1" },
		"announced": func(r *http.Request) {
			set(r, "x", -1)
			r.Trailer = http.Header{"X-T\r\nX-A: 1": nil}
		},
		"trailer": func(r *http.Request) {
			set(r, "x", -1)
			r.Trailer = http.Header{"X-T": {"1\r\nX-A: 1"}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			received := make(chan string, 1)
			address := script(t, func(_ net.Conn, from *bufio.Reader) {
				all, _ := io.ReadAll(from)
				received <- string(all)
			})
			r := request(t, http.MethodPost, "http://"+address+"/", nil)
			change(r)
			_, err := newRig(t, address, nil).RoundTrip(r, &watcher{})
			require.Error(t, err)
			assert.NotContains(t, err.Error(), "X-B: 2", "a value is not quoted")
			assert.NotContains(t, <-received, "\r\nX-A: 1\r\n")
		})
	}
}

func dialTLS(ctx context.Context, address string) (net.Conn, error) {
	return (&tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}).DialContext(ctx, "tcp", address)
}
