package app

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-github/v66/github"

	"sallyport/credentials"
	"sallyport/services/github/limit"
)

// GitHub takes an App's JWT for ten minutes at most, by its own clock.
const (
	jwtLife  = 8 * time.Minute
	jwtSlack = time.Minute
	maxSkew  = 30 * time.Second // more than this is learnt from
)

// appKey is a private key and the reading that it was parsed from.
type appKey struct {
	reading *credentials.Reading
	sign    func(digest []byte) ([]byte, error) // a closure, for the reason that credentials.Secret has one
}

const minKeyBits = 2048

func (a *app) signer(ctx context.Context) (*appKey, error) {
	now, err := a.key.Read(ctx)
	if err != nil {
		return nil, err
	}
	if known := a.parsed.Load(); known != nil && known.reading == now {
		return known, nil
	}
	key, err := parseKey(now.Reveal())
	if err != nil {
		return nil, fmt.Errorf("private_key: %w; download the App's key from GitHub, and give the .pem as it is", err)
	}
	fresh := &appKey{reading: now, sign: func(digest []byte) ([]byte, error) {
		return rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest)
	}}
	a.parsed.Store(fresh)
	return fresh, nil
}

func parseKey(text []byte) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("it is not PEM")
	}
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			return nil, errors.New(unreadableKey(block))
		}
		var ok bool
		if key, ok = parsed.(*rsa.PrivateKey); !ok {
			return nil, errors.New("it is not an RSA key")
		}
	}
	if key.N.BitLen() < minKeyBits {
		return nil, fmt.Errorf("it has %d bits, and GitHub's keys have %d or more", key.N.BitLen(), minKeyBits)
	}
	return key, nil
}

// unreadableKey says what there is instead of an RSA key.
func unreadableKey(block *pem.Block) string {
	switch {
	case block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "":
		return "it is encrypted, and no passphrase is asked for"
	case block.Type == "PUBLIC KEY" || block.Type == "RSA PUBLIC KEY" || block.Type == "CERTIFICATE":
		return "it holds the public half, which signs nothing"
	case block.Type == "EC PRIVATE KEY":
		return "it is not an RSA key"
	}
	return "it holds no private key that can be read"
}

// jwt makes the App's own token (RFC 7519, signed as RS256).
func (a *app) jwt(ctx context.Context) (string, error) {
	key, err := a.signer(ctx)
	if err != nil {
		return "", err
	}
	now := a.now().Add(time.Duration(a.skew.Load()))
	claims, err := json.Marshal(map[string]any{
		"iss": strconv.FormatInt(a.id, 10), "iat": now.Add(-jwtSlack).Unix(), "exp": now.Add(jwtLife).Unix(),
	})
	if err != nil {
		return "", err
	}
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + encode(claims)
	digest := sha256.Sum256([]byte(text))
	signature, err := key.sign(digest[:])
	if err != nil {
		return "", errors.New("private_key: it cannot sign")
	}
	return text + "." + encode(signature), nil
}

// client speaks to the App's server with a token, and follows no redirect: a
// repository that has moved elsewhere is not the one that was asked for.
func (a *app) client(token string, via http.RoundTripper) (*github.Client, error) {
	base := "https://" + a.server + "/api/v3/"
	if a.server == "github.com" || strings.HasSuffix(a.server, ".ghe.com") {
		base = "https://api." + a.server + "/"
	}
	u, err := url.Parse(base)
	if err != nil {
		return nil, fmt.Errorf("base_url: %w", err)
	}
	client := github.NewClient(&http.Client{
		Transport:     via,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}).WithAuthToken(token)
	client.BaseURL = u
	client.UserAgent = "sallyport"
	return client, nil
}

// asApp makes one kind of call with the App's own token, and once more if GitHub's clock
// differs from ours by so much that the token could not be valid.
func (a *app) asApp(ctx context.Context, via http.RoundTripper, what credentials.Call, call func(context.Context, *github.Client) (*github.Response, error)) error {
	for again := false; ; again = true {
		token, err := a.jwt(ctx)
		if err != nil {
			return err
		}
		client, err := a.client(token, via)
		if err != nil {
			return err
		}
		response, err := call(what.In(ctx), client)
		differs := response != nil && a.learnSkew(response.Header)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			err = context.Cause(ctx) // says whose limit it was; a dial has one of its own
		}
		if again || !differs || response.StatusCode != http.StatusUnauthorized {
			return a.explain(response, plain(err, token))
		}
	}
}

