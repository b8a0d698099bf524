package server

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"sallyport/certs"
	"sallyport/config"
	"sallyport/identity"
)

// The listener's certificate lives a week and is replaced at half that, so that
// a machine may sleep for days without meeting its end.
const (
	listenerTTL   = 7 * 24 * time.Hour
	listenerCheck = time.Hour
)

// listenerCertificate is the certificate that agents see. It is issued anew at
// each start, when its names change, and at half its life. Safe for concurrent use.
type listenerCertificate struct {
	ca     *certs.Authority
	now    func() time.Time
	leaf   atomic.Pointer[tls.Certificate]
	mu     sync.Mutex
	names  []string
	issued time.Time
}

func (l *listenerCertificate) current() *tls.Certificate { return l.leaf.Load() }

// issue makes sure that the certificate fits the configuration and is fresh.
func (l *listenerCertificate) issue(c *config.Config) error {
	use, err := l.prepare(c)
	if err == nil {
		use()
	}
	return err
}

// prepare issues a certificate if one is due; use puts it before agents.
func (l *listenerCertificate) prepare(c *config.Config) (use func(), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	names, now := c.ListenerNames(), l.now()
	if slices.Equal(names, l.names) && now.Before(l.issued.Add(listenerTTL/2)) && !now.Before(l.issued) {
		return func() {}, nil
	}
	spec := certs.ListenerSpec{URI: identity.ServerURI(c.TrustDomain), Names: names}
	made, err := l.ca.IssueListener(spec, listenerTTL, now)
	if err != nil {
		return nil, fmt.Errorf("issue the listener's certificate: %w", err)
	}
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.names, l.issued = names, now
		l.leaf.Store(&made.TLS)
	}, nil
}

// keepFresh reissues the certificate in time until ctx is done.
func (l *listenerCertificate) keepFresh(ctx context.Context, files *config.Store, log *slog.Logger) {
	tick := time.NewTicker(listenerCheck)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := l.issue(files.Current().Config); err != nil {
				log.Error("listener certificate not renewed", "error", err)
			}
		}
	}
}
