package proxy

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"sallyport/credentials"
	"sallyport/credentials/budget"
	github "sallyport/services/github/api"
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

// Points of GitHub's secondary limits ("Rate limits for the REST API").
const (
	readPoints  = 1
	writePoints = 5
)

// ask says which of GitHub's budgets the request counts against. What is no request to
// its API counts against none.
func (x *exchange) ask() budget.Ask {
	ask := budget.Ask{Agent: x.agent.id.String(), Resource: "core"}
	c := x.classified
	if c == nil || c.surface != github.API && c.surface != github.Uploads {
		return ask
	}
	ask.Points = readPoints
	if x.r.Method != http.MethodGet && x.r.Method != http.MethodHead && x.r.Method != http.MethodOptions {
		ask.Points = writePoints
	}
	if len(c.operations) > 0 {
		switch name := c.operations[0].Name; {
		case strings.HasPrefix(name, "graphql/"):
			ask.Resource, ask.Points = "graphql", readPoints
			if strings.HasPrefix(name, "graphql/mutation.") {
				ask.Points = writePoints
			}
		case name == "search/code":
			ask.Resource = "code_search"
		case strings.HasPrefix(name, "search/"):
			ask.Resource = "search"
		}
	}
	if !c.service.Enterprise() {
		ask.Limits = budget.GitHub(ask.Resource)
	}
	return ask
}

// account takes from GitHub's answer how the account stands now.
func (x *exchange) account(response *http.Response) {
	if x.classified == nil || x.classified.surface == github.NotGitHub {
		return
	}
	told := budget.ReadGitHub(response.StatusCode, response.Header, x.p.now())
	x.turn.Answered(told)
	if told.Limit > 0 {
		x.found("rate_limit_remaining", int64(told.Remaining))
		x.found("rate_limit_resource", told.Resource)
	}
	if told.Backoff > 0 {
		x.found("rate_limit_backoff_s", int64(told.Backoff/time.Second))
	}
	refused := response.StatusCode == http.StatusForbidden || response.StatusCode == http.StatusTooManyRequests
	switch {
	case x.isDocument() && response.StatusCode == http.StatusOK:
		x.watch = &github.GraphQLAnswer{}
	case refused && told.Backoff == 0 && x.turn != nil:
		x.watch = &beginningOf{gzip: strings.EqualFold(response.Header.Get("Content-Encoding"), "gzip")}
	}
}

// isDocument reports whether the request is a GraphQL document, whose answer says in its
// body what went wrong.
func (x *exchange) isDocument() bool {
	c := x.classified
	return c != nil && c.surface == github.API && len(c.operations) > 0 && strings.HasPrefix(c.operations[0].Name, "graphql/")
}

// watched says what was found in an answer while it passed by.
func (x *exchange) watched() {
	switch watch := x.watch.(type) {
	case *github.GraphQLAnswer:
		errors := watch.Errors()
		if len(errors) == 0 {
			return
		}
		x.injection.Scrub(http.Header{"": errors})
		list := make([]any, len(errors))
		for i, text := range errors {
			list[i] = text
		}
		x.found("graphql_errors", list)
		if x.outcome.Error == "" {
			x.outcome.Error = "GraphQL: " + errors[0]
		}
	case *github.ReportReader:
		x.pushed(watch.Close())
	case *beginningOf:
		told := budget.SecondaryGitHub(watch.text())
		x.turn.Answered(told)
		if told.Backoff > 0 {
			x.found("rate_limit_backoff_s", int64(told.Backoff/time.Second))
		}
	}
}

// beginningOf keeps the beginning of an answer.
type beginningOf struct {
	gzip bool
	kept []byte
}

const maxBeginning = 4 << 10

func (b *beginningOf) Write(p []byte) (int, error) {
	b.kept = append(b.kept, p[:min(len(p), maxBeginning-len(b.kept))]...)
	return len(p), nil
}

// text is what it says, as far as it was kept.
func (b *beginningOf) text() []byte {
	if !b.gzip {
		return b.kept
	}
	z, err := gzip.NewReader(bytes.NewReader(b.kept))
	if err != nil {
		return nil
	}
	text, _ := io.ReadAll(io.LimitReader(z, maxBeginning)) // what is cut off says nothing more
	return text
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
	x.detail("limit", "github "+err.limit)
	x.detail("installation_id", err.account.Installation)
	detail := "GitHub asks to go slower, for all that use this installation."
	if err.limit != "backoff" {
		detail = "What is left of GitHub's limit (" + err.limit + ") is shared by the agents that use this installation, and this agent has had its share for now."
	}
	return serviceLimit.causedBy(detail, err)
}

// RateLimits returns how the accounts stand that match.
func (p *Proxy) RateLimits(match func(credentials.Account) bool) map[credentials.Account][]budget.Standing {
	return p.budgets.Standings(match)
}
