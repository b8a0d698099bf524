package config_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/certs"
	"sallyport/config"
)

// rooted is sallyport.yaml that trusts a file of roots.
func rooted(file string) string {
	return "trust_domain: agents.example.com\nupstream: {roots: [\"" + file + "\"]}\n"
}

func newRoot(t *testing.T, file, name string) {
	t.Helper()
	ca, err := certs.CreateAuthority(certs.Template{CommonName: name}, time.Now())
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, ca.CertificatePEM(), 0o600))
}

// Files that HOME only links to are watched where they are, however long the way; so are
// roots, which may lie anywhere.
func TestWatchFollowsWhatHomeRefersTo(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]func(t *testing.T, l config.Layout, elsewhere string) (change func()){
		"roots outside of HOME": func(t *testing.T, l config.Layout, elsewhere string) func() {
			file := filepath.Join(elsewhere, "root.pem")
			newRoot(t, file, "one")
			write(t, l, "sallyport.yaml", rooted(file))
			return func() { newRoot(t, file, "two") }
		},
		"a linked file": func(t *testing.T, l config.Layout, elsewhere string) func() {
			file := filepath.Join(elsewhere, "owners.yaml")
			require.NoError(t, os.Rename(l.Owners(), file))
			require.NoError(t, os.Symlink(file, l.Owners()))
			return func() { require.NoError(t, os.WriteFile(file, []byte("people: {eve: {name: Eve}}\n"), 0o600)) }
		},
		"a link to a link, in the middle": func(t *testing.T, l config.Layout, elsewhere string) func() {
			one, two := filepath.Join(elsewhere, "1.yaml"), filepath.Join(elsewhere, "2.yaml")
			require.NoError(t, os.WriteFile(one, []byte(goodPolicy), 0o600))
			require.NoError(t, os.WriteFile(two, []byte(otherPolicy), 0o600))
			middle := filepath.Join(elsewhere, "current")
			require.NoError(t, os.Symlink("1.yaml", middle))
			require.NoError(t, os.Remove(l.Policy("p")))
			require.NoError(t, os.Symlink(middle, l.Policy("p")))
			return func() {
				require.NoError(t, os.Symlink("2.yaml", middle+".new"))
				require.NoError(t, os.Rename(middle+".new", middle))
			}
		},
		"the folder of policies is a link that is moved": func(t *testing.T, l config.Layout, elsewhere string) func() {
			for name, text := range map[string]string{"a": goodPolicy, "b": otherPolicy} {
				require.NoError(t, os.Mkdir(filepath.Join(elsewhere, name), 0o700))
				require.NoError(t, os.WriteFile(filepath.Join(elsewhere, name, "p.yaml"), []byte(text), 0o600))
			}
			require.NoError(t, os.RemoveAll(l.Policies()))
			require.NoError(t, os.Symlink(filepath.Join(elsewhere, "a"), l.Policies()))
			return func() {
				require.NoError(t, os.Symlink(filepath.Join(elsewhere, "b"), l.Policies()+".new"))
				require.NoError(t, os.Rename(l.Policies()+".new", l.Policies()))
			}
		},
		"a mode": func(t *testing.T, l config.Layout, _ string) func() {
			return func() { require.NoError(t, os.Chmod(l.Credentials(), 0o644)) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := files(t, map[string]string{"policies/p.yaml": goodPolicy})
			change := set(t, l, t.TempDir())
			s, err := config.OpenStore(l, options())
			require.NoError(t, err)
			awaitChange(t, s, change)
		})
	}
}

// Roots that a reload names are watched from then on, and a folder that was gone is found again.
func TestWatchLearnsWhatToWatch(t *testing.T) {
	t.Parallel()
	s, l := openStore(t)
	elsewhere := filepath.Join(t.TempDir(), "late")
	require.NoError(t, os.Mkdir(elsewhere, 0o700))
	file := filepath.Join(elsewhere, "root.pem")
	newRoot(t, file, "one")
	changes := watch(t, s)
	write(t, l, "sallyport.yaml", rooted(file))
	assert.EqualValues(t, 2, changes.next(t))
	newRoot(t, file, "two")
	assert.EqualValues(t, 3, changes.next(t))

	require.NoError(t, os.RemoveAll(l.Policies()))
	changes.fails(t, "policies: no such file")
	require.NoError(t, os.Mkdir(l.Policies(), 0o700))
	write(t, l, "policies/p.yaml", goodPolicy)
	changes.mended(t)
	assert.EqualValues(t, 3, s.Current().Number, "the files are again what is in force")
	write(t, l, "policies/p.yaml", otherPolicy)
	assert.EqualValues(t, 4, changes.next(t))
}

// looks is what the looks of a watcher found, one after another.
type looks struct {
	store *config.Store
	found chan config.Reloaded
	errs  chan error
}

// watch runs a watcher until the test ends; it returns when everything is watched.
func watch(t *testing.T, s *config.Store) *looks {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	l := &looks{store: s, found: make(chan config.Reloaded, 100), errs: make(chan error, 100)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Watch(ctx, func() {
			r, err := s.Reload(commit)
			l.errs <- err
			l.found <- r
		}, func(err error) { t.Error(err) })
	}()
	t.Cleanup(func() { cancel(); <-done })
	l.look(t)
	return l
}

// look waits for the next look.
func (l *looks) look(t *testing.T) (config.Reloaded, error) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	select {
	case err := <-l.errs:
		return <-l.found, err
	case <-deadline:
		require.Fail(t, "nothing was noticed")
		return config.Reloaded{}, nil
	}
}

// next is the number of the next set that comes into force.
func (l *looks) next(t *testing.T) uint64 {
	t.Helper()
	for {
		if r, _ := l.look(t); r.Changed {
			return r.Set.Number
		}
	}
}

// fails waits for a look that finds a mistake.
func (l *looks) fails(t *testing.T, want string) {
	t.Helper()
	for {
		if _, err := l.look(t); err != nil {
			require.ErrorContains(t, err, want)
			return
		}
	}
}

// mended waits for a look that finds none any more.
func (l *looks) mended(t *testing.T) {
	t.Helper()
	for {
		if _, err := l.look(t); err == nil {
			return
		}
	}
}
