package server

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"

	"github.com/google/uuid"

	"sallyport/admin"
	"sallyport/audit"
	"sallyport/audit/trail"
	"sallyport/certs"
	"sallyport/config"
	"sallyport/credentials"
	"sallyport/identity"
	"sallyport/internal/hint"
)

// stores is everything below HOME, open for writing under the lock. One process
// has it at a time: the server, or a command while no server runs.
type stores struct {
	layout         config.Layout
	lock           *admin.Lock
	files          *config.Store
	agentCA        *certs.Authority
	interceptionCA *certs.Authority
	registry       *identity.Registry
	trail          *trail.Writer
	tokens         *credentials.Tokens
}

// openStores takes the lock and opens everything, or nothing.
func openStores(ctx context.Context, e Environment, log *slog.Logger) (*stores, error) {
	l, err := e.Layout()
	if err != nil {
		return nil, err
	}
	if err := l.CheckState(); err != nil {
		return nil, err
	}
	s := &stores{layout: l}
	if s.lock, err = admin.Acquire(l.Lock()); err != nil {
		return nil, err
	}
	if err := s.open(ctx, e, log); err != nil {
		return nil, errors.Join(err, s.close(context.WithoutCancel(ctx)))
	}
	return s, nil
}

func (s *stores) open(ctx context.Context, e Environment, log *slog.Logger) error {
	if err := s.openFiles(e); err != nil {
		return err
	}
	return s.openDatabases(ctx, e, log)
}

// openFiles reads the files and the authorities, which takes no lock: others may read them, too.
func (s *stores) openFiles(e Environment) error {
	options, err := e.Options(s.layout)
	if err != nil {
		return err
	}
	s.tokens = options.Tokens
	if s.files, err = config.OpenStore(s.layout, options); err != nil {
		return err
	}
	return s.openAuthorities()
}

// openDatabases opens what only the holder of the lock may write.
func (s *stores) openDatabases(ctx context.Context, e Environment, log *slog.Logger) (err error) {
	if s.registry, err = identity.Open(ctx, s.layout.Registry(), e.Now); err != nil {
		return err
	}
	s.trail, err = trail.Open(ctx, trail.Config{
		Path: s.layout.Trail(), Durability: s.files.Current().Config.Durability,
		Instance: InstanceName(), Log: log, Now: e.Now,
		Key: s.layout.TrailKey(), Origin: s.files.Current().Config.TrustDomain,
	})
	return err
}

// close closes in the reverse order of opening; what was not opened is nil.
func (s *stores) close(ctx context.Context) error {
	var errs []error
	if s.trail != nil {
		errs = append(errs, s.trail.Close(ctx))
	}
	if s.registry != nil {
		errs = append(errs, s.registry.Close())
	}
	return errors.Join(append(errs, s.unlock())...)
}

// unlock lets another process have the stores.
func (s *stores) unlock() error {
	if s.lock == nil {
		return nil
	}
	lock := s.lock
	s.lock = nil
	return lock.Release()
}

func (s *stores) openAuthorities() (err error) {
	if s.agentCA, err = certs.LoadAuthority(s.layout.AgentCA()); err != nil {
		return err
	}
	if s.interceptionCA, err = certs.LoadAuthority(s.layout.InterceptionCA()); err != nil {
		return err
	}
	domain := s.files.Current().Config.TrustDomain
	uris := s.agentCA.Certificate().URIs
	if want := "spiffe://" + domain; len(uris) != 1 || uris[0].String() != want {
		cert, _ := s.layout.AgentCA()
		return hint.With(
			fmt.Errorf("%s: trust_domain: is %s, but %s was made for %s", s.layout.Config(), domain, cert, uris),
			"put the trust domain back; another one needs a new HOME",
		)
	}
	return nil
}

func (s *stores) view() admin.View {
	set := s.files.Current()
	return admin.View{
		TrustDomain: set.Config.TrustDomain, Policies: set.Policies,
		Owners: set.Owners, Credentials: set.Credentials,
	}
}

// exchange reads one row of the trail, as any process may.
func (s *stores) exchange(ctx context.Context, id uuid.UUID) (x audit.Exchange, err error) {
	reader, err := trail.OpenReader(s.layout.Trail())
	if err != nil {
		return audit.Exchange{}, err
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	x, _, err = reader.Show(ctx, id)
	return x, err
}

// FingerprintKeySize is the length of state/fingerprint.key in bytes.
const FingerprintKeySize = 32

func readFingerprintKey(l config.Layout) ([]byte, error) {
	key, err := os.ReadFile(l.FingerprintKey())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, hint.With(fmt.Errorf("%s: no such file", l.FingerprintKey()), "run `sallyport init`")
	}
	if err != nil {
		return nil, fmt.Errorf("read fingerprint key: %w", err)
	}
	if len(key) != FingerprintKeySize {
		return nil, hint.With(fmt.Errorf("%s: has %d bytes instead of %d", l.FingerprintKey(), len(key), FingerprintKeySize),
			"restore it from a backup, or remove it and run `sallyport init`; fingerprints of fixed secrets then start anew")
	}
	return key, nil
}

// InstanceName makes a name that tells the runs of one machine, and machines, apart in the trail.
func InstanceName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "sallyport"
	}
	suffix := make([]byte, 4)
	_, _ = rand.Read(suffix) // never fails (crypto/rand.Read)
	return host + "-" + hex.EncodeToString(suffix)
}

// fingerprints are the authorities' by the SHA-256 of their certificates, as browsers and
// openssl show it.
func (s *stores) fingerprints() map[string]any {
	of := func(a *certs.Authority) string {
		sum := sha256.Sum256(a.Certificate().Raw)
		return hex.EncodeToString(sum[:])
	}
	return map[string]any{"agent": of(s.agentCA), "interception": of(s.interceptionCA)}
}
