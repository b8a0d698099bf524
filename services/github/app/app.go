package app

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

	"sallyport/credentials"
)

// app is a GitHub App: tokens of its installations are minted with its key.
type app struct {
	client
	credential   *credentials.Credential
	owners       []string
	installation int64 // 0: looked up by owner
	store        *store
}

var account = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$`)

func decodeApp(s *credentials.Section, c *credentials.Credential) {
	a := &app{credential: c, store: credentials.StoreOf(s, newStore)}
	a.server, a.now = readServer(s), s.Now()
	a.id = number(s, "app_id", "12345")
	a.key = s.Source("private_key")
	lookAtKey(s, a.key)
	a.readOwners(s)
	if s.Has("installation") {
		if text, _ := s.Text("installation", "auto"); text != "auto" {
			a.installation = number(s, "installation", "auto")
		}
		if a.installation != 0 && len(a.owners) > 1 {
			s.Wrong("installation", "an installation is one owner's, and there are %d owners; write installation: auto", len(a.owners))
		}
	}
	c.Made(a, readHosts(s, a.server))
}

func (a *app) readOwners(s *credentials.Section) {
	for _, item := range s.Texts("owners", "[acme]") {
		owner := strings.ToLower(item.Text)
		switch {
		case !account.MatchString(owner):
			s.WrongAt(item, "owners", "%s is not the name of an account; write owners: [acme]", s.Shown(owner))
		case slices.Contains(a.owners, owner):
			s.WrongAt(item, "owners", "%s is there twice; keep one", owner)
		default:
			a.owners = append(a.owners, owner)
		}
	}
}

// lookAtKey warns of a key that cannot be one. A command is not run for that.
func lookAtKey(s *credentials.Section, from credentials.Source) {
	held := from.Look()
	if held == nil {
		return
	}
	if _, err := parseKey(held.Reveal()); err != nil {
		s.Caution("private_key", "%v; download the App's key from GitHub, and give the .pem as it is; until then requests that need it are refused", err)
	}
}

// number reads a positive whole number; 0 if it is none, which is reported.
func number(s *credentials.Section, key, example string) int64 {
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

// Retrieve implements [credentials.Maker]: a token for one use, minted or kept.
func (a *app) Retrieve(ctx context.Context, use credentials.Use) (*credentials.Injection, error) {
	scope, _ := use.For.(Scope)
	b, err := a.bind(scope)
	if err != nil {
		return nil, err
	}
	if use.Transport == nil {
		return nil, errors.New("tokens are minted by a running server only; start one, and try again")
	}
	ctx, cancel := context.WithTimeoutCause(ctx, mintLimit, errNoAnswer)
	defer cancel()
	i, err := a.store.findInstallation(ctx, a, b.owner, use.Transport)
	if err != nil {
		return nil, err
	}
	if use.Admit != nil {
		if err := use.Admit(credentials.Account{Server: a.server, App: a.id, Installation: i.id, Owner: b.owner}); err != nil {
			return nil, err
		}
	}
	key := tokenKey{
		app: a.appName(), installation: i.id, owner: b.owner,
		repositories: strings.Join(b.repositories, ","), permissions: b.permissionsText(),
	}
	if !scope.Shared {
		key.agent = use.Agent
	}
	t, err := a.store.token(ctx, key, func(ctx context.Context) (*token, error) {
		return a.mint(ctx, minting{installation: i, bound: b, shared: scope.Shared, via: use.Transport, cleanup: use.Cleanup})
	})
	if err != nil {
		return nil, err
	}
	t.tell(scope.Told)
	return a.injection(t, func(status int) { a.store.answered(key, t, status) }), nil
}

// injection is a token in the hands of this credential.
func (a *app) injection(t *token, answered func(status int)) *credentials.Injection {
	return a.credential.Assemble(credentials.Parts{
		Header: header, Written: t.form, Traits: t.traits, Details: t.details, Answered: answered,
	})
}

// appName names an App among those of all servers.
type appName struct {
	server string
	id     int64
}

func (a *app) appName() appName { return appName{a.server, a.id} }

// Check implements [credentials.Maker]: it mints a token for each owner, which can do no more than every token can, and
// revokes it; the error names each owner for whom that fails.
func (a *app) Check(ctx context.Context, via http.RoundTripper) (*credentials.Injection, error) {
	if via == nil {
		return nil, errors.New("tokens are minted by a running server only; start one, and try again")
	}
	checked, errs := make([]*credentials.Injection, len(a.owners)), make([]error, len(a.owners))
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

// checkOwner mints anew: a token that is kept says nothing of whether one can be minted now.
func (a *app) checkOwner(ctx context.Context, owner string, via http.RoundTripper) (*credentials.Injection, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, mintLimit, errNoAnswer)
	defer cancel()
	b, err := a.bind(Scope{Owner: owner, Everything: true, Permissions: []PermissionSet{{"metadata": "read"}}})
	if err != nil {
		return nil, err
	}
	i, err := a.find(ctx, owner, via)
	if err != nil {
		return nil, err
	}
	t, err := a.mint(ctx, minting{installation: i, bound: b, via: via, cleanup: via})
	if err != nil {
		return nil, err
	}
	if err := t.revoke(ctx, via); err != nil {
		return nil, fmt.Errorf("a token was minted, but: %w", err)
	}
	return a.injection(t, nil), nil
}

// Owners implements [credentials.Owned].
func (a *app) Owners() []string { return slices.Clone(a.owners) }

// Has implements [credentials.Counted].
func (a *app) Has(account credentials.Account) bool {
	return a.appName() == appName{account.Server, account.App}
}