// learnSkew takes GitHub's clock from an answer, and reports whether it has learnt
// something.
func (a *app) learnSkew(h http.Header) bool {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return false
	}
	ahead := date.Sub(a.now())
	if d := ahead - time.Duration(a.skew.Load()); d.Abs() < maxSkew {
		return false
	}
	a.skew.Store(int64(ahead))
	return true
}

// explain says what a failure most likely means.
func (a *app) explain(response *github.Response, err error) error {
	if response == nil {
		return fmt.Errorf("ask %s: %w", a.server, err)
	}
	if after, limited := backoff(response.StatusCode, response.Header, a.now()); limited {
		return &credentials.LimitedError{After: after, Err: fmt.Errorf("ask %s: %w", a.server, err)}
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
	return fmt.Errorf("ask %s: %w%s", a.server, err, hint)
}

// plain is an error of the library's in our own words, as far as it has a server's in it, who
// may have repeated the token that it was sent.
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

// find looks up the installation of an owner. It is asked for by the owner alone: what
// one agent asks about must not fail the others.
func (a *app) find(ctx context.Context, owner string, via http.RoundTripper) (*installation, error) {
	var found *github.Installation
	var err error
	if a.installation != 0 {
		err = a.asApp(ctx, via, credentials.Call{Operation: "github:apps/get-installation"}, func(ctx context.Context, c *github.Client) (response *github.Response, err error) {
			found, response, err = c.Apps.GetInstallation(ctx, a.installation)
			return response, err
		})
	} else {
		found, err = a.findByOwner(ctx, owner, via)
	}
	switch {
	case err != nil:
		return nil, refused(err, "GitHub shows the App no installation at "+owner+".")
	case found.GetID() == 0:
		return nil, errors.New("GitHub's answer names no installation")
	case !strings.EqualFold(found.GetAccount().GetLogin(), owner):
		return nil, fmt.Errorf("the installation is %s's, not %s's", found.GetAccount().GetLogin(), owner)
	case found.SuspendedAt != nil:
		err := fmt.Errorf("the App's installation at %s is suspended", owner)
		return nil, &credentials.RefusedError{Reason: "The App is suspended at " + owner + ".", Err: err}
	}
	i := &installation{id: found.GetID(), permissions: PermissionSet{}}
	text, err := json.Marshal(found.GetPermissions())
	if err == nil {
		err = json.Unmarshal(text, &i.permissions)
	}
	if err != nil {
		return nil, fmt.Errorf("read the installation's permissions: %w", err)
	}
	return i, nil
}

// findByOwner asks as of an organization first, and then as of a user.
func (a *app) findByOwner(ctx context.Context, owner string, via http.RoundTripper) (found *github.Installation, err error) {
	organization := credentials.Call{Operation: "github:apps/get-org-installation", Resource: owner}
	err = a.asApp(ctx, via, organization, func(ctx context.Context, c *github.Client) (response *github.Response, err error) {
		found, response, err = c.Apps.FindOrganizationInstallation(ctx, owner)
		return response, err
	})
	if !answered(err, http.StatusNotFound) {
		return found, err
	}
	user := credentials.Call{Operation: "github:apps/get-user-installation", Resource: owner}
	err = a.asApp(ctx, via, user, func(ctx context.Context, c *github.Client) (response *github.Response, err error) {
		found, response, err = c.Apps.FindUserInstallation(ctx, owner)
		return response, err
	})
	return found, err
}

// post is for what the library has no method for.
func (a *app) post(ctx context.Context, via http.RoundTripper, what credentials.Call, path string, body, answer any) error {
	return a.asApp(ctx, via, what, func(ctx context.Context, c *github.Client) (*github.Response, error) {
		request, err := c.NewRequest(http.MethodPost, path, body)
		if err != nil {
			return nil, err
		}
		return c.Do(ctx, request, answer)
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
	client, err := t.app.client(t.text(), via)
	if err != nil {
		return err
	}
	call := credentials.Call{
		Operation: "github:apps/revoke-installation-access-token",
		Describe:  func(int, []byte) map[string]any { return map[string]any{"hashed_token": t.details["hashed_token"]} },
	}
	response, err := client.Apps.RevokeInstallationToken(call.In(ctx))
	if err != nil {
		return t.app.explain(response, plain(err, t.text()))
	}
	return nil
}

// drop revokes a token that is not kept. Nobody waits for it; the row says how it went.
func (t *token) drop() {
	if t.cleanup != nil {
		_ = t.revoke(context.Background(), t.cleanup)
	}
}
