package wire_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"

	"sallyport/proxy/wire"
)

// hosts answers with the Host field as sent, or with what is ambiguous.
func hosts(w http.ResponseWriter, r *http.Request) {
	field, fault := wire.SessionOf(r).Framing(r).Host(r)
	f := wire.NewFlow(w, r)
	defer f.Close()
	if fault != nil {
		f.CloseAfter()
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, fault.Detail)
		return
	}
	_, _ = io.Copy(io.Discard, f.Ahead(r.Body))
	_, _ = io.WriteString(w, field)
}

// net/http repairs what these say, and would have a handler believe that all is well.
func TestTwoReadingsOfAHeadAreFoundOut(t *testing.T) {
	t.Parallel()
	r := newRig(t, &house{handler: hosts})
	for said, want := range map[string]string{
		"GET / HTTP/1.1\r\nHost: example.test\r\n\r\n":                                                              "example.test",
		"GET https://example.test/ HTTP/1.1\r\nHost: other.test\r\n\r\n":                                            "other.test",
		"POST / HTTP/1.1\r\nHost: example.test\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n": "The header section is ambiguous: both Content-Length and Transfer-Encoding are present (RFC 9112 section 6.1).",
		"GET / HTTP/1.1\nHost: example.test\n\n":                                                                    "The header section is ambiguous: a header line ends without a carriage return (RFC 9112 section 2.2).",
		"GET / HTTP/1.1\r\nHost: example.test\r\nX: a\r\n b\r\n\r\n":                                                "The header section is ambiguous: a header line is folded (RFC 9112 section 5.2).",
	} {
		_, text := ask(t, r.connect("example.test", "http/1.1"), said)
		assert.Equal(t, want, text, "%q", said)
	}
}

// The head of a request that was sent before its turn was not seen by itself.
func TestARequestSentTooEarlyIsNotTrusted(t *testing.T) {
	t.Parallel()
	r := newRig(t, &house{handler: hosts})
	conn := r.connect("example.test", "http/1.1")
	_, text := ask(t, conn, "POST /1 HTTP/1.1\r\nHost: example.test\r\nContent-Length: 1\r\n\r\nx"+
		"POST /2 HTTP/1.1\r\nHost: example.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
	assert.Equal(t, "example.test", text)
	_, text = ask(t, conn, "")
	assert.Equal(t, "The request was sent before the one before it was answered, so its framing cannot be checked.", text)
}

func TestAuthoritiesOnRecordHoldNoUserInformation(t *testing.T) {
	t.Parallel()
	_, err := wire.ParseAuthority("user:secret@example.test:443", 0)
	assert.ErrorContains(t, err, "user information")
	assert.NotContains(t, err.Error(), "secret")
	a, err := wire.ParseAuthority("Example.test", 443)
	assert.NoError(t, err)
	assert.Equal(t, "example.test:443", a.String())
}
