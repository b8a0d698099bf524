package credentials_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/credentials"
)

// ticket is a kind that a service hands in: what it makes is asked for with a secret, or with
// another ticket.
type ticket struct {
	of     *credentials.Credential
	secret credentials.Source
	base   *credentials.Credential
	kept   *drawer
}

// drawer keeps for whom tickets were made.
type drawer struct {
	now    func() time.Time
	agents []string
	failed error
}

func (d *drawer) Revoke(_ context.Context, agent string, _ http.RoundTripper) (revoked int, err error) {
	for _, holder := range d.agents {
		if holder == agent {
			revoked++
		}
	}
	return revoked, d.failed
}

func (d *drawer) Wait() { d.agents = append(d.agents, "waited") }

func newDrawer(now func() time.Time) *drawer { return &drawer{now: now} }

// kinds are those of a service.
func kinds() []credentials.Kind {
	return []credentials.Kind{{Name: "ticket", Keys: []string{"secret", "base", "hosts"}, Decode: func(s *credentials.Section, c *credentials.Credential) {
		t := &ticket{of: c, secret: s.Source("secret"), kept: credentials.StoreOf(s, newDrawer)}
		c.Made(t, s.Hosts())
		if name := "base"; s.Has(name) {
			other, _ := s.Text(name, "NAME")
			s.Later(func(all map[string]*credentials.Credential) {
				if t.base = all[other]; t.base == nil {
					s.Wrong(name, "%s is nobody", s.Shown(other))
				}
			})
		}
	}}}
}

func (t *ticket) Base() *credentials.Credential { return t.base }
func (t *ticket) Owners() []string              { return []string{"acme"} }
func (t *ticket) Region() string                { return "here" }
func (t *ticket) Has(a credentials.Account) bool {
	return a.Server == "tickets.example"
}

func (t *ticket) Sent(_ *http.Request, path, query string) (sentPath, sentQuery string, err error) {
	return path + "/", query + "&", nil
}

func (t *ticket) Retrieve(ctx context.Context, use credentials.Use) (*credentials.Injection, error) {
	number, ok := use.For.(string)
	if !ok {
		return nil, errors.New("a ticket has a number")
	}
	t.kept.agents = append(t.kept.agents, use.Agent)
	secret, err := t.secret.Read(ctx)
	if err != nil {
		return nil, err
	}
	if t.base != nil {
		if _, err := t.base.Retrieve(ctx, use); err != nil {
			return nil, err
		}
	}
	return t.of.Injection("x-ticket", number+"-"+string(secret.Reveal()), string(secret.Reveal()), map[string]any{"number": number})
}

func (t *ticket) Check(ctx context.Context, _ http.RoundTripper) (*credentials.Injection, error) {
	return t.Retrieve(ctx, credentials.Use{Agent: "check", For: "0"})
}

const tickets = `
credentials:
  first: {kind: ticket, secret: {exec: [sh, -c, "echo x >> runs; echo cAnArY-of-a-ticket"]}, hosts: [t.example]}
  second: {kind: ticket, secret: {env: KEY}, base: first, hosts: [t.example]}
  plain: {kind: bearer, secret: {env: KEY}, hosts: [t.example]}
`

func TestAServicesKindIsAskedForTheUse(t *testing.T) {
	t.Parallel()
	set := parse(t, tickets, options(t, "KEY", canary))
	_, err := set.Lookup("second").Retrieve(t.Context(), credentials.Use{})
	require.EqualError(t, err, "credential second: a ticket has a number")
	i, err := set.Lookup("second").Retrieve(t.Context(), credentials.Use{Agent: "a", For: "17"})
	require.NoError(t, err)
	assert.Equal(t, map[string]any{"number": "17"}, i.Details())
	assert.Equal(t, []string{"X-Ticket"}, i.Headers())
	assert.Len(t, i.Fingerprint(), 64)
	r := request(t, "https://t.example/")
	require.NoError(t, i.Apply(r))
	assert.Equal(t, []string{"17-" + canary}, r.Header["X-Ticket"])
	assert.Equal(t, 1, i.Scrub(http.Header{"A": {"17-" + canary}}))
	require.Error(t, i.Apply(request(t, "https://u.example/")), "it goes where the files say")
}

