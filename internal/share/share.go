// Package share divides an amount of something, such as memory for bodies, among parties
// that do not trust each other.
//
// It promises that all together never hold more than there is, one party never more than
// its most, and never more than what is left for the others: a party that takes all it can
// get leaves as much as it has, so that one which holds nothing still gets something. It
// never waits.
package share

import "sync"

// Pool is what is shared. It is safe for concurrent use.
type Pool struct {
	total, most int64

	mu   sync.Mutex
	used int64
	held map[string]int64 // by who holds it; nobody is listed with nothing
}

// NewPool shares total, of which one party gets most at the most.
func NewPool(total, most int64) *Pool {
	return &Pool{total: total, most: most, held: map[string]int64{}}
}

// take takes n for who, if there is room.
func (p *Pool) take(who string, n int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	holds := p.held[who] + n
	if holds > p.most || p.used+n > p.total || holds > p.total-p.used {
		return false
	}
	p.used += n
	p.held[who] = holds
	return true
}

func (p *Pool) giveBack(who string, n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.used -= n
	if p.held[who] -= n; p.held[who] <= 0 {
		delete(p.held, who)
	}
}

// Used is how much is held by all.
func (p *Pool) Used() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.used
}

// Lease is what one party holds for one purpose. The zero Lease holds nothing and gets
// nothing. It is safe for concurrent use.
type Lease struct {
	pool *Pool
	who  string

	mu    sync.Mutex
	n     int64
	ended bool
}

// Lease begins one that holds nothing yet.
func (p *Pool) Lease(who string) *Lease { return &Lease{pool: p, who: who} }

// Take takes n more, if there is room.
func (l *Lease) Take(n int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pool == nil || l.ended || n > 0 && !l.pool.take(l.who, n) {
		return false
	}
	l.n += max(n, 0)
	return true
}

// Give gives n back, of what is held.
func (l *Lease) Give(n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n = min(n, l.n); n > 0 {
		l.pool.giveBack(l.who, n)
		l.n -= n
	}
}

// Keep gives back what is held above n.
func (l *Lease) Keep(n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n = max(n, 0); l.n > n {
		l.pool.giveBack(l.who, l.n-n)
		l.n = n
	}
}

// End gives everything back. What is asked for afterwards is not given.
func (l *Lease) End() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.n > 0 {
		l.pool.giveBack(l.who, l.n)
	}
	l.n, l.ended = 0, true
}
