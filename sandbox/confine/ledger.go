package confine

import (
	"context"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"sync"
	"time"

	"sallyport/sandbox/catch"
)

const (
	// mostKinds bounds how many kinds of tries are told apart at a time.
	mostKinds = 4096
	// often is how often tries that were made again are told: each has its row, with their number.
	often = 15 * time.Second
	// last is how long the end of a run may take to tell what is left.
	last = 5 * time.Second
)

// Ledger has what a jail did not let out recorded: the first try of a kind at once, what is
// tried again by the same program with its number. It is safe for concurrent use.
type Ledger struct {
	tell func(ctx context.Context, authority, told string) error
	log  *slog.Logger

	mu     sync.Mutex
	counts map[catch.Attempt]int  // that are not told yet
	told   map[catch.Attempt]bool // since the last round
	news   chan struct{}
}

// NewLedger tells by tell.
func NewLedger(tell func(ctx context.Context, authority, told string) error, log *slog.Logger) *Ledger {
	return &Ledger{tell: tell, log: log, counts: map[catch.Attempt]int{}, told: map[catch.Attempt]bool{}, news: make(chan struct{}, 1)}
}

// Note takes a try. It never waits.
func (l *Ledger) Note(a catch.Attempt) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, known := l.counts[a]; !known && len(l.counts) >= mostKinds {
		a = catch.Attempt{Protocol: "others", Reason: "too many different tries to tell them apart"}
	}
	l.counts[a]++
	if !l.told[a] {
		select {
		case l.news <- struct{}{}:
		default:
		}
	}
}

// Run tells until ctx ends, and then what is left.
func (l *Ledger) Run(ctx context.Context) {
	round := time.NewTicker(often)
	defer round.Stop()
	for {
		select {
		case <-l.news:
			l.flush(ctx, false)
		case <-round.C:
			l.flush(ctx, true)
		case <-ctx.Done():
			ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), last)
			defer cancel()
			l.flush(ending, true)
			l.mu.Lock()
			defer l.mu.Unlock()
			if len(l.counts) > 0 {
				l.log.Error("what the jail did not let out is not all on record", "kinds", len(l.counts))
			}
			return
		}
	}
}

// flush tells what is new, or all that is not told.
func (l *Ledger) flush(ctx context.Context, all bool) {
	for a, count := range l.due(all) {
		authority, told := form(a, count)
		if err := l.tell(ctx, authority, told); err != nil {
			l.log.Warn("what the jail did not let out could not be recorded; trying again", "error", err)
			l.mu.Lock()
			l.counts[a] += count
			l.mu.Unlock()
			if ctx.Err() != nil {
				continue
			}
		}
	}
}

func (l *Ledger) due(all bool) map[catch.Attempt]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if all {
		clear(l.told)
	}
	due := map[catch.Attempt]int{}
	for a, count := range l.counts {
		if l.told[a] {
			continue
		}
		due[a] = count
		delete(l.counts, a)
		l.told[a] = true
	}
	return due
}

// form writes a try as the proxy reads it.
func form(a catch.Attempt, count int) (authority, told string) {
	v := url.Values{"protocol": {a.Protocol}, "reason": {a.Reason}, "count": {strconv.Itoa(count)}}
	if a.Program != "" {
		v.Set("program", a.Program)
	}
	authority = "none.invalid:1"
	switch host := a.Name; {
	case a.Protocol == "unix":
		v.Set("path", a.Name)
	case a.Address.IsValid() && a.Address.Port() != 0:
		if host == "" {
			host = a.Address.Addr().Unmap().WithZone("").String()
		}
		authority = net.JoinHostPort(host, strconv.Itoa(int(a.Address.Port())))
	case a.Address.IsValid():
		v.Set("path", a.Address.Addr().String())
	}
	return authority, v.Encode()
}
