package config_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/certs"
	"sallyport/config"
)

const (
	goodPolicy  = "policy: p\nrules: []\n"
	otherPolicy = "policy: p\ndescription: changed\nrules: []\n"
	badPolicy   = "policy: p\nrulez: []\n"
)

func commit(*config.Set) error { return nil }

func openStore(t *testing.T) (*config.Store, config.Layout) {
	t.Helper()
	l := files(t, map[string]string{"policies/p.yaml": goodPolicy})
	s, err := config.OpenStore(l, options())
	require.NoError(t, err)
	return s, l
}

func TestReloadSwapsWholeSetsOnly(t *testing.T) {
	t.Parallel()
	s, l := openStore(t)
	r, err := s.Reload(commit)
	require.NoError(t, err)
	assert.Equal(t, config.Reloaded{Set: s.Current()}, r)

	write(t, l, "policies/p.yaml", otherPolicy)
	write(t, l, "owners.yaml", "people: {eve: {name: Eve}}\n")
	r, err = s.Reload(commit)
	require.NoError(t, err)
	assert.True(t, r.Changed)
	assert.EqualValues(t, 2, s.Current().Number)
	assert.True(t, s.Current().Owners.Has("person:eve"))

	// One file is broken, another would be right: neither comes into force.
	write(t, l, "policies/p.yaml", badPolicy)
	write(t, l, "owners.yaml", "people: {mallory: {name: Mallory}}\n")
	r, err = s.Reload(commit)
	require.ErrorContains(t, err, "p.yaml:2: rulez: ")
	assert.True(t, r.News)
	assert.False(t, s.Current().Owners.Has("person:mallory"))
	assert.Equal(t, err, s.Err())

	// The same mistake is told to whoever asks, but is no news.
	r, err = s.Reload(commit)
	require.Error(t, err)
	assert.False(t, r.News)

	write(t, l, "policies/p.yaml", otherPolicy)
	r, err = s.Reload(commit)
	require.NoError(t, err)
	assert.True(t, r.Changed)
	assert.EqualValues(t, 3, s.Current().Number)
	require.NoError(t, s.Err())
}

func TestReloadForgivesAMistakeTakenBack(t *testing.T) {
	t.Parallel()
	s, l := openStore(t)
	write(t, l, "policies/p.yaml", badPolicy)
	_, err := s.Reload(commit)
	require.Error(t, err)
	write(t, l, "policies/p.yaml", goodPolicy)
	r, err := s.Reload(func(*config.Set) error { return errors.New("nothing is new, so nothing is committed") })
	require.NoError(t, err)
	assert.False(t, r.Changed)
	assert.True(t, r.News)
	assert.EqualValues(t, 1, s.Current().Number)
	require.NoError(t, s.Err())
}

func TestReloadTriesAgainWhatCouldNotBeCommitted(t *testing.T) {
	t.Parallel()
	s, l := openStore(t)
	write(t, l, "policies/p.yaml", otherPolicy)
	fail := func(*config.Set) error { return errors.New("the trail is full") }
	r, err := s.Reload(fail)
	require.ErrorContains(t, err, "the trail is full")
	assert.True(t, r.News)
	assert.EqualValues(t, 1, s.Current().Number)
	r, err = s.Reload(fail)
	require.Error(t, err)
	assert.False(t, r.News)
	r, err = s.Reload(commit)
	require.NoError(t, err)
	assert.True(t, r.Changed)
}

func TestReloadSeesModesAndRoots(t *testing.T) {
	t.Parallel()
	s, l := openStore(t)
	require.NoError(t, os.Chmod(l.Credentials(), 0o666))
	_, err := s.Reload(commit)
	require.ErrorContains(t, err, "other users may write it")
	require.NoError(t, os.Chmod(l.Credentials(), 0o600))
	_, err = s.Reload(commit)
	require.NoError(t, err)

	// The bytes of a root file belong to the set, wherever it lies.
	root := filepath.Join(t.TempDir(), "root.pem")
	writeRoot := func(name string) {
		ca, err := certs.CreateAuthority(certs.Template{CommonName: name}, time.Now())
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(root, ca.CertificatePEM(), 0o600))
	}
	writeRoot("one")
	write(t, l, "sallyport.yaml", "trust_domain: agents.example.com\nupstream: {roots: [{file: \""+root+"\", hosts: [\"*.example.com\"]}]}\n")
	r, err := s.Reload(commit)
	require.NoError(t, err)
	before := r.Set.Config.Upstream.Roots[0].PEM
	writeRoot("two")
	r, err = s.Reload(commit)
	require.NoError(t, err)
	assert.True(t, r.Changed)
	assert.NotEqual(t, before, r.Set.Config.Upstream.Roots[0].PEM)
	assert.Equal(t, root, r.Set.Files[0].Path)
	assert.Equal(t, string(r.Set.Config.Upstream.Roots[0].PEM), r.Set.Files[0].Text)

	require.NoError(t, os.Chmod(root, 0o606))
	_, err = config.Load(l, options())
	require.ErrorContains(t, err, "anyone may write it (mode 0606), and so be any upstream")
}

