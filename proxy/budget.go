package proxy

import (
	"fmt"
	"net/http"
	"time"

	"sallyport/audit"
	"sallyport/credentials"
	"sallyport/credentials/budget"
	"sallyport/services"
)

// budgetError is a request that its account has no room for now.
type budgetError struct {
	account credentials.Account
	limit   string
	after   time.Duration
}

func (e *budgetError) Error() string {
	return fmt.Sprintf("installation %d of %s is at its limit %s for %v", e.account.Installation, e.account.Server, e.limit, e.after.Round(time.Second))
}

// RetryAfter says when there may be room.
func (e *budgetError) RetryAfter() time.Duration { return e.after }

// admitTo takes one request from the account that the credential's token counts against.
func (x *exchange) admitTo(account credentials.Account) error {
	x.turn.Done() // of a retrieval before, if there was one
	turn, limit, after := x.p.budgets.Admit(account, x.ask())
	if turn == nil {
		return &budgetError{account, limit, after}
	}
	x.turn = turn
	return nil
}

// ask says which budget of its account the request counts against.
func (x *exchange) ask() budget.Ask {
	if v, ok := x.visit.(services.Budgeter); ok {
		return v.Ask(x.agent.key)
	}
	return budget.Ask{Agent: x.agent.key, Resource: "core"}
}

// account takes from an answer how the account stands now.
func (x *exchange) account(response *http.Response) {
	v, ok := x.visit.(services.Budgeter)
	if !ok {
		return
	}
	told := v.Told(response, x.p.now())
	x.turn.Answered(told)
	if told.Limit > 0 {
		x.found("rate_limit_remaining", int64(told.Remaining))
		x.found("rate_limit_resource", told.Resource)
	}
	x.backsOff(told)
}

func (x *exchange) backsOff(told budget.Answer) {
	if told.Backoff > 0 {
		x.found("rate_limit_backoff_s", int64(told.Backoff/time.Second))
	}
}

// watched records what was found in an answer while it passed by.
func (x *exchange) watched() {
	if x.watch == nil {
		return
	}
	f := x.watch.Close(func(texts []string) { x.injection.Scrub(http.Header{"": texts}) })
	for key, value := range f.Details {
		x.found(key, value)
	}
	if f.Account != nil {
		x.turn.Answered(*f.Account)
		x.backsOff(*f.Account)
	}
	if f.Rejected {
		x.outcome.Outcome = audit.OutcomeRejected
	}
	if x.outcome.Error == "" {
		x.outcome.Error = f.Error
	}
	for _, list := range f.Beside {
		if x.recordEvent(list.Type, list.Key, list.Items) != nil {
			return
		}
	}
}

// found puts something into the outcome's details.
func (x *exchange) found(key string, value any) {
	if x.outcome.Details == nil {
		x.outcome.Details = map[string]any{}
	}
	x.outcome.Details[key] = value
}

// overBudget says that an account has no room, and until when.
func (x *exchange) overBudget(err *budgetError) *refusal {
	detail := "What is left of the limit " + err.limit + " is shared, and this agent has had its share for now."
	if s, ok := x.generation.owner(x.generation.Credentials.Lookup(x.credential).Kind()).(services.Limiter); ok {
		var details map[string]any
		detail, details = s.Limited(err.account, err.limit)
		for key, value := range details {
			x.detail(key, value)
		}
	}
	return serviceLimit.causedBy(detail, err)
}

// RateLimits returns how the accounts stand that match.
func (p *Proxy) RateLimits(match func(credentials.Account) bool) map[credentials.Account][]budget.Standing {
	return p.budgets.Standings(match)
}
