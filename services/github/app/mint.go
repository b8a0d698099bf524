package app

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"sallyport/audit"
	"sallyport/credentials"
)

// tokenRequest and tokenAnswer are the bodies of a mint. The library's own hold only
// the permissions that were known when it was made.
type tokenRequest struct {
	RepositoryIDs []int64       `json:"repository_ids,omitempty"`
	Repositories  []string      `json:"repositories,omitempty"`
	Permissions   PermissionSet `json:"permissions"`
}

type tokenAnswer struct {
	Token        string            `json:"token"`
	ExpiresAt    time.Time         `json:"expires_at"`
	Permissions  PermissionSet     `json:"permissions"`
	Repositories []tokenRepository `json:"repositories"`
}

type tokenRepository struct {
	ID       int64  `json:"id"`
	FullName string `json:"full_name"`
}

// minting is what one token is asked for by.
type minting struct {
	installation *installation
	bound        bound
	shared       bool
	via          http.RoundTripper
	cleanup      http.RoundTripper // of a token that is not kept; nil for nobody
}

// mint asks for a token with the first permissions that the installation has.
func (a *app) mint(ctx context.Context, m minting) (*token, error) {
	b := m.bound
	sets := b.permissions
	if len(sets) == 0 {
		sets = []PermissionSet{m.installation.forDocuments(b.documents)}
	}
	var first error
	for _, permissions := range sets {
		if len(permissions) == 0 {
			return nil, errors.New("no permissions to ask for; a token with all of them is never minted")
		}
		answer, err := a.ask(ctx, m, permissions)
		if err == nil {
			return a.accept(ctx, answer, m, permissions)
		}
		first = cmp.Or(first, fmt.Errorf("mint a token with %s for %s: %w", permissions, b.subject(), err))
		if answered(err, http.StatusNotFound) {
			a.store.forgetInstallation(a, b.owner) // it may have been installed anew
		}
		if !answered(err, http.StatusUnprocessableEntity) {
			break
		}
	}
	return nil, refused(first, "GitHub gives no token for "+b.subject()+
		": it is not there, or the App is not installed on it, is suspended, or has not been given the permissions.")
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

func (a *app) ask(ctx context.Context, m minting, permissions PermissionSet) (*tokenAnswer, error) {
	b := m.bound
	body := tokenRequest{Permissions: permissions, Repositories: b.repositories}
	if ids := a.store.idsOf(a.appName(), b.owner, b.repositories); len(ids) > 0 {
		body.RepositoryIDs, body.Repositories = ids, nil
	}
	answer := &tokenAnswer{}
	what := credentials.Call{
		Operation: "github:apps/create-installation-access-token", Resource: b.subject(),
		Describe: func(status int, body []byte) map[string]any { return a.describeMint(m, status, body) },
	}
	err := a.post(ctx, m.via, what, fmt.Sprintf("app/installations/%d/access_tokens", m.installation.id), body, answer)
	if err != nil && body.RepositoryIDs != nil {
		a.store.forgetIDs(a.appName(), b.owner, b.repositories) // the next mint asks by name
	}
	return answer, err
}

// accept keeps a token if it is as narrow as was asked. One that is not is revoked.
func (a *app) accept(ctx context.Context, answer *tokenAnswer, m minting, asked PermissionSet) (*token, error) {
	b := m.bound
	if answer.Token == "" || answer.ExpiresAt.IsZero() {
		return nil, errors.New("GitHub's answer holds no token or no expiry")
	}
	t, err := a.newToken(answer, m)
	if err != nil {
		return nil, err
	}
	if err := narrow(answer, b, asked); err != nil {
		a.store.forgetIDs(a.appName(), b.owner, b.repositories) // one may be another's by now
		if m.cleanup != nil {
			err = errors.Join(err, t.revoke(context.WithoutCancel(ctx), m.cleanup))
		}
		return nil, err
	}
	for _, r := range answer.Repositories {
		a.store.learnID(a.appName(), strings.ToLower(r.FullName), r.ID)
	}
	return t, nil
}

// narrow says what is wider in a token than what was asked.
func narrow(answer *tokenAnswer, b bound, asked PermissionSet) error {
	allowed := PermissionSet{"metadata": "read"} // which every token has
	maps.Copy(allowed, asked)
	if !allowed.covers(answer.Permissions) {
		return fmt.Errorf("GitHub gave a token with %s where %s was asked; it is not used", answer.Permissions, asked)
	}
	if len(b.repositories) == 0 {
		return nil
	}
	if len(answer.Repositories) != len(b.repositories) {
		return fmt.Errorf("GitHub gave a token for %d repositories where %s was asked; it is not used", len(answer.Repositories), b.subject())
	}
	for _, r := range answer.Repositories {
		owner, name, _ := strings.Cut(strings.ToLower(r.FullName), "/")
		if owner != b.owner || !slices.Contains(b.repositories, name) {
			return fmt.Errorf("GitHub gave a token for %s where %s was asked; it is not used", r.FullName, b.subject())
		}
	}
	return nil
}

func (a *app) newToken(answer *tokenAnswer, m minting) (*token, error) {
	if credentials.OneLine(answer.Token) != nil {
		return nil, errors.New("GitHub's token holds a control character")
	}
	form, err := written(answer.Token)
	if err != nil {
		return nil, err
	}
	details := a.describeToken(answer, m.installation)
	if m.shared {
		details["shared"] = true
	}
	text := answer.Token
	return &token{
		text: func() string { return text }, form: form, details: details,
		traits:  credentials.MintedTraits(text, credentials.Basic(userName, text)),
		expires: a.ours(answer.ExpiresAt), by: &a.client, cleanup: m.cleanup, reaches: answer.Repositories, shared: m.shared,
	}, nil
}

// describeToken is what the trail tells of a token.
func (a *app) describeToken(answer *tokenAnswer, i *installation) map[string]any {
	details := map[string]any{
		"app_id": a.id, "installation_id": i.id, "permissions": answer.Permissions.String(), audit.DetailToken: hashedToken(answer.Token),
	}
	if len(answer.Repositories) > 0 {
		ids := make([]any, 0, len(answer.Repositories))
		for _, r := range answer.Repositories {
			ids = append(ids, r.ID)
		}
		details["repository_ids"] = ids
	}
	return details
}

// describeMint is for the row of the mint itself.
func (a *app) describeMint(m minting, status int, body []byte) map[string]any {
	var answer tokenAnswer
	if status != http.StatusCreated || json.Unmarshal(body, &answer) != nil || answer.Token == "" {
		return map[string]any{"app_id": a.id, "installation_id": m.installation.id}
	}
	details := a.describeToken(&answer, m.installation)
	details["expires_at"] = answer.ExpiresAt.UTC().Format(time.RFC3339)
	if m.shared {
		details["shared"] = true
	}
	return details
}

// hashedToken is the form in which GitHub's audit log names a token.
func hashedToken(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.StdEncoding.EncodeToString(sum[:])
}
