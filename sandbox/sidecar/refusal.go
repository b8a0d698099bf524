package sidecar

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

// A refusal is an answer of the sidecar itself. Its type and its name in
// Proxy-Status differ from the proxy's, because the trail knows nothing of it.
type refusal struct {
	status int
	word   string // of the type urn:sallyport:sidecar:WORD
	token  string // the error of Proxy-Status (RFC 9209, section 2.3)
	title  string
	detail string
	hint   string
}

func (r *refusal) Error() string { return r.detail }

func unauthorized(sent bool) *refusal {
	detail := "the sidecar's password is missing"
	if sent {
		detail = "the sidecar's user or password is wrong"
	}
	return &refusal{
		http.StatusProxyAuthRequired, "password", "http_request_denied", "Proxy authentication required", detail,
		"use the proxy URL that sallyport sidecar printed, user and password included",
	}
}

func unreadable(err *headError) *refusal {
	return &refusal{err.status, "malformed", "http_request_error", "Malformed proxy request", err.detail, err.hint}
}

func unreachable(proxy string, err error) *refusal {
	return &refusal{
		http.StatusBadGateway, "unreachable", "destination_unavailable", "Sallyport cannot be reached",
		fmt.Sprintf("connect to the proxy at %s: %v", proxy, err),
		"check that sallyport serve is running there; try again later",
	}
}

func untrusted(proxy string, err error) *refusal {
	return &refusal{
		http.StatusBadGateway, "untrusted", "tls_certificate_error", "This is not Sallyport",
		fmt.Sprintf("the server at %s is not the proxy of this identity: %v", proxy, err),
		"check --proxy, and that ca.crt in the identity folder comes from that server",
	}
}

func rejected(proxy, reason string) *refusal {
	return &refusal{
		http.StatusBadGateway, "rejected", "connection_terminated", "Sallyport closed the connection",
		fmt.Sprintf("the proxy at %s ended the connection without an answer: %s", proxy, reason),
		"the agent may be revoked or its certificate expired; `sallyport agent show` tells, `sallyport agent renew` makes a new certificate",
	}
}

func silent(proxy string) *refusal {
	return &refusal{
		http.StatusGatewayTimeout, "silent", "connection_timeout", "Sallyport does not answer",
		"the proxy at " + proxy + " accepted the connection but did not answer CONNECT in time",
		"check the health of sallyport serve; try again later",
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
	b = append(b, "Proxy-Status: sallyport-sidecar; error="+r.token+"\r\n"...)
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
