package proxy

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"strings"

	"sallyport/internal/authfield"
)

// sendAnew has a body that was printed anew leave in the place of the agent's, which has
// been read to its end: what was judged is what is sent. What described the agent's body
// ends here, as do its trailers: it would no longer fit.
func (x *exchange) sendAnew(body []byte, media string) {
	r := x.r.WithContext(x.r.Context()) // the server keeps its own
	r.Header = make(http.Header, len(x.r.Header))
	for name, values := range x.r.Header {
		if !describesBody(name) {
			r.Header[name] = values
		}
	}
	r.Header["Content-Type"] = []string{media}
	r.Header["Content-Length"] = []string{strconv.Itoa(len(body))} // for the row; what is sent is framed by its length
	r.Body, r.ContentLength, r.Trailer = io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil
	x.r = r
}

// describesBody reports whether a field speaks of the body that it came with: of its
// form, length, coding or part (RFC 9110 section 8), of its hash (RFC 9530), of a
// signature over that (RFC 9421), or of the wish to be asked before it is sent.
func describesBody(name string) bool {
	name = authfield.FoldHeader(name)
	switch name {
	case "Digest", "Repr-Digest", "Signature", "Signature-Input", "Expect":
		return true
	}
	return strings.HasPrefix(name, "Content-")
}
