package credentials

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"sallyport/internal/host"
)

// app is a GitHub App: tokens of its installations are minted with its key.
type app struct {
	name         string // the credential's
	id           int64
	server       string // "github.com"
	owners       []string
	installation int64 // 0: looked up by owner
	key          source
	hosts        []host.Pattern
	tokens       *Tokens
	now          func() time.Time

	parsed atomic.Pointer[appKey]
	skew   atomic.Int64 // how far GitHub's clock is ahead of ours, in nanoseconds
}

var account = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$`)

func decodeGitHubApp(s *Section, c *Credential) {
	a := &app{name: c.name, server: s.gitHubServer(), tokens: s.options.Tokens, now: s.options.Now}
	a.id = s.number("app_id", "12345")
	a.key = s.source("private_key")
	s.lookAtKey(a.key)
	for _, item := range s.Texts("owners", "[acme]") {
		owner := strings.ToLower(item.Text)
		switch {
		case !account.MatchString(owner):
			s.WrongAt(item, "owners", "%s is not the name of an account; write owners: [acme]", s.doc.Shown(owner))
		case slices.Contains(a.owners, owner):
			s.WrongAt(item, "owners", "%s is there twice; keep one", owner)
		default:
			a.owners = append(a.owners, owner)
		}
	}
	if s.Has("installation") {
		if text, _ := s.Text("installation", "auto"); text != "auto" {
			a.installation = s.number("installation", "auto")
		}
		if a.installation != 0 && len(a.owners) > 1 {
			s.Wrong("installation", "an installation is one owner's, and there are %d owners; write installation: auto", len(a.owners))
		}
	}
	c.server, c.maker, c.app = a.server, a, a
	c.place = placement{header: "Authorization", form: gitHubToken}
	s.gitHubHosts(c)
	a.hosts = c.hosts
}

// lookAtKey warns of a key that cannot be one. A command is not run for that.
func (s *Section) lookAtKey(from source) {
	if _, ok := from.(*command); ok || from == nil {
		return
	}
	held, err := from.read(context.Background())
	if err != nil {
		return // which is warned of already
	}
	if _, err := parseKey(held.secret.bytes()); err != nil {
		s.Caution("private_key", "%v; download the App's key from GitHub, and give the .pem as it is; until then requests that need it are refused", err)
	}
}

// number reads a positive whole number; 0 if it is none, which is reported.
func (s *Section) number(key, example string) int64 {
	text, ok := s.Text(key, example)
	if !ok {
		return 0
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 {
		s.Wrong(key, "must be a number above 0; write %s: %s", key, example)
		return 0
	}
	return n
}

// bound is a use in its canonical form: all that a token depends on.
type bound struct {
	owner        string
	repositories []string // names without owner, sorted; nil for everything
	permissions  []PermissionSet
	documents    string
}

// bind checks a use against what the credential is for. What is empty is an error
// and never means all.
func (a *app) bind(use Use) (bound, error) {
	b := bound{owner: strings.ToLower(use.Owner), permissions: use.Permissions, documents: use.Documents}
	for _, full := range use.Repositories {
		owner, name, ok := strings.Cut(strings.ToLower(full), "/")
		switch {
		case !ok || owner == "" || name == "":
			return b, fmt.Errorf("%q is no repository", full)
		case b.owner == "":
			b.owner = owner
		case b.owner != owner:
			return b, fmt.Errorf("one token cannot reach repositories of %s and of %s", b.owner, owner)
		}
		b.repositories = append(b.repositories, name)
	}
	if b.owner == "" && len(a.owners) == 1 {
		b.owner = a.owners[0]
	}
	switch {
	case b.owner == "":
		return b, errors.New("the request names no owner, so that it is not clear whose installation to use; pin repositories and permissions in its rule")
	case !slices.Contains(a.owners, b.owner):
		return b, fmt.Errorf("it is bound to the repositories of %s, and the request is about %s's; add the owner to its owners if that is meant", strings.Join(a.owners, ", "), b.owner)
	case len(b.repositories) == 0 && !use.Everything:
		return b, errors.New("the request names no repository to narrow a token to")
	case len(b.permissions) == 0 && rank(b.documents) == 0:
		return b, errors.New("the request needs no permission that could be asked for")
	}
	slices.Sort(b.repositories)
	b.repositories = slices.Compact(b.repositories)
	return b, nil
}

func (b bound) permissionsText() string {
	if len(b.permissions) == 0 {
		return "documents=" + b.documents
	}
	var sets []string
	for _, set := range b.permissions {
		sets = append(sets, set.String())
	}
	return strings.Join(sets, ";")
}

// retrieve returns a token for one use, minted or kept.
func (a *app) Retrieve(ctx context.Context, use Use) (*Injection, error) {
	b, err := a.bind(use)
	if err != nil {
		return nil, err
	}
	if use.Transport == nil {
		return nil, errors.New("tokens are minted by a running server only; start one, and try again")
	}
	ctx, cancel := context.WithTimeoutCause(ctx, mintLimit, errNoAnswer)
	defer cancel()
	i, err := a.tokens.findInstallation(ctx, a, b, use)
	if err != nil {
		return nil, err
	}
	if use.Admit != nil {
		if err := use.Admit(Account{Server: a.server, App: a.id, Installation: i.id, Owner: b.owner}); err != nil {
			return nil, err
		}
	}
	key := tokenKey{
		app: a.appName(), installation: i.id, owner: b.owner,
		repositories: strings.Join(b.repositories, ","), permissions: b.permissionsText(),
	}
	if !use.Shared {
		key.agent = use.Agent
	}
	t, err := a.tokens.token(ctx, key, func(ctx context.Context) (*token, error) { return a.mint(ctx, i, b, use) })
	if err != nil {
		return nil, err
	}
	injection := a.injection(t)
	injection.answered = func(status int) { a.tokens.answered(key, t, status) }
	return injection, nil
}

// injection is a token in the hands of this credential, bound as the files say now.
func (a *app) injection(t *token) *Injection {
	return &Injection{
		name: a.name, hosts: a.hosts, place: placement{header: "Authorization"}, written: t.form,
		scrubber: t.scrubber, shortest: t.length, fingerprint: t.fingerprint, details: t.details,
	}
}

// appName names an App among those of all servers.
type appName struct {
	server string
	id     int64
}

func (a *app) appName() appName { return appName{a.server, a.id} }

// check mints a token for each owner, which can do no more than every token can, and
// revokes it; the error names each owner for whom that fails.
func (a *app) Check(ctx context.Context, via http.RoundTripper) (*Injection, error) {
	if via == nil {
		return nil, errors.New("tokens are minted by a running server only; start one, and try again")
	}
	checked, errs := make([]*Injection, len(a.owners)), make([]error, len(a.owners))
	var all sync.WaitGroup
	for n, owner := range a.owners {
		all.Go(func() {
			if checked[n], errs[n] = a.checkOwner(ctx, owner, via); errs[n] != nil {
				errs[n] = fmt.Errorf("owner %s: %w", owner, errs[n])
			}
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return checked[0], nil
}

// checkOwner goes past what is kept: that a token was minted once says nothing of now.
func (a *app) checkOwner(ctx context.Context, owner string, via http.RoundTripper) (*Injection, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, mintLimit, errNoAnswer)
	defer cancel()
	use := Use{Owner: owner, Everything: true, Permissions: []PermissionSet{{"metadata": "read"}}, Transport: via, Cleanup: via}
	b, err := a.bind(use)
	if err != nil {
		return nil, err
	}
	i, err := a.find(ctx, owner, via)
	if err != nil {
		return nil, err
	}
	t, err := a.mint(ctx, i, b, use)
	if err != nil {
		return nil, err
	}
	if err := t.revoke(ctx, via); err != nil {
		return nil, fmt.Errorf("a token was minted, but: %w", err)
	}
	return a.injection(t), nil
}

// Serves reports whether the credential reaches the repositories of an account.
func (c *Credential) Serves(owner string) bool {
	return c != nil && (c.app == nil || slices.Contains(c.app.owners, strings.ToLower(owner)))
}

// Owners returns the accounts that the credential is bound to; none for kinds that are
// bound to hosts alone.
func (c *Credential) Owners() []string {
	if c == nil || c.app == nil {
		return nil
	}
	return slices.Clone(c.app.owners)
}

// Has reports whether an account's tokens are the credential's.
func (c *Credential) Has(account Account) bool {
	return c != nil && c.app != nil && c.app.appName() == appName{account.Server, account.App}
}
