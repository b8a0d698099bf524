package config_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/config"
)

// behind is a HOME that reaches upstreams through a company's proxy, and the credentials that
// there are for it.
func behind(t *testing.T, proxy string) config.Layout {
	t.Helper()
	return files(t, map[string]string{
		"sallyport.yaml": "trust_domain: agents.example.com\nupstream:\n  proxy: " + proxy + "\n",
		"credentials.yaml": "credentials:\n" +
			"  key: {kind: bearer, secret: {file: key}, hosts: [api.example.com]}\n" +
			"  corp: {kind: basic, username: us, secret: {file: key}, hosts: [\"proxy.corp.example:3128\"]}\n" +
			"  token: {kind: bearer, secret: {file: key}, hosts: [\"*.corp.example:*\"]}\n" +
			"  odd: {kind: header, header: x-key, secret: {file: key}, hosts: [\"proxy.corp.example:3128\"]}\n",
	})
}

func TestAProxyOfTheCompany(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]config.Parent{
		`{url: "http://proxy.corp.example:3128"}`:                                         {},
		`{url: "https://proxy.corp.example:3128/"}`:                                       {TLS: true},
		`{url: "https://Proxy.Corp.Example.:3128", credential: corp}`:                     {TLS: true, Credential: "corp"},
		`{url: "https://proxy.corp.example:3128", credential: token}`:                     {TLS: true, Credential: "token"},
		`{url: "http://proxy.corp.example:3128", credential: corp, clear_text: true}`:     {Credential: "corp"},
		`{url: "http://proxy.corp.example:3128", except: [], clear_text: false}`:          {},
		`{url: "https://proxy.corp.example:3128", except: ["*.corp.example", 10.0.0.10]}`: {TLS: true},
	} {
		set, err := config.Load(behind(t, text), options())
		require.NoError(t, err, text)
		got := set.Config.Upstream.Proxy
		require.NotNil(t, got, text)
		assert.Equal(t, "proxy.corp.example:3128", got.Authority.String(), text)
		assert.Equal(t, want.TLS, got.TLS, text)
		assert.Equal(t, want.Credential, got.Credential, text)
	}
	set, err := config.Load(files(t, nil), options())
	require.NoError(t, err)
	assert.Nil(t, set.Config.Upstream.Proxy)
}

// A credential that the proxy could not be given, or must not be, is told of when the files are
// read, and not when a request fails.
func TestAProxyWhoseCredentialDoesNotFit(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{url: "https://proxy.corp.example:3128", credential: none}`:                  `sallyport.yaml:3: upstream.proxy.credential: credentials.yaml has no credential "none"`,
		`{url: "https://proxy.corp.example:3128", credential: odd}`:                   `upstream.proxy.credential: credential "odd" is of kind header`,
		`{url: "https://proxy.corp.example:3128", credential: key}`:                   `upstream.proxy.credential: credential "key" must not go to proxy.corp.example:3128 (it is bound to api.example.com)`,
		`{url: "https://proxy.corp.example:3129", credential: corp}`:                  `credential "corp" must not go to proxy.corp.example:3129`,
		`{url: "https://elsewhere.example:3128", credential: token}`:                  `credential "token" must not go to elsewhere.example:3128`,
		`{url: "http://proxy.corp.example:3128", credential: corp}`:                   `upstream.proxy: would send credential corp in clear text`,
		`{url: "http://proxy.corp.example:3128", credential: key, clear_text: true}`:  `credential "key" must not go to proxy.corp.example:3128`,
		`{url: "https://proxy.corp.example:3128", credential: corp, except: ["a b"]}`: `upstream.proxy.except[0]: host "a b"`,
	} {
		_, err := config.Load(behind(t, text), options())
		require.ErrorContains(t, err, want, text)
	}
}

// A URL that names no proxy is refused, and nothing that may be a password is repeated.
func TestAProxyThatIsNone(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"proxy.corp.example:3128":                   "is not the URL of a proxy",
		"socks5://proxy.corp.example:1080":          "is not the URL of a proxy",
		"http:proxy.corp.example":                   "is not the URL of a proxy",
		"http://proxy.corp.example":                 "has no port; write http://proxy.corp.example:3128",
		"https://proxy.corp.example/":               "has no port; write https://proxy.corp.example:3128",
		"http://":                                   "is not the URL of a proxy",
		"http://proxy.corp.example:3128/pac":        "is not the URL of a proxy",
		"http://proxy.corp.example:3128?x":          "is not the URL of a proxy",
		"http://proxy.corp.example:3128#x":          "is not the URL of a proxy",
		"http://proxy.corp.example:port":            "is not the URL of a proxy",
		"http://us:hunter2@proxy.corp.example:3128": "holds a name or password",
		"http://hunter2@proxy.corp.example:3128":    "holds a name or password",
		"http://us:hunter2@proxy.corp.example/x":    "is not the URL of a proxy",
		"http://us:hun%zz@proxy.corp.example:3128":  "is not the URL of a proxy",
		"http://proxy.corp.example:0":               "upstream.proxy.url: ",
		"http://proxy.corp.example:99999":           "upstream.proxy.url: ",
		"http://pro_xy..example:3128":               "upstream.proxy.url: ",
		"":                                          "must be text",
	} {
		_, err := config.Load(behind(t, `{url: "`+url+`"}`), options())
		require.ErrorContains(t, err, want, url)
		assert.NotContains(t, err.Error(), "hunter2", url)
		assert.NotContains(t, err.Error(), "hun%zz", url)
	}
}
