package credentials

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"
)

// shown is the Maker of a certificate that upstreams ask for (mutual TLS): it is shown in the
// handshake, and nothing of it stands on a request.
type shown struct {
	of          *Credential
	certificate Source // with the certificates between it and its authority
	key         Source
	now         func() time.Time

	current atomic.Pointer[pairing] // of the last readings
}

// pairing is an injection and the readings that it was made of.
type pairing struct {
	certificate, key *Reading
	injection        *Injection
}

func decodeCertificate(s *Section, c *Credential) {
	m := &shown{of: c, certificate: s.Source("certificate"), key: s.Source("secret"), now: s.Now()}
	if m.now == nil {
		m.now = time.Now
	}
	c.Made(m, s.Hosts())
}

// Retrieve implements [Maker]: it is as it is now, and the same for every use.
func (m *shown) Retrieve(ctx context.Context, _ Use) (*Injection, error) {
	certificate, err := m.certificate.Read(ctx)
	if err != nil {
		return nil, fmt.Errorf("its certificate: %w", err)
	}
	key, err := m.key.Read(ctx)
	if err != nil {
		return nil, fmt.Errorf("its key: %w", err)
	}
	current := m.current.Load()
	if current == nil || current.certificate != certificate || current.key != key {
		injection, err := m.pair(certificate, key)
		if err != nil {
			return nil, err
		}
		current = &pairing{certificate, key, injection}
		m.current.Store(current)
	}
	if ends := current.injection.Certificate().Leaf.NotAfter; m.now().After(ends) {
		return nil, fmt.Errorf("its certificate ended at %s; put a new one in its place", ends.UTC().Format(time.RFC3339))
	}
	return current.injection, nil
}

// pair puts certificate and key together. What crypto/tls says of a pair that is none holds
// nothing of either.
func (m *shown) pair(certificate, key *Reading) (*Injection, error) {
	pair, err := tls.X509KeyPair(certificate.bytes(), key.bytes())
	if err != nil {
		return nil, fmt.Errorf("its certificate and key (both in PEM) are of no use together: %w", err)
	}
	text := string(key.bytes())
	return m.of.Assemble(Parts{Certificate: &pair, Traits: m.of.Traits(text, text)}), nil
}

// Check implements [Maker].
func (m *shown) Check(ctx context.Context, _ http.RoundTripper) (*Injection, error) {
	return m.Retrieve(ctx, Use{})
}
