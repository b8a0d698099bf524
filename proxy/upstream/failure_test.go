package upstream_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"

	"sallyport/proxy/upstream"
)

func TestFailuresHaveWordsOfTheirOwn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err     error
		want    string
		timeout bool
	}{
		{&net.DNSError{Err: "no such host", Name: "secret.internal"}, "dns_error", false},
		{&net.DNSError{Err: "timed out", IsTimeout: true}, "dns_error", false}, // before it is slow, it has no address
		{&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}, "tls_certificate_error", false},
		{context.DeadlineExceeded, "connection_timeout", true},
		{os.ErrDeadlineExceeded, "connection_timeout", true},
		{&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}, "connection_refused", false},
		{io.EOF, "connection_terminated", false},
		{io.ErrUnexpectedEOF, "connection_terminated", false},
		{syscall.ECONNRESET, "connection_terminated", false},
		{syscall.EPIPE, "connection_terminated", false},
		{errors.New("malformed answer from 10.1.2.3"), "destination_unavailable", false},
	} {
		got := upstream.FailureOf(fmt.Errorf("dial 10.1.2.3: %w", c.err))
		assert.Equal(t, c.want, got.ProxyError, "%v", c.err)
		assert.Equal(t, c.timeout, got.Timeout, "%v", c.err)
		assert.NotContains(t, got.Detail, "10.1.2.3")
		assert.NotContains(t, got.Detail, "secret")
		assert.NotEmpty(t, got.Detail)
	}
}
