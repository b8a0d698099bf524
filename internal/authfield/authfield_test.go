package authfield_test

import (
	"net/textproto"
	"net/url"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/internal/authfield"
)

func TestTheTableIsInOneForm(t *testing.T) {
	t.Parallel()
	headers, parameters := map[string]string{}, map[string]string{}
	for _, s := range authfield.Services() {
		assert.NotEmpty(t, s.Name)
		for _, name := range s.Headers {
			assert.Equal(t, textproto.CanonicalMIMEHeaderKey(name), name)
			assert.Empty(t, headers[name], "%s is there twice", name)
			headers[name] = s.Name
		}
		for _, name := range s.Parameters {
			assert.Equal(t, authfield.Fold(name), name)
			if len(s.Domains) == 0 {
				assert.Empty(t, parameters[name], "%s is there twice", name)
				parameters[name] = s.Name
			}
		}
	}
}

// docs/policy.md lists what is removed, so that nobody has to read the table here.
func TestTheDocumentHasTheWholeTable(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/policy.md")
	require.NoError(t, err)
	for _, s := range authfield.Services() {
		for _, list := range [][]string{s.Headers, s.Parameters, s.Domains, s.Subprotocols} {
			for _, name := range list {
				assert.Contains(t, string(page), "`"+name+"`", "%s of %s is not in docs/policy.md, \"Where agents may not authenticate\"", name, s.Name)
			}
		}
	}
}

func TestWhatSaysWhoIsAsking(t *testing.T) {
	t.Parallel()
	table := authfield.New([]string{"x-acme-key"}, []string{"acme_key"})
	for _, name := range []string{
		"Cookie", "Private-Token", "Job-Token", "X-Goog-Api-Key", "X-Amz-Security-Token", "X-Vault-Token", "Dd-Api-Key", "X-Auth-Token", "X-Github-Otp",
		"X_Vault_Token", "X-Acme-Key", "x_acme_key", "Sudo", "X-Forwarded-User",
		"X.Api.Key", "X!api!key", "X.Vault_token", "Remote.User", "X.amz.security.token", "X~Acme-Key",
	} {
		assert.True(t, table.Header(name), name)
	}
	for _, name := range []string{"", "Accept", "Content-Type", "X-Request-Id", "User-Agent", "X-Goog-User-Project", "Openai-Organization", "Idempotency-Key", "X-Amz-Date"} {
		assert.False(t, table.Header(name), name)
	}
	for _, c := range []struct {
		host, name string
		want       bool
	}{
		{"a.test", "access_token", true},
		{"a.test", "ACCESS-Token", true},
		{"a.test", "private_token", true},
		{"a.test", "acme_key", true},
		{"a.test", "Acme-Key", true},
		{"maps.googleapis.com", "key", true},
		{"googleapis.com", "KEY", true},
		{"a.test", "key", false},
		{"notgoogleapis.com", "key", false},
		{"googleapis.com.a.test", "key", false},
		{"a.azurewebsites.net", "code", true},
		{"", "key", false},
		{"a.test", "access.token", true},
		{"a.test", "api.key", true},
		{"a.test", " access_token", true},
		{"a.test", "access token", true},
		{"a.test", "access_token[]", true},
		{"a.test", "access_token[a][b]", true},
		{"a.test", "access_token\x00x", true},
		{"a.test", "access[token", true},
		{"a.test", "[access_token]", true},
		{"a.test", "access[token]", false},
		{"maps.googleapis.com", "key[]", true},
		{"a.test", "key[]", false},
		{"a.test", "[]", false},
		{"a.test", "page_token", false},
		{"a.test", "sig", false},
		{"a.test", "X-Amz-Signature", false},
		{"a.test", "", false},
	} {
		assert.Equal(t, c.want, table.Parameter(c.host, c.name), "%s at %s", c.name, c.host)
	}
}

func TestWhatTheTrailNeverKeeps(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"Authorization", "authorization", "Set-Cookie", "set_cookie", "X-Csrf-Token", "Authentication-Info", "X-Vault-Token"} {
		assert.True(t, authfield.CarriesSecret(name), name)
	}
	for _, name := range []string{"", "X-Request-Id", "Etag", "X-Ratelimit-Remaining"} {
		assert.False(t, authfield.CarriesSecret(name), name)
	}
	for _, name := range []string{"token", "TOKEN[]", "access_token", "X-Amz-Signature", "x_goog_signature", "sig", "client_assertion"} {
		assert.True(t, authfield.CarriesSecretIn(name), name)
	}
	for _, name := range []string{"", "page", "page_token", "state"} {
		assert.False(t, authfield.CarriesSecretIn(name), name)
	}
}

func TestSubprotocolsLoseTheirSecrets(t *testing.T) {
	t.Parallel()
	table := authfield.New(nil, nil)
	same := []string{"a,b", "c"}
	assert.Equal(t, same, table.Subprotocols(same))
	assert.Equal(t, []string{"realtime, v1"}, table.Subprotocols([]string{"realtime, OpenAI-insecure-api-key.sk-1", "v1"}))
	assert.Nil(t, table.Subprotocols([]string{"base64url.bearer.authorization.k8s.io.eyJ"}))
}

func TestNamesThatServersReadAsAnother(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"_method", "_METHOD", "-method", ".method", "%2Emethod", "%20_method", "+_method", "++.method", "_method%00", "_method%00x", "_method%00%zz", "_method[]", "_method%5B%5D",
		"_method[a][b]", "[_method]", "_method]", "%5f%4dethod",
	} {
		got, found := authfield.SameParameter(name, "other", "-method")
		assert.True(t, found, name)
		assert.Equal(t, "-method", got, name)
	}
	for _, name := range []string{"", "method", "_methods", "__method", "a[_method]", "%00_method", "%zz_method", "_metho%64%zz", "%"} {
		_, found := authfield.SameParameter(name, "other", "-method")
		assert.False(t, found, name)
	}
}

func TestPlainNamesCostNoMemory(t *testing.T) {
	folded := []string{"x-http-method", "per-page"}
	assert.Zero(t, testing.AllocsPerRun(100, func() { authfield.SameParameter("Per_Page", folded...) }))
}

func FuzzSameParameter(f *testing.F) {
	for _, name := range []string{"", "a_b", "A.b[]", "[a", "a b", "\xffK", "]", "a[b]c", "\u212a"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		folded := authfield.Fold(name)
		require.Equal(t, folded, authfield.Fold(folded), "%q", name)
		_, found := authfield.SameParameter(url.QueryEscape(name), folded)
		require.True(t, found, "%q is %q", name, folded)
	})
}
