package credentials_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/credentials"
)

// signer is a signature of a service's.
type signer struct{ refused error }

func (s signer) Sign(r *http.Request) error {
	r.Header.Set("Signed", "yes")
	return s.refused
}

func (signer) Observe(*http.Request, *http.Response) (ahead time.Duration, learnt bool) {
	return time.Hour, true
}

// tooLarge is why a service cannot sign a request.
type tooLarge struct{}

func (tooLarge) Error() string { return "sign request: it is too large" }

func (tooLarge) Unsignable() (detail string, busy, foreign bool) {
	return "it is too large", true, false
}

// What a service mints is known again by its hash, in whatever form an answer gives it back,
// and so is what goes with it.
func TestTraitsOfWhatIsMinted(t *testing.T) {
	t.Parallel()
	const session = "the-key-of-this-session"
	traits := credentials.MintedTraits(canary, "Basic dXNlcjpjQW5BclktN2YzYTlRK3gvWnc9PTBk", session, "")
	sum := sha256.Sum256([]byte(canary))
	assert.Equal(t, hex.EncodeToString(sum[:]), traits.Fingerprint())
	assert.Equal(t, "sent [redacted] with [redacted] and [redacted]==", traits.Clean("sent "+canary+" with "+session+" and "+base64.StdEncoding.EncodeToString([]byte(canary))))
	assert.Equal(t, "sent Basic [redacted]", traits.Clean("sent Basic dXNlcjpjQW5BclktN2YzYTlRK3gvWnc9PTBk"), "as it is written, whole")
	assert.Equal(t, "nothing of it", traits.Clean("nothing of it"))
	requireSilent(t, fmt.Sprintf("%v %+v %#v", traits, traits, *traits))

	i := parse(t, tickets, options(t, "KEY", canary)).Lookup("second").Assemble(credentials.Parts{Traits: traits, Details: map[string]any{"id": "7"}})
	h := http.Header{"A": {session}, "B": {"short"}}
	assert.Equal(t, 1, i.Scrub(h))
	assert.Equal(t, http.Header{"A": {"[redacted]"}, "B": {"short"}}, h)
	assert.Equal(t, map[string]any{"id": "7"}, i.Details())
	require.EqualError(t, i.Apply(request(t, "https://t.example/")), "apply credential: there is none", "a check's is for no request")
	requireSilent(t, fmt.Sprintf("%v %+v %#v", i, i, i))
}

// A signature is put on a request under the same rules as a value, and says by itself why it
// cannot be.
func TestASignatureIsForTheHostsOfItsCredential(t *testing.T) {
	t.Parallel()
	c := parse(t, tickets, options(t, "KEY", canary)).Lookup("second")
	i := c.Assemble(credentials.Parts{Signature: signer{}})
	assert.True(t, i.Signs())
	assert.Empty(t, i.Headers())
	r := request(t, "https://t.example/")
	require.NoError(t, i.Apply(r))
	assert.Equal(t, "yes", r.Header.Get("Signed"))
	for _, url := range []string{"https://u.example/", "http://t.example/", "https://user@t.example/"} {
		r := request(t, url)
		require.Error(t, i.Apply(r), url)
		assert.Empty(t, r.Header.Get("Signed"), url)
	}
	ahead, learnt := i.Observe(r, &http.Response{})
	assert.True(t, learnt)
	assert.Equal(t, time.Hour, ahead)
	_, learnt = c.Assemble(credentials.Parts{}).Observe(r, &http.Response{})
	assert.False(t, learnt)

	err := fmt.Errorf("send: %w", c.Assemble(credentials.Parts{Signature: signer{tooLarge{}}}).Apply(r))
	why, ok := credentials.AsUnsignable(err)
	require.True(t, ok)
	assert.Equal(t, credentials.Unsignable{Detail: "it is too large", Busy: true}, why)
	_, ok = credentials.AsUnsignable(errors.New("the connection is gone"))
	assert.False(t, ok)
}

func TestParametersAreReadAsServersReadThem(t *testing.T) {
	t.Parallel()
	var names []string
	for name, value := range credentials.Parameters("a=1&X%2DKey=%20v;b+c=&&d&%zz=2") {
		names = append(names, name+"="+value)
	}
	assert.Equal(t, []string{"a=1", "X-Key=%20v", "b c=", "d=", "%zz=2"}, names)
	for range credentials.Parameters("") {
		t.Error("an empty query has none")
	}
}

// What a command would have to be run for is not looked at while files are read.
func TestASourceIsLookedAtWithoutRunningAnything(t *testing.T) {
	t.Parallel()
	looked := map[string]bool{}
	o := options(t, "KEY", canary)
	o.Kinds = []credentials.Kind{{Name: "looking", Keys: []string{"secret", "hosts"}, Decode: func(s *credentials.Section, c *credentials.Credential) {
		source := s.Source("secret")
		held := source.Look()
		looked[c.Name()] = held != nil && string(held.Reveal()) == canary
		c.Made(s.Placed(c, credentials.Placement{Header: "A", Form: credentials.Prefixed("")}), s.Hosts())
	}}}
	parse(t, `credentials:
  known: {kind: looking, secret: {env: KEY}, hosts: [t.example]}
  unset: {kind: looking, secret: {env: NONE}, hosts: [t.example]}
  command: {kind: looking, secret: {exec: [sh, -c, "echo x >> runs"]}, hosts: [t.example]}
`, o)
	assert.Equal(t, map[string]bool{"known": true, "unset": false, "command": false}, looked)
	assert.NoFileExists(t, o.Home+"/runs")
	var none credentials.Source
	assert.True(t, none.IsZero())
	assert.Nil(t, none.Look())
	_, err := none.Read(t.Context())
	require.EqualError(t, err, "there is no secret")
}
