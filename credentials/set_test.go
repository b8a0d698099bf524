package credentials_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/credentials"
	"sallyport/internal/host"
	"sallyport/internal/yamldoc"
)

func environment(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

func options(t testing.TB, env ...string) credentials.Options {
	t.Helper()
	env = append(env, "PATH", os.Getenv("PATH"))
	return credentials.Options{Home: t.TempDir(), Getenv: environment(env...), FingerprintKey: []byte("key"), Kinds: kinds()}
}

func parse(t testing.TB, text string, o credentials.Options) *credentials.Set {
	t.Helper()
	set, err := credentials.Parse("credentials.yaml", []byte(text), o)
	require.NoError(t, err)
	return set
}

func pattern(t testing.TB, text string) host.Pattern {
	t.Helper()
	p, err := host.ParsePattern(text)
	require.NoError(t, err)
	return p
}

const every = `
credentials:
  anthropic:
    kind: header
    header: x-api-key
    secret: {env: KEY}
    hosts: [api.anthropic.com]
  token:
    kind: header
    header: X-Acme
    prefix: "Token "
    secret: {env: KEY}
    hosts: ["*.example.com", "api.example.com:8443"]
  bearer: {kind: bearer, secret: {env: OTHER}, hosts: [openai.example:*]}
  basic: {kind: basic, username: robot, secret: {env: KEY}, hosts: [git.example, "[2001:db8::1]"]}
  maps: {kind: query, parameter: key, secret: {exec: [printf, x]}, hosts: [maps.example]}
`

func TestParseReadsEveryKind(t *testing.T) {
	t.Parallel()
	set := parse(t, every, options(t, "KEY", canary, "OTHER", canary+"2"))
	assert.Empty(t, set.Warnings())
	assert.Equal(t, []string{"anthropic", "basic", "bearer", "maps", "token"}, set.Names())
	fields := set.AuthFields()
	for _, name := range []string{"Api-Key", "Authorization", "Proxy-Authorization", "X-Amz-S3session-Token", "X-Amz-Security-Token", "X-Api-Key", "X-Acme"} {
		assert.True(t, fields.Header(name), name)
	}
	assert.True(t, fields.Parameter("anywhere.example", "key"), "where a credential is written")
	assert.Equal(t, []string{"KEY", "OTHER"}, set.EnvNames())

	c := set.Lookup("token")
	assert.Equal(t, "token", c.Name())
	assert.Equal(t, "header", c.Kind())
	assert.Equal(t, []host.Pattern{pattern(t, "*.example.com"), pattern(t, "api.example.com:8443")}, c.Hosts())
}

func TestCoversOnlyWhatTheCredentialIsBoundTo(t *testing.T) {
	t.Parallel()
	c := parse(t, every, options(t, "KEY", canary, "OTHER", canary)).Lookup("token")
	for text, covered := range map[string]bool{
		"api.example.com": true, "api.example.com:443": true, "*.api.example.com": true, "*.example.com": true,
		"api.example.com:8443": true, "b.example.com:8443": false, "example.com": false, "*": false,
		"*.com": false, "api.example.com:*": false, "10.0.0.1": false,
	} {
		assert.Equal(t, covered, c.Covers(pattern(t, text)), text)
	}
	var none *credentials.Credential
	assert.False(t, none.Covers(pattern(t, "api.example.com")))
}

func TestNilAndEmptySetsRefuseEverything(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "# nothing\n", "credentials:\n", "credentials: {}\n"} {
		set := parse(t, text, options(t))
		assert.Empty(t, set.Names())
		assert.Nil(t, set.Lookup("any"))
	}
	var set *credentials.Set
	assert.Empty(t, set.Names())
	assert.Empty(t, set.Warnings())
	assert.Empty(t, set.EnvNames())
	assert.False(t, set.AuthFields().Parameter("anywhere.example", "key"))
	for _, name := range []string{"Api-Key", "Authorization", "Proxy-Authorization", "X-Amz-S3session-Token", "X-Amz-Security-Token", "X-Api-Key"} {
		assert.True(t, set.AuthFields().Header(name), name)
	}
	assert.False(t, set.AuthFields().Header("X-Acme"))
	c := set.Lookup("any")
	assert.Empty(t, c.Name()+c.Kind())
	assert.Empty(t, c.Hosts())
	_, err := c.Retrieve(t.Context(), credentials.Use{})
	require.EqualError(t, err, "no such credential")
}

// TestParseRefuses reads testdata/bad: the first lines of each file, as comments,
// are the whole error.
func TestParseRefuses(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/bad/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			var want []string
			for line := range strings.Lines(string(data)) {
				text, ok := strings.CutPrefix(line, "# ")
				if !ok {
					break
				}
				want = append(want, strings.TrimSpace(text))
			}
			set, err := credentials.Parse("c.yaml", data, options(t))
			require.Error(t, err)
			assert.Nil(t, set)
			var all yamldoc.Errors
			assert.ErrorAs(t, err, &all)
			assert.Equal(t, strings.Join(want, "\n"), err.Error())
		})
	}
}

