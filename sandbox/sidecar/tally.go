package sidecar

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"
)

// tellEvery is how often at most a line of the log says what was refused, and the proxy is told.
const tellEvery = time.Minute

// lastTell bounds telling the proxy at the sidecar's end.
const lastTell = time.Second

// byProxy is the word for what the proxy has refused and a client of SOCKS cannot be told.
const byProxy = "proxy"

// A tally counts what is refused: anybody on this host can make such connections, as many
// as they like, and the first is said at once.
type tally struct {
	news chan struct{}

	mu       sync.Mutex
	counts   map[string]int // by the refusal's word, since they were last told; guarded by mu
	last     string         // what was said of the newest; guarded by mu
	since    time.Time      // of the oldest; guarded by mu
	followed bool           // somebody tells; guarded by mu
}

func newTally() *tally { return &tally{news: make(chan struct{}, 1), counts: map[string]int{}} }

// add counts one.
func (t *tally) add(word, what string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.counts) == 0 {
		t.since = time.Now()
	}
	t.counts[word]++
	t.last = what
	select {
	case t.news <- struct{}{}:
	default:
	}
}

// take returns what has come together, and begins anew.
func (t *tally) take() (counts map[string]int, last string, since time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	counts, t.counts = t.counts, map[string]int{}
	return counts, t.last, t.since
}

// follow reports whether the caller is the one who tells, until leave.
func (t *tally) follow() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	first := !t.followed
	t.followed = true
	return first
}

func (t *tally) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.followed = false
}

// count takes a refusal into the tally if it is of a client, and not of the proxy's state,
// which note tells.
func (s *Sidecar) count(no *refusal) {
	switch no.word {
	case wordPassword, wordCaller:
	case wordMalformed:
		if no.status == http.StatusRequestTimeout {
			return // clients open connections ahead of their need
		}
	default:
		return
	}
	what := no.detail
	if no.private != "" {
		what = no.private
	}
	s.refused.add(no.word, what)
}

// account tells what is refused: the first at once, what follows once a minute.
func (s *Sidecar) account(ctx context.Context) {
	if !s.refused.follow() {
		return
	}
	defer s.refused.leave()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.refused.news:
		}
		s.tellRefused(ctx, tellTimeout)
		select {
		case <-ctx.Done():
			return
		case <-time.After(tellEvery):
		}
	}
}

// tellRefused has the log say what was refused, and the proxy record it.
func (s *Sidecar) tellRefused(ctx context.Context, within time.Duration) {
	counts, last, since := s.refused.take()
	if len(counts) == 0 {
		return
	}
	told := url.Values{"seconds": {strconv.Itoa(int(time.Since(since).Seconds()))}}
	fields := []any{"last", last}
	for _, word := range []string{wordPassword, wordMalformed, wordCaller, byProxy} {
		if n := counts[word]; n > 0 {
			fields = append(fields, word, n)
			told.Set(word, strconv.Itoa(n))
		}
	}
	s.log.Warn("clients are refused", fields...)
	if told.Del(byProxy); len(told) == 1 {
		return // the proxy knows
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	if err := s.tell(ctx, nowhere, refusedField, told.Encode(), http.StatusNoContent); err != nil {
		s.log.Warn("the proxy was not told what is refused here", "error", err)
	}
}
