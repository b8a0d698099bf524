package proxy

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"sallyport/credentials"
	"sallyport/internal/host"
	"sallyport/operations/github"
)

// Bounds of what is kept for one agent.
const (
	maxKept  = 1024
	keptLife = time.Hour // of what does not say, and the longest
)

// kept is an authorization that an upstream gave in an answer. The agent got a
// placeholder, which stands for it in a request to the same address, by the same agent.
type kept struct {
	injection *credentials.Injection
	to        host.Authority
	target    string // path and query, as sent; "" for every one
	until     time.Time
}

// placeholderPrefix makes placeholders known as such: one whose authorization is gone is
// told from what an agent makes up.
const placeholderPrefix = "sallyport-kept-"

// lfsMedia is what LFS servers answer in.
const lfsMedia = "application/vnd.git-lfs+json"

// readsAnswer reports whether the answer is looked into, so that it must not be compressed.
func (x *exchange) readsAnswer() bool {
	c := x.classified
	return x.injection != nil && c != nil &&
		(c.batch || c.surface == github.API || len(c.operations) > 0 && strings.HasPrefix(c.operations[0].Name, "git/lfs-") || x.asksRegistry())
}

// asksRegistry reports whether the request asks a container registry for a token
// (distribution.github.io, "Token Authentication Specification").
func (x *exchange) asksRegistry() bool {
	if x.classified.surface != github.Packages {
		return false
	}
	name, err := url.PathUnescape(x.target.rawPath)
	return err != nil || strings.EqualFold(path.Clean(name), "/token") // odd forms too
}

// authorizesTransfers reports whether an answer may hold authorizations for transfers: by
// what was asked, or by what it says itself, for a server may take odd forms of a path for
// LFS.
func (x *exchange) authorizesTransfers(response *http.Response) bool {
	media, _, _ := strings.Cut(response.Header.Get("Content-Type"), ";")
	return x.classified.batch || strings.EqualFold(strings.TrimSpace(media), lfsMedia)
}

// withhold takes live authorizations out of an answer. The requests that they are for are
// requests of their own, and policy is asked about each.
func (x *exchange) withhold(response *http.Response) *refusal {
	var take func([]byte) ([]byte, error)
	switch {
	case x.injection == nil || x.classified == nil || x.classified.aws != nil:
	case response.StatusCode == http.StatusOK && x.authorizesTransfers(response):
		take = x.takeFromBatch
	case response.StatusCode == http.StatusOK && x.asksRegistry():
		take = x.takeFromRegistry
	case x.describesRepositories(response):
		return withoutCloneTokens(response)
	}
	if take == nil {
		return nil
	}
	body, err := readAnswer(response, github.MaxLFSAnswer)
	if err == nil {
		body, err = take(body)
	}
	if err != nil {
		return unreadableAnswer.causedBy("The answer holds an authorization, and cannot be read.", err)
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	response.ContentLength = int64(len(body))
	response.Header.Set("Content-Length", strconv.Itoa(len(body)))
	for _, name := range []string{"Etag", "Content-Md5", "Digest", "Content-Digest", "Repr-Digest"} {
		delete(response.Header, name) // of the body as it was
	}
	return nil
}

// describesRepositories reports whether the answer may describe repositories, with tokens to
// clone them. Files are given as another kind of JSON.
func (x *exchange) describesRepositories(response *http.Response) bool {
	media, _, _ := strings.Cut(strings.ToLower(response.Header.Get("Content-Type")), ";")
	return x.classified.surface == github.API && strings.Contains(media, "json") && !strings.Contains(media, ".raw")
}

// withoutCloneTokens empties them as the answer passes.
func withoutCloneTokens(response *http.Response) *refusal {
	if err := plainlyEncoded(response); err != nil {
		return unreadableAnswer.causedBy("The answer may hold a token, and cannot be read.", err)
	}
	response.Body = &struct {
		io.Reader
		io.Closer
	}{github.WithoutCloneTokens(response.Body), response.Body}
	return nil
}

func plainlyEncoded(response *http.Response) error {
	if encoding := response.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return fmt.Errorf("it is encoded as %q, which was not asked for", encoding)
	}
	return nil
}