func TestReloadKeepsWhatIsFixedAtTheStart(t *testing.T) {
	t.Parallel()
	s, l := openStore(t)
	write(t, l, "sallyport.yaml", "trust_domain: other.example\n")
	_, err := s.Reload(commit)
	require.ErrorContains(t, err, "trust_domain: was agents.example.com when the server started")
	write(t, l, "sallyport.yaml", "trust_domain: agents.example.com\nlisten: :1\nhealth: {listen: \":2\"}\naudit: {durability: fsync}\n")
	r, err := s.Reload(commit)
	require.NoError(t, err)
	for i, key := range []string{"listen", "health.listen", "audit.durability"} {
		assert.Contains(t, r.Set.Warnings[i], key+" changed; it takes effect when the server is started again")
	}
}

// TestWatch makes each kind of change and waits until the watcher notices, well
// before its poll would.
func TestWatch(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*testing.T, config.Layout){
		"written in place": func(t *testing.T, l config.Layout) { write(t, l, "policies/p.yaml", otherPolicy) },
		"saved by rename": func(t *testing.T, l config.Layout) {
			write(t, l, "policies/.p.yaml.tmp", otherPolicy)
			require.NoError(t, os.Rename(filepath.Join(l.Policies(), ".p.yaml.tmp"), l.Policy("p")))
		},
		"policy added":   func(t *testing.T, l config.Layout) { write(t, l, "policies/q.yaml", "policy: q\nrules: []\n") },
		"policy removed": func(t *testing.T, l config.Layout) { require.NoError(t, os.Remove(l.Policy("p"))) },
		"owners":         func(t *testing.T, l config.Layout) { write(t, l, "owners.yaml", "people: {eve: {name: Eve}}\n") },
		"policies folder replaced": func(t *testing.T, l config.Layout) {
			require.NoError(t, os.Rename(l.Policies(), l.Policies()+".old"))
			require.NoError(t, os.Mkdir(l.Policies(), 0o700))
			write(t, l, "policies/p.yaml", otherPolicy)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, l := openStore(t)
			awaitChange(t, s, func() { change(t, l) })
		})
	}
}

// TestWatchFollowsConfigMaps lays the folder out as the kubelet does: files link
// to ..data/FILE, ..data links to a dated folder, and a change swaps ..data.
func TestWatchFollowsConfigMaps(t *testing.T) {
	t.Parallel()
	l := files(t, map[string]string{"policies/p.yaml": ""})
	mount := t.TempDir()
	version := func(name, content string) {
		require.NoError(t, os.Mkdir(filepath.Join(mount, name), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(mount, name, "p.yaml"), []byte(content), 0o600))
		require.NoError(t, os.Symlink(name, filepath.Join(mount, "..tmp")))
		require.NoError(t, os.Rename(filepath.Join(mount, "..tmp"), filepath.Join(mount, "..data")))
	}
	version("..2026_01", goodPolicy)
	require.NoError(t, os.Symlink("..data/p.yaml", filepath.Join(mount, "p.yaml")))
	require.NoError(t, os.Remove(l.Policies()))
	require.NoError(t, os.Symlink(mount, l.Policies()))
	s, err := config.OpenStore(l, options())
	require.NoError(t, err)
	awaitChange(t, s, func() { version("..2026_02", otherPolicy) })
	require.NoError(t, os.RemoveAll(filepath.Join(mount, "..2026_01")))
	awaitChange(t, s, func() { version("..2026_03", goodPolicy) })
}

