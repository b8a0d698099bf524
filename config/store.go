package config

import (
	"slices"
	"sync"
	"sync/atomic"
)

// Store holds the set in force. Reading it is one atomic load; a reload
// replaces it whole or not at all.
type Store struct {
	layout  Layout
	options Options
	current atomic.Pointer[Set]

	failed atomic.Pointer[error] // what is wrong with the files as they were judged last; nil if they are in force

	mu   sync.Mutex // held over a whole reload, so that sets come into force in order
	seen digest     // the state of the files that was judged last
}

// OpenStore loads the first set, which must be right.
func OpenStore(l Layout, o Options) (*Store, error) {
	set, seen, err := load(l, o, nil)
	if err != nil {
		return nil, err
	}
	set.Number = 1
	s := &Store{layout: l, options: o, seen: seen}
	s.current.Store(set)
	return s, nil
}

// Current returns the set in force.
func (s *Store) Current() *Set { return s.current.Load() }

// Err returns why the files as they are now are not in force; nil if they are.
func (s *Store) Err() error {
	if err := s.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// Reloaded says what a reload did.
type Reloaded struct {
	Set     *Set // in force now
	Changed bool // the set is new
	News    bool // the files are not as they were at the last reload: worth a line in the log
}

// Reload parses the files if they changed since they were last judged, and
// puts them in force if they are right. commit is called with the new set just
// before; if it fails, the old set stays and the next reload tries again. The
// error is what keeps the files as they are now from being in force.
func (s *Store) Reload(commit func(*Set) error) (Reloaded, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.current.Load()
	set, seen, err := load(s.layout, s.options, &s.seen)
	if set == nil && err == nil {
		return Reloaded{Set: old}, s.Err()
	}
	s.seen = seen
	if err == nil {
		err = sameTrust(s.layout, old, set)
	}
	if err != nil {
		s.failed.Store(&err)
		return Reloaded{Set: old, News: true}, err
	}
	if seen == old.digest { // a mistake was taken back
		s.failed.Store(nil)
		return Reloaded{Set: old, News: true}, nil
	}
	set.Number = old.Number + 1
	set.Warnings = append(set.Warnings, needsRestart(old.Config, set.Config)...)
	if err := commit(set); err != nil {
		before := s.Err()
		s.seen = digest{}
		s.failed.Store(&err)
		return Reloaded{Set: old, News: before == nil || before.Error() != err.Error()}, err
	}
	s.failed.Store(nil)
	s.current.Store(set)
	return Reloaded{Set: set, Changed: true, News: true}, nil
}

// sameTrust refuses a change that cannot be made while running: with another
// trust domain no certificate would be valid any more.
func sameTrust(l Layout, old, now *Set) error {
	if old.Config.TrustDomain == now.Config.TrustDomain {
		return nil
	}
	return &fileError{
		File: l.Config(), Key: "trust_domain",
		Msg:  "was " + old.Config.TrustDomain + " when the server started and when its certificates were issued",
		Hint: "put it back; another trust domain needs a new HOME",
	}
}

// needsRestart names the keys that are read once, at the start.
func needsRestart(old, now *Config) []string {
	var keys []string
	for _, k := range []struct {
		key     string
		changed bool
	}{
		{"listen", old.Listen != now.Listen},
		{"health.listen", old.HealthListen != now.HealthListen},
		{"audit.durability", old.Durability != now.Durability},
		{"audit.publish", !slices.EqualFunc(old.Publish, now.Publish, Place.equal)},
		{"audit.max_unpublished", old.MaxUnpublished != now.MaxUnpublished},
	} {
		if k.changed {
			keys = append(keys, "sallyport.yaml: "+k.key+" changed; it takes effect when the server is started again")
		}
	}
	return keys
}
