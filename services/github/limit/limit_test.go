package limit_test

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"sallyport/credentials/budget"
	"sallyport/services/github/limit"
)

func TestWhatAnswersSayOfBudgets(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	date := now.Add(20 * time.Minute) // GitHub's clock is ahead
	told := func(remaining string) http.Header {
		return http.Header{
			"Date": {date.Format(http.TimeFormat)}, "X-Ratelimit-Limit": {"5000"}, "X-Ratelimit-Remaining": {remaining},
			"X-Ratelimit-Reset": {strconv.FormatInt(date.Add(time.Minute).Unix(), 10)}, "X-Ratelimit-Resource": {"core"},
		}
	}
	with := func(h http.Header, name, value string) http.Header {
		h.Set(name, value)
		return h
	}
	budgetOf := func(remaining int) budget.Answer {
		return budget.Answer{Resource: "core", Limit: 5000, Remaining: remaining, Reset: now.Add(time.Minute)}
	}
	backedOff := func(a budget.Answer, d time.Duration) budget.Answer {
		a.Backoff = d
		return a
	}
	for name, c := range map[string]struct {
		status int
		header http.Header
		want   budget.Answer
	}{
		"nothing":                     {200, http.Header{}, budget.Answer{}},
		"a budget":                    {200, told("4999"), budgetOf(4999)},
		"nonsense":                    {200, told("-1"), budget.Answer{}},
		"the budget is used up":       {403, told("0"), budgetOf(0)},
		"used up, as 429":             {429, told("0"), budgetOf(0)},
		"secondary, saying when":      {403, with(told("4000"), "Retry-After", "30"), backedOff(budgetOf(4000), 30*time.Second)},
		"secondary, as 429":           {429, told("4000"), backedOff(budgetOf(4000), time.Minute)},
		"an ordinary 403":             {403, told("4000"), budgetOf(4000)},
		"Retry-After of another kind": {503, http.Header{"Retry-After": {"30"}}, budget.Answer{}},
	} {
		assert.Equal(t, c.want, limit.Read(c.status, c.header, now), name)
	}
	assert.Equal(t, time.Minute, limit.Secondary([]byte(`{"message":"You have exceeded a secondary rate limit. Please wait"}`)).Backoff)
	assert.Zero(t, limit.Secondary([]byte(`{"message":"Resource not accessible by integration"}`)))
}