// awaitChange starts the watcher, makes a change, and waits for the reload.
func awaitChange(t *testing.T, s *config.Store, change func()) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	looked, changed := make(chan struct{}, 100), make(chan struct{}, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Watch(ctx, func() {
			if r, _ := s.Reload(commit); r.Changed {
				changed <- struct{}{}
			}
			looked <- struct{}{}
		}, func(err error) { t.Error(err) })
	}()
	defer func() { cancel(); <-done }()
	<-looked // the first look is after the watches are set
	change()
	select {
	case <-changed:
	case <-ctx.Done():
		t.Error("the change was not noticed")
	}
}

// Sets come into force one after another, whoever reloads, each committed once and before it
// decides; nobody sees half of one.
func TestReloadsAtTheSameTime(t *testing.T) {
	t.Parallel()
	s, l := openStore(t)
	var committed []uint64
	record := func(set *config.Set) error {
		assert.Equal(t, set.Number, s.Current().Number+1, "the one before still decides")
		committed = append(committed, set.Number) // one at a time, or the race detector says so
		return nil
	}
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for n := range 5 {
				text := fmt.Sprintf("policy: p\ndescription: %d-%d\nrules: []\n", i, n)
				file := filepath.Join(l.Policies(), fmt.Sprintf(".%d", i))
				assert.NoError(t, os.WriteFile(file, []byte(text), 0o600))
				assert.NoError(t, os.Rename(file, l.Policy("p")))
				r, err := s.Reload(record)
				assert.NoError(t, err)
				assert.NotNil(t, r.Set.Policies["p"])
			}
		})
	}
	all.Wait()
	_, err := s.Reload(record)
	require.NoError(t, err)
	require.NotEmpty(t, committed)
	for i, number := range committed {
		assert.EqualValues(t, i+2, number)
	}
	assert.Equal(t, committed[len(committed)-1], s.Current().Number)
}

// A mistake in any file leaves all of the last good set in force, and is told until it is gone.
func TestTheLastGoodSetStays(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ file, text, want string }{
		"a key":                     {"sallyport.yaml", "trust_domain: agents.example.com\nlistn: x\n", "sallyport.yaml:2: listn: unknown key"},
		"owners":                    {"owners.yaml", "people: {dana: {nam: D}}\n", "owners.yaml:1: people.dana.nam: unknown key"},
		"a credential":              {"credentials.yaml", "credentials:\n  key: {kind: bearr, secret: {file: key}, hosts: [a.example]}\n", "credentials.yaml:2: "},
		"a rule":                    {"policies/p.yaml", "policy: p\nrules:\n  - {name: r, alow: {host: a.example}}\n", "p.yaml:3: "},
		"a name":                    {"policies/p.yaml", "policy: q\nrules: []\n", "p.yaml:1: policy: "},
		"a credential that is gone": {"policies/p.yaml", "policy: p\nrules:\n  - {name: r, allow: {host: a.example}, credential: gone}\n", `p.yaml:3: rules[r].credential: credentials.yaml has no credential "gone"`},
		"a cut file":                {"policies/p.yaml", "policy: p\nrules: [", "p.yaml:"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, l := openStore(t)
			before := s.Current()
			write(t, l, c.file, c.text)
			write(t, l, "policies/new.yaml", "policy: new\nrules: []\n")
			for range 2 {
				_, err := s.Reload(commit)
				require.ErrorContains(t, err, filepath.Join(l.Dir, filepath.Dir(c.file))+"/")
				require.ErrorContains(t, err, c.want)
				assert.Equal(t, err, s.Err())
				assert.Same(t, before, s.Current())
			}
		})
	}
}

// A file that cannot be read any more is a mistake like another.
func TestAFileThatGoesAwayIsAMistake(t *testing.T) {
	t.Parallel()
	s, l := openStore(t)
	require.NoError(t, os.Remove(l.Owners()))
	r, err := s.Reload(commit)
	require.ErrorContains(t, err, "owners.yaml: no such file")
	assert.True(t, r.News)
	assert.True(t, s.Current().Owners.Has("person:dana"))
	write(t, l, "owners.yaml", "people: {eve: {name: Eve}}\n")
	r, err = s.Reload(commit)
	require.NoError(t, err)
	assert.True(t, r.Changed)
}