// What only some kinds can say is asked of those that can.
func TestWhatKindsSayOfTheirCredentials(t *testing.T) {
	t.Parallel()
	set := parse(t, tickets, options(t, "KEY", canary))
	of, plain := set.Lookup("second"), set.Lookup("plain")
	assert.Equal(t, []string{"acme"}, of.Owners())
	assert.Equal(t, "here", of.Region())
	assert.True(t, of.Has(credentials.Account{Server: "tickets.example"}))
	path, query, err := of.Sent(nil, "/a", "b")
	require.NoError(t, err)
	assert.Equal(t, "/a/?b&", path+"?"+query)
	for _, none := range []*credentials.Credential{plain, nil} {
		assert.Empty(t, none.Owners())
		assert.Empty(t, none.Region())
		assert.False(t, none.Has(credentials.Account{Server: "tickets.example"}))
		assert.False(t, none.Signs())
		path, query, err := none.Sent(nil, "/a", "b")
		require.NoError(t, err)
		assert.Equal(t, "/a?b", path+"?"+query)
	}
}

// A check of a credential looks anew at what the credentials that it is asked with are read from.
func TestACheckLooksAnewAlongTheChain(t *testing.T) {
	t.Parallel()
	o := options(t, "KEY", canary)
	c := parse(t, tickets, o).Lookup("second")
	for range 2 {
		_, err := c.Retrieve(t.Context(), credentials.Use{For: "1"})
		require.NoError(t, err)
	}
	assert.Equal(t, 1, runs(t, o.Home), "what the command printed is kept")
	_, err := c.Check(t.Context(), nil)
	require.NoError(t, err)
	assert.Equal(t, 2, runs(t, o.Home))
}

// What is minted outlives the file that it was minted by.
func TestTokensOutliveAReload(t *testing.T) {
	t.Parallel()
	o := options(t, "KEY", canary)
	o.Tokens = credentials.NewTokens(time.Now)
	n, err := o.Tokens.Revoke(t.Context(), "a", nil)
	require.NoError(t, err)
	assert.Zero(t, n, "nothing has been minted yet")
	for range 2 {
		_, err := parse(t, tickets, o).Lookup("first").Retrieve(t.Context(), credentials.Use{Agent: "a", For: "1"})
		require.NoError(t, err)
	}
	n, err = o.Tokens.Revoke(t.Context(), "a", nil)
	require.NoError(t, err)
	assert.Equal(t, 2, n)
	n, err = o.Tokens.Revoke(t.Context(), "", nil)
	require.NoError(t, err)
	assert.Zero(t, n, "nobody's tokens are not everybody's")
	o.Tokens.Wait()
	n, err = o.Tokens.Revoke(t.Context(), "waited", nil)
	require.NoError(t, err)
	assert.Equal(t, 1, n, "it is waited for once, for there is one store")
	other := credentials.NewTokens(time.Now)
	o.Tokens = other
	parse(t, tickets, o)
	n, err = other.Revoke(t.Context(), "a", nil)
	require.NoError(t, err)
	assert.Zero(t, n)
}

// What an entry says of others is looked at once all are read, and is an error at its own line.
func TestAnEntryIsHeldAgainstOthers(t *testing.T) {
	t.Parallel()
	_, err := credentials.Parse("c.yaml", []byte("credentials:\n  a: {kind: ticket, secret: {env: KEY}, base: b, hosts: [t.example]}\n"), options(t, "KEY", canary))
	require.EqualError(t, err, `c.yaml:2: credentials.a.base: "b" is nobody`)
	_, err = credentials.Parse("c.yaml", []byte("credentials:\n  a: {kind: ticket, secret: {env: KEY}, base: "+canary+", hosts: [t.example]}\n"), options(t, "KEY", canary))
	require.ErrorContains(t, err, "is nobody")
	requireSilent(t, err.Error())
}

// runs is how often the command was run.
func runs(t *testing.T, home string) int {
	t.Helper()
	lines, err := os.ReadFile(filepath.Join(home, "runs"))
	require.NoError(t, err)
	return bytes.Count(lines, []byte("\n"))
}
