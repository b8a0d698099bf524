// Package budget keeps how much accounts may still ask of a service, as the service's
// answers say, and shares it among the agents that use an account.
//
// It promises that
//
//   - when the service says to back off, whoever asks for the account is told at once how
//     long to wait; nothing is queued;
//   - as long as more than half of a budget is left, anybody may take from it; after that
//     the rest is divided by the agents at work and by the time until the budget is whole
//     again, so that an agent which asks without end leaves the others their share, and one
//     that comes later finds its own;
//   - what agents do not use of it goes, as time passes, to those who ask for more.
//
// It knows budgets that answers tell and, for services that count by the minute without
// telling, one that it counts itself. It never waits, and never makes a request.
package budget

import (
	"sync"
	"time"
)

// Bounds of what is remembered.
const (
	atWork      = 5 * time.Minute // since an agent's last request
	forgetAfter = time.Hour       // an agent, and an account without a budget
	burstShare  = 20              // of its share of what is left, an agent may take this part at once
)

// Limits are what a service allows an account beside what its answers tell. The zero
// Limits are none.
type Limits struct {
	Minute     int // points in a minute
	Concurrent int // requests under way
}

// Ask is one request that wants to go out.
type Ask struct {
	Agent    string
	Resource string // the budget that it counts against: "core"
	Points   int    // against Limits.Minute; 0: it counts against no budget, and only waits for what is backed off
	Limits   Limits
}

// Answer is what an answer says of the account's budget. The zero Answer says nothing.
type Answer struct {
	Resource         string // "" if it names none
	Limit, Remaining int    // Limit is 0 if it tells of no budget
	Reset            time.Time
	Backoff          time.Duration // the account must not ask for so long; 0 if it may
}

// Standing is how an account stands.
type Standing struct {
	Resource         string
	Limit, Remaining int
	Reset            time.Time
	Agents           int       // at work
	Until            time.Time // backed off; zero if it is not
}

// Budgets are those of many accounts. It is safe for concurrent use.
type Budgets[K comparable] struct {
	now func() time.Time

	mu       sync.Mutex
	accounts map[K]*account
}

// New returns Budgets that know nothing. now is time.Now.
func New[K comparable](now func() time.Time) *Budgets[K] {
	return &Budgets[K]{now: now, accounts: map[K]*account{}}
}

// account is one account's budgets.
type account struct {
	until   time.Time          // backed off
	budgets map[string]*window // by resource, as told
	minutes map[string]*window // by resource, as counted
	agents  map[string]*agent
	flying  int // requests under way
	used    time.Time
}

// window is one budget: what may be taken until it is whole again.
type window struct {
	limit, remaining int
	reset            time.Time
	flying           int                  // requests under way, which remaining may not have in it
	next             map[string]time.Time // when each agent's share has room again (GCRA)
}

type agent struct {
	used   time.Time
	flying int
}

// Turn is leave to send one request. Done must be called when it is over.
type Turn[K comparable] struct {
	budgets *Budgets[K]
	account *account
	agent   *agent  // nil if it counts against no budget, or is over
	window  *window // that it is under way in; nil once an answer has told
}

// Admit gives an agent leave to send one request of the account. Without it, after says
// when to try again, and which limit that is.
func (b *Budgets[K]) Admit(key K, ask Ask) (turn *Turn[K], limit string, after time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	a := b.account(key, now)
	if wait := a.until.Sub(now); wait > 0 {
		return nil, "backoff", wait
	}
	turn = &Turn[K]{budgets: b, account: a}
	if ask.Points == 0 {
		return turn, "", 0
	}
	one := a.agent(ask.Agent, now)
	if a.crowded(one, ask.Limits.Concurrent, now) {
		return nil, "concurrent", time.Second
	}
	told, minute := a.budgets[ask.Resource], a.minute(ask, now)
	if wait := told.wait(a, ask.Agent, 1, now); wait > 0 {
		return nil, ask.Resource, wait
	}
	if wait := minute.wait(a, ask.Agent, ask.Points, now); wait > 0 {
		return nil, "minute", wait
	}
	told.take(a, ask.Agent, 1, now)
	minute.take(a, ask.Agent, ask.Points, now)
	if minute != nil {
		minute.remaining -= ask.Points
	}
	if told != nil {
		told.flying++
	}
	a.flying++
	one.flying++
	turn.agent, turn.window = one, told
	return turn, "", 0
}

func (b *Budgets[K]) account(key K, now time.Time) *account {
	a := b.accounts[key]
	if a == nil {
		for key, old := range b.accounts {
			if old.flying == 0 && now.Sub(old.used) > forgetAfter && now.After(old.until) {
				delete(b.accounts, key)
			}
		}
		a = &account{budgets: map[string]*window{}, minutes: map[string]*window{}, agents: map[string]*agent{}}
		b.accounts[key] = a
	}
	a.used = now
	return a
}

