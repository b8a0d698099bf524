// Package limit is how much GitHub lets an account ask, as its documents and its answers say
// ("Rate limits for the REST API"). It reads and counts nothing by itself: package budget does.
package limit

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"time"

	"sallyport/credentials/budget"
)

// pause is how long to wait where GitHub says that there was too much and not for
// how long: at least a minute.
const pause = time.Minute

// Beside is what github.com allows an account beside what its answers tell; an
// Enterprise Server has no such limits unless its owner sets them.
func Beside(resource string) budget.Limits {
	if resource == "graphql" {
		return budget.Limits{Minute: 2000, Concurrent: 100}
	}
	return budget.Limits{Minute: 900, Concurrent: 100}
}

// Read reads what an answer says. Its times are by GitHub's clock, which
// the answer tells, and are returned by ours.
func Read(status int, h http.Header, now time.Time) budget.Answer {
	var a budget.Answer
	limit, err1 := strconv.Atoi(h.Get("X-Ratelimit-Limit"))
	remaining, err2 := strconv.Atoi(h.Get("X-Ratelimit-Remaining"))
	reset, err3 := strconv.ParseInt(h.Get("X-Ratelimit-Reset"), 10, 64)
	if err1 == nil && err2 == nil && err3 == nil && limit > 0 && remaining >= 0 {
		theirs := now
		if date, err := http.ParseTime(h.Get("Date")); err == nil {
			theirs = date
		}
		a.Resource, a.Limit, a.Remaining = strings.ToLower(h.Get("X-Ratelimit-Resource")), limit, min(remaining, limit)
		a.Reset = now.Add(min(time.Unix(reset, 0).Sub(theirs), 24*time.Hour))
		if a.Resource == "" || len(a.Resource) > 40 {
			a.Resource = "core"
		}
	}
	if status != http.StatusForbidden && status != http.StatusTooManyRequests {
		return a
	}
	seconds, err := strconv.Atoi(h.Get("Retry-After"))
	switch {
	case err == nil && seconds >= 0:
		a.Backoff = min(time.Duration(max(seconds, 1))*time.Second, 24*time.Hour)
	case status == http.StatusTooManyRequests && (a.Limit == 0 || a.Remaining > 0):
		a.Backoff = pause
	}
	return a
}

// Secondary reads the body of a refusal that says nothing in its header. A 403
// without either mark is an ordinary one.
func Secondary(body []byte) budget.Answer {
	body = bytes.ToLower(body)
	if bytes.Contains(body, []byte("secondary rate limit")) || bytes.Contains(body, []byte("abuse detection")) {
		return budget.Answer{Backoff: pause}
	}
	return budget.Answer{}
}
