package enrol

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"sallyport/identity/join"
)

// askTime bounds one request to the listener.
const askTime = 30 * time.Second

// RefusedError is the listener's answer that something is not granted.
type RefusedError struct {
	Why, Try string
	// Final says that the same request is never granted.
	Final bool
}

func (e *RefusedError) Error() string { return e.Why }

// Hint says what to try.
func (e *RefusedError) Hint() string { return e.Try }

// ask sends one message and reads the identity that is the answer. Each request has a
// connection of its own: the next one comes in half an hour, with another certificate.
func ask(ctx context.Context, address, path string, config *tls.Config, message any) (join.Identity, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	body, err := json.Marshal(message)
	if err != nil {
		return join.Identity{}, fmt.Errorf("write the request: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+address+path, bytes.NewReader(body))
	if err != nil {
		return join.Identity{}, fmt.Errorf("enrolment listener %s: %w", address, err)
	}
	request.Header.Set("Content-Type", "application/json")
	transport := &http.Transport{TLSClientConfig: config, DisableKeepAlives: true, Proxy: nil}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return join.Identity{}, fmt.Errorf("ask the enrolment listener %s: %w", address, err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(io.LimitReader(response.Body, join.MaxAnswer))
	if err != nil {
		return join.Identity{}, fmt.Errorf("read the answer of the enrolment listener %s: %w", address, err)
	}
	if response.StatusCode == http.StatusOK {
		var identity join.Identity
		if err := json.Unmarshal(data, &identity); err != nil {
			return join.Identity{}, fmt.Errorf("the enrolment listener %s answers what cannot be read: %w", address, err)
		}
		return identity, nil
	}
	var problem join.Problem
	if json.Unmarshal(data, &problem) != nil || problem.Error == "" {
		return join.Identity{}, fmt.Errorf("the enrolment listener %s answers %s", address, response.Status)
	}
	return join.Identity{}, &RefusedError{Why: problem.Error, Try: problem.Hint, Final: problem.Final}
}

// pinned accepts a listener that shows the authority with this hash, and a certificate of it
// that names the proxy.
func pinned(hash string) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		// Nothing but the hash is known yet: verifyPinned replaces the library's verification.
		InsecureSkipVerify: true, //nolint:gosec,forbidigo // see verifyPinned
		VerifyConnection:   func(state tls.ConnectionState) error { return verifyPinned(state, hash) },
	}
}

var errNotPinned = errors.New("this is not the listener that the token is for: it does not show the token's authority")

func verifyPinned(state tls.ConnectionState, hash string) error {
	if len(state.PeerCertificates) < 2 {
		return errNotPinned
	}
	leaf, authority := state.PeerCertificates[0], state.PeerCertificates[len(state.PeerCertificates)-1]
	if join.Hash(authority) != hash || !authority.IsCA || len(authority.URIs) != 1 {
		return errNotPinned
	}
	roots := x509.NewCertPool()
	roots.AddCert(authority)
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}); err != nil {
		return fmt.Errorf("verify the listener's certificate: %w", err)
	}
	// Agents hold certificates of the same authority: none of them may play the listener.
	if want := "spiffe://" + authority.URIs[0].Host + "/sallyport"; len(leaf.URIs) != 1 || leaf.URIs[0].String() != want {
		return fmt.Errorf("the listener's certificate does not name %s", want)
	}
	return nil
}