func (x *exchange) takeFromBatch(body []byte) ([]byte, error) {
	return github.TakeLFSAuthorizations(body, x.p.now(), func(a github.Authorization) string {
		u, err := url.Parse(a.Href)
		if err != nil || u.Scheme != "https" || u.User != nil {
			return "" // nothing that Sallyport would put an authorization on
		}
		to, err := host.ParseAuthority(u.Host, 443)
		if err != nil {
			return ""
		}
		handle := x.keep(to, u.RequestURI(), a.Value, a.Life)
		if handle == "" {
			return ""
		}
		return "Bearer " + handle
	})
}

func (x *exchange) takeFromRegistry(body []byte) ([]byte, error) {
	return github.TakeRegistryTokens(body, func(token string, life time.Duration) string {
		return x.keep(x.target.authority, "", "Bearer "+token, life)
	})
}

// readAnswer reads a whole answer of bounded size.
func readAnswer(response *http.Response, most int64) ([]byte, error) {
	defer func() { _ = response.Body.Close() }()
	if err := plainlyEncoded(response); err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, most+1))
	switch {
	case err != nil:
		return nil, err
	case int64(len(body)) > most:
		return nil, fmt.Errorf("it is longer than %d bytes", most)
	}
	return body, nil
}

// keep keeps one authorization for this agent and returns its placeholder; "" if it is
// none that can be sent.
func (x *exchange) keep(to host.Authority, target, authorization string, life time.Duration) string {
	injection, err := credentials.Kept(x.credential, to, authorization, map[string]any{"kept_from": x.id.String()})
	if err != nil {
		x.p.log.Warn("an authorization cannot be kept; it is left out", "exchange", x.id, "error", err)
		return ""
	}
	if life <= 0 || life > keptLife {
		life = keptLife
	}
	handle := placeholderPrefix + strings.ToLower(rand.Text())
	x.agent.hold(handle, &kept{injection: injection, to: to, target: target, until: x.p.now().Add(life)}, x.p.now())
	if _, cut := errors.AsType[*cutError](context.Cause(x.ctx)); cut {
		x.agent.forget() // perhaps after what it had was dropped
	}
	return handle
}

// hold makes room by what is over, or else by what ends first.
func (a *agent) hold(handle string, k *kept, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.kept) >= maxKept {
		first := ""
		for handle, one := range a.kept {
			switch {
			case !now.Before(one.until):
				delete(a.kept, handle)
			case first == "" || one.until.Before(a.kept[first].until):
				first = handle
			}
		}
		if len(a.kept) >= maxKept {
			delete(a.kept, first)
		}
	}
	if a.kept == nil {
		a.kept = map[string]*kept{}
	}
	a.kept[handle] = k
}

// forget drops what is kept for the agent.
func (a *agent) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	clear(a.kept)
}

// placeholder returns the placeholder that the request authenticates with, or "".
func (x *exchange) placeholder() string {
	values := x.r.Header["Authorization"]
	if len(values) != 1 {
		return ""
	}
	handle, found := strings.CutPrefix(values[0], "Bearer ")
	if !found || !strings.HasPrefix(handle, placeholderPrefix) {
		return ""
	}
	return handle
}

// redeem puts what is kept in the place of its placeholder, at the address that it was
// given for and nowhere else.
func (x *exchange) redeem(handle string) *refusal {
	x.agent.mu.Lock()
	k := x.agent.kept[handle]
	x.agent.mu.Unlock()
	t := &x.target
	switch {
	case k == nil || !x.p.now().Before(k.until):
		return credentialUnavailable.because("What this placeholder stands for is not kept any more; ask for the LFS batch, or the registry's token, again.")
	case t.scheme != "https" || t.authority != k.to || k.target != "" && t.requestTarget() != k.target:
		return credentialUnavailable.because("What this placeholder stands for was given for another address.")
	}
	x.injection, x.credential = k.injection, k.injection.Name()
	return nil
}

// requestTarget is path and query as they were sent.
func (t *target) requestTarget() string {
	if t.rawQuery != "" || t.forceQuery {
		return t.rawPath + "?" + t.rawQuery
	}
	return t.rawPath
}

// forget drops what is kept for an agent, if it is at work.
func (a *agents) forget(id uuid.UUID) {
	a.mu.RLock()
	one := a.at[id]
	a.mu.RUnlock()
	if one != nil {
		one.forget()
	}
}
