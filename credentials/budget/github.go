package budget

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// gitHubPause is how long to wait where GitHub says that there was too much and not for
// how long ("Rate limits for the REST API": at least a minute).
const gitHubPause = time.Minute

// GitHub is what it allows an account of github.com beside what its answers tell; an
// Enterprise Server has no such limits unless its owner sets them.
func GitHub(resource string) Limits {
	if resource == "graphql" {
		return Limits{Minute: 2000, Concurrent: 100}
	}
	return Limits{Minute: 900, Concurrent: 100}
}

// ReadGitHub reads what an answer of GitHub's says. Its times are by GitHub's clock, which
// the answer tells, and are returned by ours.
func ReadGitHub(status int, h http.Header, now time.Time) Answer {
	var a Answer
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
		a.Backoff = gitHubPause
	}
	return a
}

// SecondaryGitHub reads the body of a refusal that says nothing in its header. A 403
// without either mark is an ordinary one.
func SecondaryGitHub(body []byte) Answer {
	body = bytes.ToLower(body)
	if bytes.Contains(body, []byte("secondary rate limit")) || bytes.Contains(body, []byte("abuse detection")) {
		return Answer{Backoff: gitHubPause}
	}
	return Answer{}
}
