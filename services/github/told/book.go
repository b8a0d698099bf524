package told

import (
	"crypto/sha256"
	"sync"
	"time"
)

// Bounds of a book, and how long it believes what it was told. A token is bound to a repository
// for an hour by GitHub itself, and a number is no better known than that.
const (
	NumberLife = time.Hour
	LinkLife   = 5 * time.Minute

	maxAgents  = 1024
	maxNumbers = 256 // of one agent
	maxLinks   = 128
	maxText    = 256 // bytes of a number, or of what it stands for
)

// Book is safe for concurrent use.
type Book struct {
	now func() time.Time

	mu      sync.Mutex
	agents  map[string]*page
	changed bool // since the last Snapshot
}

// page is what was told to one agent.
type page struct {
	numbers map[number]name
	links   map[[sha256.Size]byte]link // by the hash of the address, which holds a signature
	last    time.Time
}

type number struct {
	server string // "github.com"
	path   string // "repositories/7"
}

type name struct {
	path  string // "repos/acme/web"; "" if the number is known to have another name by now
	until time.Time
}

type link struct {
	server, by string
	until      time.Time
}

// New returns an empty book.
func New(now func() time.Time) *Book { return &Book{now: now, agents: map[string]*page{}} }

// Tell notes what a number stands for at a server: both are the beginning of a path, as in
// "repositories/7" and "repos/acme/web". It ends at until, or after [NumberLife] if that is sooner or until is zero. An
// empty name says that the number has another one than it had.
func (b *Book) Tell(agent, server, numbered, named string, until time.Time) {
	now := b.now()
	if latest := now.Add(NumberLife); until.IsZero() || until.After(latest) {
		until = latest
	}
	if agent == "" || !now.Before(until) || len(numbered) > maxText || len(named) > maxText {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	p, key := b.page(agent, now), number{server, numbered}
	if old, known := p.numbers[key]; known && old.until.After(until) {
		return // what was told later counts, whoever repeats what was told before
	}
	makeRoom(p.numbers, maxNumbers, func(n name) time.Time { return n.until })
	p.numbers[key] = name{named, until}
	b.changed = true
}

// Name returns what a number stands for, as an answer to this agent has told. known: it has
// been told of, whether or not its name is known by now.
func (b *Book) Name(agent, server, numbered string) (named string, known bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.agents[agent]
	if p == nil {
		return "", false
	}
	n, found := p.numbers[number{server, numbered}]
	if !found || !b.now().Before(n.until) {
		return "", false
	}
	return n.path, true
}

// Lead notes that a server has redirected the agent to an address, and in answer to what.
func (b *Book) Lead(agent, server, address, by string) {
	if agent == "" {
		return
	}
	now := b.now()
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.page(agent, now)
	makeRoom(p.links, maxLinks, func(l link) time.Time { return l.until })
	p.links[sha256.Sum256([]byte(address))] = link{server, by, now.Add(LinkLife)}
}

// Led returns which server has just redirected the agent to an address, and in answer to what,
// if one has.
func (b *Book) Led(agent, address string) (server, by string, led bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.agents[agent]
	if p == nil || len(p.links) == 0 {
		return "", "", false
	}
	l, found := p.links[sha256.Sum256([]byte(address))]
	return l.server, l.by, found && b.now().Before(l.until)
}

// page is the agent's, with room for it by whoever was told nothing for the longest time.
// b.mu is held.
func (b *Book) page(agent string, now time.Time) *page {
	p := b.agents[agent]
	if p == nil {
		makeRoom(b.agents, maxAgents, func(p *page) time.Time { return p.last })
		p = &page{numbers: map[number]name{}, links: map[[sha256.Size]byte]link{}}
		b.agents[agent] = p
	}
	p.last = now
	return p
}

// makeRoom drops the first to end of what is full.
func makeRoom[K comparable, V any](all map[K]V, most int, ends func(V) time.Time) {
	if len(all) < most {
		return
	}
	var first K
	var when time.Time
	for k, v := range all {
		if end := ends(v); when.IsZero() || end.Before(when) {
			first, when = k, end
		}
	}
	delete(all, first)
}
