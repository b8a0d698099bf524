package join_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/identity/join"
)

func token() join.Token {
	return join.Token{
		Enrol: "enrol.example.com:8446", Proxy: "[2001:db8::1]:8443", CA: strings.Repeat("ab", 32),
		Invite: uuid.MustParse("0b6f1c1e-6f0e-4d1c-9d0a-3f6f0c8f2a11"), Secret: join.NewSecret(),
	}
}

func TestATokenIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	for _, proxy := range []string{"[2001:db8::1]:8443", ""} {
		want := token()
		want.Proxy = proxy
		got, err := join.ParseToken("\n " + want.Text() + "\r\n")
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
}

func TestATokenDoesNotPrint(t *testing.T) {
	t.Parallel()
	secret := token()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		assert.NotContains(t, fmt.Sprintf(verb, secret), secret.Secret)
		assert.NotContains(t, fmt.Sprintf(verb, &secret), secret.Secret)
	}
	assert.NotEqual(t, secret.Secret, token().Secret)
	assert.Len(t, join.NewSecret(), 32)
}

func TestParseTokenRefuses(t *testing.T) {
	t.Parallel()
	pack := func(json string) string {
		return "sallyport-join-" + base64.RawURLEncoding.EncodeToString([]byte(json))
	}
	whole := func(change func(*join.Token)) string {
		secret := token()
		change(&secret)
		return secret.Text()
	}
	for name, text := range map[string]string{
		"nothing":            "",
		"another word":       "hunter2",
		"half":               token().Text()[:60],
		"no base64":          "sallyport-join-!!!",
		"no JSON":            pack("x"),
		"more after it":      pack(`{"e":"a:1"} {}`),
		"an unknown key":     pack(`{"x":1}`),
		"no hash":            whole(func(x *join.Token) { x.CA = "" }),
		"a hash in capitals": whole(func(x *join.Token) { x.CA = strings.Repeat("AB", 32) }),
		"a short hash":       whole(func(x *join.Token) { x.CA = "abab" }),
		"no invite":          whole(func(x *join.Token) { x.Invite = uuid.Nil }),
		"a short secret":     whole(func(x *join.Token) { x.Secret = "s" }),
		"no listener":        whole(func(x *join.Token) { x.Enrol = "" }),
		"a listener's URL":   whole(func(x *join.Token) { x.Enrol = "https://a:1" }),
		"port nought":        whole(func(x *join.Token) { x.Enrol = "a:0" }),
		"a port too far":     whole(func(x *join.Token) { x.Enrol = "a:70000" }),
		"a user":             whole(func(x *join.Token) { x.Enrol = "u@a:1" }),
		"a proxy's path":     whole(func(x *join.Token) { x.Proxy = "a/b:1" }),
	} {
		_, err := join.ParseToken(text)
		require.Error(t, err, name)
		if text != "" {
			assert.NotContains(t, err.Error(), text, name)
		}
	}
}

func FuzzParseToken(f *testing.F) {
	f.Add(token().Text())
	f.Add("sallyport-join-e30")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := join.ParseToken(text)
		if err != nil {
			return
		}
		again, err := join.ParseToken(got.Text())
		require.NoError(t, err)
		assert.Equal(t, got, again)
	})
}