func (a *account) agent(id string, now time.Time) *agent {
	one := a.agents[id]
	if one == nil {
		for id, old := range a.agents {
			if old.flying == 0 && now.Sub(old.used) > forgetAfter {
				delete(a.agents, id)
			}
		}
		one = &agent{}
		a.agents[id] = one
	}
	one.used = now
	return one
}

// active counts the agents at work. It is asked only where there is a share to reckon.
func (a *account) active(now time.Time) (n int) {
	for _, one := range a.agents {
		if one.flying > 0 || now.Sub(one.used) <= atWork {
			n++
		}
	}
	return max(n, 1)
}

// crowded: from half of the places on, each agent has its share of them.
func (a *account) crowded(one *agent, places int, now time.Time) bool {
	if places == 0 || a.flying < places/2 {
		return false
	}
	return a.flying >= places || one.flying >= max(1, places/a.active(now))
}

func (a *account) minute(ask Ask, now time.Time) *window {
	if ask.Limits.Minute == 0 {
		return nil
	}
	w := a.minutes[ask.Resource]
	if w == nil || !now.Before(w.reset) {
		w = newWindow(ask.Limits.Minute, ask.Limits.Minute, now.Add(time.Minute))
		a.minutes[ask.Resource] = w
	}
	return w
}

func newWindow(limit, remaining int, reset time.Time) *window {
	return &window{limit: limit, remaining: remaining, reset: reset, next: map[string]time.Time{}}
}

// left is what may still be taken for certain.
func (w *window) left() int { return w.remaining - w.flying }

// scarce reports whether the budget is shared by now.
func (w *window) scarce(now time.Time) bool {
	return w != nil && now.Before(w.reset) && w.left() <= w.limit/2
}

// wait is how long an agent has to wait until its share has room.
func (w *window) wait(a *account, agent string, points int, now time.Time) time.Duration {
	if !w.scarce(now) {
		return 0
	}
	whole := w.reset.Sub(now)
	if w.left() < points {
		return whole
	}
	_, burst := w.pace(a, now)
	return min(w.next[agent].Add(-burst).Sub(now), whole)
}

// take moves the moment at which the agent's share has room again (the generic cell rate
// algorithm, ITU-T I.371).
func (w *window) take(a *account, agent string, points int, now time.Time) {
	if !w.scarce(now) {
		return
	}
	pace, _ := w.pace(a, now)
	next := w.next[agent]
	if next.Before(now) {
		next = now
	}
	w.next[agent] = next.Add(pace * time.Duration(points))
}

// pace is the time in which one point is an agent's share, and how far ahead of it the
// agent may be.
func (w *window) pace(a *account, now time.Time) (pace, burst time.Duration) {
	active, left := a.active(now), max(w.left(), 1)
	pace = w.reset.Sub(now) * time.Duration(active) / time.Duration(left)
	return pace, pace * time.Duration(left/active/burstShare)
}

// Answered takes what an answer says. It may be called at any time until Done.
func (t *Turn[K]) Answered(answer Answer) {
	if t == nil {
		return
	}
	b, a := t.budgets, t.account
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	if until := now.Add(answer.Backoff); answer.Backoff > 0 && until.After(a.until) {
		a.until = until
	}
	if answer.Limit <= 0 || answer.Resource == "" || !answer.Reset.After(now) {
		return
	}
	// Answers overtake each other: within one window the least that was said counts.
	const slack = 5 * time.Second // times are told by the second
	w := a.budgets[answer.Resource]
	if w == nil || answer.Reset.After(w.reset.Add(slack)) {
		a.budgets[answer.Resource] = newWindow(answer.Limit, answer.Remaining, answer.Reset)
		return
	}
	w.limit, w.remaining = answer.Limit, min(w.remaining, answer.Remaining)
	if t.window == w {
		w.flying--
		t.window = nil // it is in what remains
	}
}

// Done ends the turn. A second call does nothing.
func (t *Turn[K]) Done() {
	if t == nil {
		return
	}
	b := t.budgets
	b.mu.Lock()
	defer b.mu.Unlock()
	if t.agent == nil {
		return
	}
	t.account.flying--
	t.agent.flying--
	if t.window != nil {
		t.window.flying--
	}
	t.agent, t.window = nil, nil
}

// Standings returns how an account stands, a budget each; one without a name if nothing
// but a backoff is known.
func (b *Budgets[K]) Standings(match func(K) bool) map[K][]Standing {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	all := map[K][]Standing{}
	for key, a := range b.accounts {
		if !match(key) {
			continue
		}
		var until time.Time
		if a.until.After(now) {
			until = a.until
		}
		list := []Standing{}
		for resource, w := range a.budgets {
			if now.Before(w.reset) {
				list = append(list, Standing{resource, w.limit, max(w.left(), 0), w.reset, a.active(now), until})
			}
		}
		if len(list) == 0 && !until.IsZero() {
			list = append(list, Standing{Agents: a.active(now), Until: until})
		}
		all[key] = list
	}
	return all
}
