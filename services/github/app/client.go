package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/go-github/v66/github"

	"sallyport/audit"
	"sallyport/credentials"
	"sallyport/services/github/limit"
)

// client speaks to one server as one App. It is safe for concurrent use.
type client struct {
	server string // "github.com"
	id     int64  // of the App
	key    credentials.Source
	now    func() time.Time

	parsed atomic.Pointer[appKey]
	skew   atomic.Int64 // how far GitHub's clock is ahead of ours, in nanoseconds
}

// speak is how one speaks to the App's server with a token, and follows no redirect: a
// repository that has moved elsewhere is not the one that was asked for.
func (c *client) speak(token string, via http.RoundTripper) (*github.Client, error) {
	base := "https://" + c.server + "/api/v3/"
	if c.server == "github.com" || strings.HasSuffix(c.server, ".ghe.com") {
		base = "https://api." + c.server + "/"
	}
	u, err := url.Parse(base)
	if err != nil {
		return nil, fmt.Errorf("base_url: %w", err)
	}
	library := github.NewClient(&http.Client{
		Transport:     via,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}).WithAuthToken(token)
	library.BaseURL = u
	library.UserAgent = "sallyport"
	return library, nil
}

// asApp makes one kind of call with the App's own token, and once more if GitHub's clock
// differs from ours by so much that the token could not be valid.
func (c *client) asApp(ctx context.Context, via http.RoundTripper, what credentials.Call, call func(context.Context, *github.Client) (*github.Response, error)) error {
	for again := false; ; again = true {
		token, err := c.jwt(ctx)
		if err != nil {
			return err
		}
		library, err := c.speak(token, via)
		if err != nil {
			return err
		}
		response, err := call(what.In(ctx), library)
		differs := response != nil && c.learnSkew(response.Header)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			err = context.Cause(ctx) // says whose limit it was; a dial has one of its own
		}
		if again || !differs || response.StatusCode != http.StatusUnauthorized {
			return c.explain(response, plain(err, token))
		}
	}
}

// learnSkew takes GitHub's clock from an answer, and reports whether it has learnt
// something.
func (c *client) learnSkew(h http.Header) bool {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return false
	}
	ahead := date.Sub(c.now())
	if d := ahead - time.Duration(c.skew.Load()); d.Abs() < maxSkew {
		return false
	}
	c.skew.Store(int64(ahead))
	return true
}

// explain says what a failure most likely means.
func (c *client) explain(response *github.Response, err error) error {
	if response == nil {
		return fmt.Errorf("ask %s: %w", c.server, err)
	}
	if after, limited := backoff(response.StatusCode, response.Header, c.now()); limited {
		return &credentials.LimitedError{After: after, Err: fmt.Errorf("ask %s: %w", c.server, err)}
	}
	hint := ""
	switch response.StatusCode {
	case http.StatusUnauthorized:
		hint = "; GitHub does not take the App's token: check app_id, private_key and this machine's clock"
	case http.StatusNotFound:
		hint = "; the App is not installed there, or not on this repository: install it, or correct owners"
	case http.StatusMovedPermanently, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		hint = "; the repository has moved, and tokens do not follow it: name it by its new name"
	case http.StatusUnprocessableEntity:
		hint = "; the installation has not been given these permissions or repositories"
	}
	return fmt.Errorf("ask %s: %w%s", c.server, err, hint)
}

// plain replaces the words of a server in an error of the library's by our own, since the
// server may have repeated the token that it was sent.
func plain(err error, token string) error {
	secret := credentials.MintedTraits(token, token)
	answer, ok := errors.AsType[*github.ErrorResponse](err)
	if !ok || answer.Response == nil {
		return credentials.Reworded(err, credentials.Told(secret.Clean(err.Error())))
	}
	text := strconv.Itoa(answer.Response.StatusCode) + " " + credentials.Told(secret.Clean(answer.Message))
	if r := answer.Response.Request; r != nil {
		text = r.Method + " " + r.URL.EscapedPath() + ": " + text
	}
	for _, detail := range answer.Errors {
		if said := credentials.Told(secret.Clean(strings.Join([]string{detail.Resource, detail.Field, detail.Code, detail.Message}, " "))); said != "" {
			text += "; " + said
		}
	}
	return credentials.Reworded(err, text)
}

// refused marks an error that another try does not change, if that is what GitHub's
// answer says: what was asked for is not there, or not the App's. reason is for the
// agent.
func refused(err error, reason string) error {
	if _, later := errors.AsType[*credentials.LimitedError](err); later {
		return err
	}
	for _, status := range [...]int{
		http.StatusForbidden, http.StatusNotFound, http.StatusUnprocessableEntity,
		http.StatusMovedPermanently, http.StatusTemporaryRedirect, http.StatusPermanentRedirect,
	} {
		if answered(err, status) {
			return &credentials.RefusedError{Reason: reason, Err: err}
		}
	}
	return err
}

// backoff reads how GitHub says to come back later.
func backoff(status int, h http.Header, now time.Time) (after time.Duration, limited bool) {
	told := limit.Read(status, h, now)
	switch {
	case status != http.StatusForbidden && status != http.StatusTooManyRequests:
		return 0, false
	case told.Backoff > 0:
		return told.Backoff, true
	}
	return told.Reset.Sub(now), told.Limit > 0 && told.Remaining == 0
}

// ours converts a moment of GitHub's clock to our own. It is no later than a token can live.
func (c *client) ours(expires time.Time) time.Time {
	expires = expires.Add(-time.Duration(c.skew.Load()))
	if latest := c.now().Add(tokenLife); expires.After(latest) {
		return latest
	}
	return expires
}

// post is for what the library has no method for.
func (c *client) post(ctx context.Context, via http.RoundTripper, what credentials.Call, path string, body, answer any) error {
	return c.asApp(ctx, via, what, func(ctx context.Context, library *github.Client) (*github.Response, error) {
		request, err := library.NewRequest(http.MethodPost, path, body)
		if err != nil {
			return nil, err
		}
		return library.Do(ctx, request, answer)
	})
}

func answered(err error, status int) bool {
	var refused *github.ErrorResponse
	return errors.As(err, &refused) && refused.Response.StatusCode == status
}

// revoke makes the token invalid at GitHub.
func (t *token) revoke(ctx context.Context, via http.RoundTripper) error {
	ctx, cancel := context.WithTimeout(ctx, mintLimit)
	defer cancel()
	library, err := t.by.speak(t.text(), via)
	if err != nil {
		return err
	}
	call := credentials.Call{
		Operation: "github:apps/revoke-installation-access-token",
		Describe: func(int, []byte) map[string]any {
			return map[string]any{audit.DetailToken: t.details[audit.DetailToken]}
		},
	}
	response, err := library.Apps.RevokeInstallationToken(call.In(ctx))
	if err != nil {
		return t.by.explain(response, plain(err, t.text()))
	}
	return nil
}

// drop revokes a token that is not kept. Nobody waits for it; the row says how it went.
func (t *token) drop() {
	if t.cleanup != nil {
		_ = t.revoke(context.Background(), t.cleanup)
	}
}
