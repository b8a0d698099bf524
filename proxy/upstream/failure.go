package upstream

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"syscall"
)

// Failure is why there is no answer, in words for the agent. They are fixed ones: the
// error itself may hold addresses, and what an upstream has sent.
type Failure struct {
	ProxyError string // its type in Proxy-Status (RFC 9209 section 2.3)
	Detail     string // a sentence
	Timeout    bool   // it took too long; otherwise something went wrong
}

// FailureOf finds the words for an error of RoundTrip, or of reading its answer.
func FailureOf(err error) Failure {
	var dns *net.DNSError
	var verification *tls.CertificateVerificationError
	var timeout net.Error
	var parent *ParentError
	switch {
	case errors.As(err, &parent):
		return Failure{ProxyError: "destination_unavailable", Detail: "The proxy through which upstreams are reached did not let the request through: it answered " + strconv.Itoa(parent.Status) + "."}
	case errors.As(err, &dns):
		return Failure{ProxyError: "dns_error", Detail: "The host's name could not be resolved."}
	case errors.As(err, &verification):
		return Failure{ProxyError: "tls_certificate_error", Detail: "The upstream's certificate could not be verified."}
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, os.ErrDeadlineExceeded):
		return Failure{ProxyError: "connection_timeout", Detail: "The upstream did not answer in time.", Timeout: true}
	case errors.Is(err, syscall.ECONNREFUSED):
		return Failure{ProxyError: "connection_refused", Detail: "The upstream refused the connection."}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return Failure{ProxyError: "connection_terminated", Detail: "The upstream broke the connection off."}
	}
	return Failure{ProxyError: "destination_unavailable", Detail: "The upstream could not be reached."}
}