func TestNoErrorRepeatsWhatCouldBeASecret(t *testing.T) {
	t.Parallel()
	entry := "credentials: {a: {kind: header, header: x-k, secret: {env: A}, hosts: [h.example]}}"
	spots := []string{
		"header: %s %s", "[%s]", "%s", "%s: x", "credentials: %s", "credentials: [%s]", "credentials: {a: %s}",
		"credentials: {a: {kind: %s}}", "credentials: {a: {%s: x}}", "credentials: {a: {kind: bearer, secret: %s}}",
		"credentials: {a: {kind: bearer, secret: '%s'}}", "credentials: {a: {kind: bearer, secret: [%s]}}",
		"credentials: {a: {kind: bearer, secret: {%s}}}", "credentials: {a: {kind: bearer, secret: {%s: %s}}}",
		"credentials: {a: {kind: bearer, secret: {env: %s}}}", "credentials: {a: {kind: bearer, secret: {value: %s}}}",
		"credentials: {a: {kind: bearer, secret: {env: [%s]}}}", "credentials: {a: {kind: bearer, secret: {env: A, refresh: %s}}}",
		"credentials: {a: {kind: bearer, secret: {exec: %s}}}", "credentials: {a: {kind: bearer, secret: {exec: [x], refresh: %s}}}",
		"credentials: {a: {kind: bearer, secret: {exec: [[%s]]}}}", "credentials: {a: {kind: bearer, secret: *%s}}",
		"credentials: {a: {kind: bearer, secret: &%s x}}", "credentials: {a: {kind: bearer, secret: !%s x}}",
		"credentials: {a: {kind: header, header: 'a %s'}}", "credentials: {a: {kind: basic, username: 'a:%s'}}",
		"credentials: {a: {kind: bearer, secret: \"%s\x01\"}}", "credentials: {a: {kind: bearer, secret: '%s", "credentials: {a: {kind: bearer, secret: @%s}}",
		"credentials: {a: {kind: bearer, secret: |\n%s\n}}", "? %s\n? [%s]: 3", "credentials:\n  a:\n    secret: %s\n   kind: x", "%%%s",
	}
	// Without the characters that mean something to YAML, so that it reaches the decoders.
	plain := "sk7f3a9QxZw0dCaNaRy"
	for _, spot := range spots {
		for _, secret := range []string{canary, plain} {
			text := strings.ReplaceAll(spot, "%s", secret)
			_, err := credentials.Parse("c.yaml", []byte(text), options(t))
			require.Error(t, err, text)
			assert.NotContains(t, err.Error(), secret[:6], text)
		}
	}
	_, err := credentials.Parse("c.yaml", []byte(entry), options(t, "A", canary+"\n\n"))
	require.NoError(t, err, "a bad value is a warning, since it may be mended without an edit")
}

func TestWarningsNameFileLineAndKey(t *testing.T) {
	t.Parallel()
	o := options(t, "BAD", canary+"\n"+canary)
	require.NoError(t, os.WriteFile(filepath.Join(o.Home, "open.key"), []byte(canary), 0o600))
	require.NoError(t, os.Chmod(filepath.Join(o.Home, "open.key"), 0o644))
	text := `credentials:
  a: {kind: bearer, hosts: [h.example], secret: {env: UNSET}}
  b: {kind: bearer, hosts: [h.example], secret: {env: BAD}}
  c: {kind: bearer, hosts: [h.example], secret: {file: missing.key}}
  d: {kind: bearer, hosts: [h.example], secret: {file: open.key}}
`
	require.NoError(t, os.WriteFile(filepath.Join(o.Home, "credentials.yaml"), []byte(text), 0o600))
	require.NoError(t, os.Chmod(filepath.Join(o.Home, "credentials.yaml"), 0o644))
	set := parse(t, text, o)
	requireSilent(t, fmt.Sprint(set.Warnings()))
	assert.Equal(t, []string{
		"credentials.yaml: can be read by others; run chmod go-r on it",
		"credentials.yaml:2: credentials.a.secret.env: read environment variable UNSET: it is empty; until it is set, requests that need it are refused",
		"credentials.yaml:3: credentials.b.secret.env: read environment variable BAD: it holds a line break or another control character; keep one line with the secret alone; until it is set, requests that need it are refused",
		"credentials.yaml:4: credentials.c.secret.file: no such file or directory; until that is mended, requests that need it are refused",
		"credentials.yaml:5: credentials.d.secret.file: " + o.Home + "/open.key can be read by others; run chmod go-r on it",
	}, set.Warnings())
	_, err := set.Lookup("b").Retrieve(t.Context(), credentials.Use{})
	require.Error(t, err)
	requireSilent(t, err.Error())
}
