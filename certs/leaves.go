package certs

import (
	"container/list"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"sallyport/internal/host"
)

// leafLifetime is how long a leaf is valid from now on. With what it is back-dated by, that is
// far below the 825 days that Apple's systems bear.
const leafLifetime = 24 * time.Hour

// Leaves issues the certificates with which intercepted tunnels are answered,
// and keeps them: at most size, the least recently used going first, each until
// half its life is over. All share one key, which never leaves the process. It
// is safe for concurrent use; a name asked for by many at once is signed once.
type Leaves struct {
	ca   *Authority
	size int
	now  func() time.Time
	key  func() (*ecdsa.PrivateKey, error)

	flights singleflight.Group // by name

	mu           sync.Mutex
	byName       map[host.Name]*list.Element
	recent       *list.List // of *leaf, the most recently used in front
	issued, hits uint64
}

// leaf is immutable.
type leaf struct {
	name               host.Name
	notBefore, renewAt time.Time
	cert               *tls.Certificate
}

// NewLeaves returns an empty cache of at most size leaves issued by ca; a size
// below 1 counts as 1.
func NewLeaves(ca *Authority, size int, now func() time.Time) *Leaves {
	return &Leaves{
		ca:   ca,
		size: max(size, 1),
		now:  now,
		key: sync.OnceValues(func() (*ecdsa.PrivateKey, error) {
			return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		}),
		byName: map[host.Name]*list.Element{},
		recent: list.New(),
	}
}

// Certificate returns a certificate for exactly this name or address. It is
// shared and must not be modified.
func (l *Leaves) Certificate(name host.Name) (*tls.Certificate, error) {
	if cert := l.cached(name, true); cert != nil {
		return cert, nil
	}
	cert, err, _ := l.flights.Do(name.String(), func() (any, error) {
		// Another flight may have landed between the look above and this one.
		if cert := l.cached(name, false); cert != nil {
			return cert, nil
		}
		return l.issue(name)
	})
	if err != nil {
		return nil, fmt.Errorf("issue leaf for %q: %w", name, err)
	}
	return cert.(*tls.Certificate), nil
}

// Stats returns the number of leaves kept, and how many were issued and how
// many served from the cache so far.
func (l *Leaves) Stats() (size int, issued, hits uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.recent.Len(), l.issued, l.hits
}

func (l *Leaves) cached(name host.Name, count bool) *tls.Certificate {
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	element := l.byName[name]
	if element == nil {
		return nil
	}
	leaf := element.Value.(*leaf)
	// A clock that was set back counts too, or the leaf would be refused.
	if now.Before(leaf.notBefore) || !now.Before(leaf.renewAt) {
		return nil
	}
	if count {
		l.hits++
	}
	l.recent.MoveToFront(element)
	return leaf.cert
}

func (l *Leaves) issue(name host.Name) (*tls.Certificate, error) {
	key, err := l.key()
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	if name == (host.Name{}) {
		return nil, errors.New("no name")
	}
	template := &x509.Certificate{
		Subject:     leafSubject(name),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	addName(template, name)
	now := l.now()
	signed, err := l.ca.signEnd(template, key.Public(), now.Add(-serverBackdate), now.Add(leafLifetime), now)
	if err != nil {
		return nil, err
	}
	// Leaf stays nil: a server does not read its own, and the parsed form is
	// several times the size of the encoded one.
	cert := &tls.Certificate{Certificate: [][]byte{signed.Raw}, PrivateKey: key}
	l.keep(&leaf{
		name:      name,
		notBefore: signed.NotBefore,
		renewAt:   now.Add(signed.NotAfter.Sub(now) / 2),
		cert:      cert,
	})
	return cert, nil
}

// keep puts a new leaf in front and drops the last one if there are too many.
func (l *Leaves) keep(fresh *leaf) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.issued++
	if element := l.byName[fresh.name]; element != nil {
		element.Value = fresh
		l.recent.MoveToFront(element)
		return
	}
	l.byName[fresh.name] = l.recent.PushFront(fresh)
	if l.recent.Len() > l.size {
		last := l.recent.Remove(l.recent.Back()).(*leaf)
		delete(l.byName, last.name)
	}
}
