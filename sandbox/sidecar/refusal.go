package sidecar

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// A refusal is an answer of the sidecar itself. Its type and its name in
// Proxy-Status differ from the proxy's, because the trail knows nothing of it.
type refusal struct {
	status      int
	word        string // of the type urn:sallyport:sidecar:WORD
	proxyStatus string // the error of Proxy-Status (RFC 9209, section 2.3)
	title       string
	detail      string
	hint        string

	private string // what the log says in place of detail; "" for detail
}

// The words of refusals that are counted: their causes are clients.
const (
	wordPassword  = "password"
	wordMalformed = "malformed"
	wordCaller    = "caller"
)

func (r *refusal) Error() string { return r.detail }

func unauthorized(sent bool) *refusal {
	detail := "the sidecar's password is missing"
	if sent {
		detail = "the sidecar's user or password is wrong"
	}
	return &refusal{
		status: http.StatusProxyAuthRequired, word: wordPassword, proxyStatus: "http_request_denied",
		title: "Proxy authentication required", detail: detail,
		hint: "use the proxy URL that sallyport sidecar printed, user and password included",
	}
}

func unreadable(err *headError) *refusal {
	return &refusal{
		status: err.status, word: wordMalformed, proxyStatus: "http_request_error",
		title: "Malformed proxy request", detail: err.detail, hint: err.hint,
	}
}

func unreachable(proxy string, err error) *refusal {
	return &refusal{
		status: http.StatusBadGateway, word: "unreachable", proxyStatus: "destination_unavailable", title: "Sallyport cannot be reached",
		detail: fmt.Sprintf("connect to the proxy at %s: %v", proxy, err),
		hint:   "check that sallyport serve is running there; try again later",
	}
}

func untrusted(proxy string, err error) *refusal {
	hint := "check --proxy, and that ca.crt in the identity folder comes from that server"
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired {
		hint = "set this machine's clock, which says " + time.Now().UTC().Format(time.RFC3339) + "; if it is right, look at the server's"
	}
	return &refusal{
		status: http.StatusBadGateway, word: "untrusted", proxyStatus: "tls_certificate_error", title: "This is not Sallyport",
		detail: fmt.Sprintf("the server at %s is not the proxy of this identity: %v", proxy, err),
		hint:   hint,
	}
}

func rejected(proxy, reason string) *refusal {
	return &refusal{
		status: http.StatusBadGateway, word: "rejected", proxyStatus: "connection_terminated", title: "Sallyport closed the connection",
		detail: fmt.Sprintf("the proxy at %s ended the connection without an answer: %s", proxy, reason),
		hint:   "the agent may be revoked or its certificate expired; `sallyport agent show` tells, `sallyport agent renew` makes a new certificate",
	}
}

func silent(proxy string) *refusal {
	return &refusal{
		status: http.StatusGatewayTimeout, word: "silent", proxyStatus: "connection_timeout", title: "Sallyport does not answer",
		detail: "the proxy at " + proxy + " accepted the connection but did not answer CONNECT in time",
		hint:   "check the health of sallyport serve; try again later",
	}
}

// response renders the refusal as an HTTP/1.1 answer with a problem document
// (RFC 9457). With keep the client may send its next request on the connection.
func (r *refusal) response(keep, withoutBody bool) []byte {
	body, err := json.Marshal(struct {
		Type   string `json:"type"`
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
		Hint   string `json:"hint"`
	}{"urn:sallyport:sidecar:" + r.word, r.title, r.status, r.detail, r.hint})
	if err != nil {
		panic(err) // strings and an int always encode
	}
	b := fmt.Appendf(nil, "HTTP/1.1 %d %s\r\n", r.status, http.StatusText(r.status))
	b = append(b, "Content-Type: application/problem+json\r\nCache-Control: no-store\r\nContent-Length: "...)
	b = append(strconv.AppendInt(b, int64(len(body)), 10), "\r\n"...)
	b = append(b, "Proxy-Status: sallyport-sidecar; error="+r.proxyStatus+"\r\n"...)
	if r.status == http.StatusProxyAuthRequired {
		b = append(b, "Proxy-Authenticate: Basic realm=\"sallyport sidecar\"\r\n"...)
	}
	if !keep {
		b = append(b, "Connection: close\r\n"...)
	}
	b = append(b, "\r\n"...)
	if withoutBody {
		return b
	}
	return append(b, body...)
}
