package credentials

import (
	"cmp"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-github/v66/github"
)

// GitHub takes an App's JWT for ten minutes at most, by its own clock.
const (
	jwtLife  = 8 * time.Minute
	jwtSlack = time.Minute
	maxSkew  = 30 * time.Second // more than this is learnt from
)

// appKey is a private key and the reading that it was parsed from.
type appKey struct {
	reading *reading
	sign    func(digest []byte) ([]byte, error) // a closure, for the reason that Secret has one
}

const minKeyBits = 2048

func (a *app) signer(ctx context.Context) (*appKey, error) {
	now, err := a.key.read(ctx)
	if err != nil {
		return nil, err
	}
	if known := a.parsed.Load(); known != nil && known.reading == now {
		return known, nil
	}
	key, err := parseKey(now.secret.bytes())
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
			return nil, errors.New("it holds no private key that can be read")
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

// asApp calls with the App's own token, and once more if GitHub's clock differs
// from ours by so much that the token could not be valid.
func (a *app) asApp(ctx context.Context, via http.RoundTripper, call func(*github.Client) (*github.Response, error)) error {
	for again := false; ; again = true {
		token, err := a.jwt(ctx)
		if err != nil {
			return err
		}
		client, err := a.client(token, via)
		if err != nil {
			return err
		}
		response, err := call(client)
		if err == nil {
			return nil
		}
		if again || response == nil || response.StatusCode != http.StatusUnauthorized || !a.learnSkew(response.Header) {
			return a.explain(response, err)
		}
	}
}

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

// find looks up the installation of an owner.
func (a *app) find(ctx context.Context, b bound, use Use) (*installation, error) {
	var found *github.Installation
	err := a.asApp(ctx, use.Transport, func(c *github.Client) (response *github.Response, err error) {
		if a.installation != 0 {
			found, response, err = c.Apps.GetInstallation(ctx, a.installation)
			return response, err
		}
		if len(b.repositories) > 0 {
			found, response, err = c.Apps.FindRepositoryInstallation(ctx, b.owner, b.repositories[0])
			return response, err
		}
		found, response, err = c.Apps.FindOrganizationInstallation(ctx, b.owner)
		if response != nil && response.StatusCode == http.StatusNotFound {
			found, response, err = c.Apps.FindUserInstallation(ctx, b.owner)
		}
		return response, err
	})
	switch {
	case err != nil:
		return nil, err
	case found.GetID() == 0:
		return nil, errors.New("GitHub's answer names no installation")
	case !strings.EqualFold(found.GetAccount().GetLogin(), b.owner):
		return nil, fmt.Errorf("the installation is %s's, not %s's", found.GetAccount().GetLogin(), b.owner)
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

// tokenRequest and tokenAnswer are the bodies of a mint. The library's own hold only
// the permissions that were known when it was made.
type tokenRequest struct {
	RepositoryIDs []int64       `json:"repository_ids,omitempty"`
	Repositories  []string      `json:"repositories,omitempty"`
	Permissions   PermissionSet `json:"permissions"`
}

type tokenAnswer struct {
	Token        string        `json:"token"`
	ExpiresAt    time.Time     `json:"expires_at"`
	Permissions  PermissionSet `json:"permissions"`
	Repositories []struct {
		ID       int64  `json:"id"`
		FullName string `json:"full_name"`
	} `json:"repositories"`
}

// mint asks for a token with the first permissions that the installation has.
func (a *app) mint(ctx context.Context, i *installation, b bound, use Use) (*token, error) {
	sets := b.permissions
	if len(sets) == 0 {
		sets = []PermissionSet{i.forDocuments(b.documents)}
	}
	var first error
	for _, permissions := range sets {
		if len(permissions) == 0 {
			return nil, errors.New("no permissions to ask for; a token with all of them is never minted")
		}
		answer, err := a.ask(ctx, i, b, use, permissions)
		if err == nil {
			return a.accept(answer, i, b, use, permissions)
		}
		first = cmp.Or(first, fmt.Errorf("mint a token with %s for %s: %w", permissions, b.subject(), err))
		var refused *github.ErrorResponse
		if !errors.As(err, &refused) || refused.Response.StatusCode != http.StatusUnprocessableEntity {
			break
		}
	}
	return nil, first
}

func (b bound) subject() string {
	if len(b.repositories) == 0 {
		return b.owner
	}
	return b.owner + "/" + strings.Join(b.repositories, ",")
}

func (i *installation) forDocuments(most string) PermissionSet {
	set := PermissionSet{}
	for _, name := range documentPermissions() {
		switch given := i.permissions[name]; {
		case rank(given) == 0:
		case rank(given) < rank(most):
			set[name] = given
		default:
			set[name] = most
		}
	}
	if len(set) > 0 {
		set["metadata"] = "read" // which has no other access
	}
	return set
}

func (a *app) ask(ctx context.Context, i *installation, b bound, use Use, permissions PermissionSet) (*tokenAnswer, error) {
	name := appName{a.server, a.id}
	body := tokenRequest{Permissions: permissions, Repositories: b.repositories}
	if ids := a.tokens.idsOf(name, b.owner, b.repositories); len(ids) > 0 {
		body.RepositoryIDs, body.Repositories = ids, nil
	}
	answer := &tokenAnswer{}
	err := a.asApp(ctx, use.Transport, func(c *github.Client) (*github.Response, error) {
		request, err := c.NewRequest(http.MethodPost, fmt.Sprintf("app/installations/%d/access_tokens", i.id), body)
		if err != nil {
			return nil, err
		}
		return c.Do(ctx, request, answer)
	})
	if err != nil && body.RepositoryIDs != nil {
		a.tokens.forgetIDs(name, b.owner, b.repositories) // the next mint asks by name
	}
	return answer, err
}

// accept checks that a token is as narrow as was asked, and keeps it.
func (a *app) accept(answer *tokenAnswer, i *installation, b bound, use Use, asked PermissionSet) (*token, error) {
	if answer.Token == "" || answer.ExpiresAt.IsZero() {
		return nil, errors.New("GitHub's answer holds no token or no expiry")
	}
	allowed := PermissionSet{"metadata": "read"} // which every token has
	for name, access := range asked {
		allowed[name] = access
	}
	if !allowed.covers(answer.Permissions) {
		return nil, fmt.Errorf("GitHub gave a token with %s where %s was asked; it is not used", answer.Permissions, asked)
	}
	details := map[string]any{
		"app_id": a.id, "installation_id": i.id, "permissions": answer.Permissions.String(),
		"hashed_token": hashedToken(answer.Token),
	}
	if len(b.repositories) > 0 {
		ids := make([]any, 0, len(answer.Repositories))
		for _, r := range answer.Repositories {
			owner, name, _ := strings.Cut(strings.ToLower(r.FullName), "/")
			if owner != b.owner || !slices.Contains(b.repositories, name) {
				return nil, fmt.Errorf("GitHub gave a token for %s where %s was asked; it is not used", r.FullName, b.subject())
			}
			a.tokens.learnID(appName{a.server, a.id}, owner+"/"+name, r.ID)
			ids = append(ids, r.ID)
		}
		details["repository_ids"] = ids
	}
	if use.Shared {
		details["shared"] = true
	}
	injection, err := a.inject(answer.Token, details)
	if err != nil {
		return nil, err
	}
	text := answer.Token
	return &token{
		injection: injection, expires: answer.ExpiresAt, app: a, transport: use.Transport,
		written: func() string { return text },
	}, nil
}

func (a *app) inject(text string, details map[string]any) (*Injection, error) {
	if !validValue(text) {
		return nil, errors.New("GitHub's token holds a control character")
	}
	form, err := gitHubToken(text)
	if err != nil {
		return nil, err
	}
	needles := newScrubber(text, form(&url.URL{}))
	sum := sha256.Sum256([]byte(text))
	return &Injection{
		name: a.name, hosts: a.hosts, place: placement{header: "Authorization"}, written: form,
		scrubber: func() *scrubber { return needles }, fingerprint: hex.EncodeToString(sum[:]), details: details,
	}, nil
}

// hashedToken is the form in which GitHub's audit log names a token.
func hashedToken(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// DescribeMint says which token GitHub's answer to a mint holds, without telling it: for
// the row of the mint itself. nil if the answer holds none.
func DescribeMint(body []byte) map[string]any {
	var answer tokenAnswer
	if json.Unmarshal(body, &answer) != nil || answer.Token == "" {
		return nil
	}
	ids := make([]any, 0, len(answer.Repositories))
	for _, r := range answer.Repositories {
		ids = append(ids, r.ID)
	}
	return map[string]any{
		"hashed_token": hashedToken(answer.Token), "permissions": answer.Permissions.String(), "repository_ids": ids,
		"expires_at": answer.ExpiresAt,
	}
}

// revoke makes the token invalid at GitHub.
func (t *token) revoke(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, mintLimit)
	defer cancel()
	client, err := t.app.client(t.written(), t.transport)
	if err != nil {
		return err
	}
	response, err := client.Apps.RevokeInstallationToken(ctx)
	if err != nil {
		return t.app.explain(response, err)
	}
	return nil
}
