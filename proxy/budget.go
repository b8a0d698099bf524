package proxy

import (
	"fmt"
	"time"

	"sallyport/credentials"
	"sallyport/credentials/budget"
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

// RateLimits returns how the accounts stand that match.
func (p *Proxy) RateLimits(match func(credentials.Account) bool) map[credentials.Account][]budget.Standing {
	return p.budgets.Standings(match)
}
