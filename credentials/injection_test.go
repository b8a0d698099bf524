package credentials_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/credentials"
)

func request(t testing.TB, url string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	return r
}

func injection(t testing.TB, secret, entry string) *credentials.Injection {
	t.Helper()
	set := parse(t, "credentials: {a: {secret: {env: A}, "+entry+"}}", options(t, "A", secret))
	i, err := set.Lookup("a").Retrieve(t.Context(), credentials.Use{})
	require.NoError(t, err)
	return i
}

func TestApplyReplacesWhatTheAgentSent(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ entry, header, want string }{
		"header": {"kind: header, header: x-api-key, hosts: [h.example]", "X-Api-Key", canary},
		"prefix": {"kind: header, header: X-Token, prefix: 'Token ', hosts: [h.example]", "X-Token", "Token " + canary},
		"bearer": {"kind: bearer, hosts: [h.example]", "Authorization", "Bearer " + canary},
		"basic":  {"kind: basic, username: robot, hosts: [h.example]", "Authorization", "Basic cm9ib3Q6Y0FuQXJZLTdmM2E5USt4L1p3PT0wZA=="},
		"no one": {"kind: basic, username: '', hosts: [h.example]", "Authorization", "Basic OmNBbkFyWS03ZjNhOVEreC9adz09MGQ="},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := injection(t, canary, test.entry)
			r := request(t, "https://h.example/p?q=1")
			r.Header = http.Header{
				test.header: {"placeholder", "twice"}, "Accept": {"*/*"},
				"x-api_key": {"p"}, "X_TOKEN": {"p"}, "authorization": {"p"}, "AUTHORIZATION": {"p"},
			}
			before := len(r.Header)
			require.NoError(t, i.Apply(r))
			assert.Equal(t, []string{test.want}, r.Header[test.header])
			assert.Less(t, len(r.Header), before, "every spelling of the header is gone")
			assert.Equal(t, []string{"*/*"}, r.Header["Accept"])
			assert.Equal(t, "q=1", r.URL.RawQuery)
			assert.Equal(t, []string{test.header}, i.Headers())

			r = request(t, "https://h.example/")
			r.Header = nil
			require.NoError(t, i.Apply(r))
			assert.Equal(t, test.want, r.Header.Get(test.header))
		})
	}
}

func TestApplyReplacesTheParameter(t *testing.T) {
	t.Parallel()
	i := injection(t, canary, "kind: query, parameter: key, hosts: [h.example]")
	const ours = "key=cAnArY-7f3a9Q%2Bx%2FZw%3D%3D0d"
	for raw, want := range map[string]string{
		"":                                 ours,
		"a=1":                              "a=1&" + ours,
		"key=p":                            ours,
		"key":                              ours,
		"a=%20+%2f&key=p&b=;c;;&&d":        "a=%20+%2f&b=;c;;&&d&" + ours,
		"%6bey=p&k%65y=q&KEY=3&keys=4":     "KEY=3&keys=4&" + ours,
		"a=1;key=p;b=2":                    "a=1;b=2&" + ours,
		"&key=p&a":                         "&a&" + ours,
		"a&":                               "a&" + ours,
		"%zz=1&%6=2&%=3&k%ey=4":            "%zz=1&%6=2&%=3&k%ey=4&" + ours,
		"q=key=1&key=p=q&\xff=\x80":        "q=key=1&\xff=\x80&" + ours,
		"key=p&key=q&key=r&%6B%65%79=last": ours,
	} {
		r := request(t, "https://h.example/p")
		r.URL.RawQuery = raw
		require.NoError(t, i.Apply(r))
		assert.Equal(t, want, r.URL.RawQuery, raw)
	}
	assert.Empty(t, i.Headers())
	assert.Equal(t, "x=1", credentials.RemoveParameter("x=1&a+b=2&a%20b=3&a%2bb=4", "a b")[:3])
	assert.Equal(t, "x=1&a%2Bb=4", credentials.RemoveParameter("x=1&a+b=2&a%20b=3&a%2Bb=4", "a b"))
}

func TestApplyRefusesWithoutATrace(t *testing.T) {
	t.Parallel()
	urls := map[string]string{
		"http://h.example/":             "not https",
		"wss://h.example/":              "not https",
		"//h.example/":                  "not https",
		"https://other.example/":        "not bound to other.example:443",
		"https://h.example:8443/":       "not bound to h.example:8443",
		"https://h.example.evil.com/":   "not bound",
		"https://evil.com\\.h.example/": "",
		"https://sub.h.example/":        "not bound",
		"https://user@h.example/":       "user information",
		"https:///path":                 "unusable",
		"https://0x7f.1/":               "unusable",
	}
	for _, entry := range []string{"kind: bearer, hosts: [h.example]", "kind: query, parameter: key, hosts: [h.example]"} {
		i := injection(t, canary, entry)
		for url, want := range urls {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
			if err != nil {
				continue // net/url refuses it already
			}
			r.Header.Set("Authorization", "placeholder")
			r.URL.RawQuery = "key=placeholder"
			err = i.Apply(r)
			require.ErrorContains(t, err, want, url)
			requireSilent(t, err.Error())
			assert.Equal(t, "placeholder", r.Header.Get("Authorization"))
			assert.Equal(t, "key=placeholder", r.URL.RawQuery)
		}
		for _, host := range []string{"other.example", "h.example:8443", "h.example@evil", "%68.example"} {
			r := request(t, "https://h.example/")
			r.Host = host
			require.ErrorContains(t, i.Apply(r), "Host differs", host)
		}
		for _, host := range []string{"", "h.example", "H.EXAMPLE:443", "h.example."} {
			r := request(t, "https://h.example:443/")
			r.Host = host
			require.NoError(t, i.Apply(r), host)
		}
	}
	var none *credentials.Injection
	require.Error(t, none.Apply(request(t, "https://h.example/")))
	require.Error(t, new(credentials.Injection).Apply(request(t, "https://h.example/")))
	assert.Zero(t, none.Scrub(http.Header{"A": {canary}}))
	assert.Empty(t, none.Fingerprint())
	assert.Empty(t, none.Headers())
}

func TestFingerprintIsKeyed(t *testing.T) {
	t.Parallel()
	mac := hmac.New(sha256.New, []byte("key"))
	mac.Write([]byte(canary))
	assert.Equal(t, hex.EncodeToString(mac.Sum(nil)), injection(t, canary, "kind: bearer, hosts: [h.example]").Fingerprint())

	o := options(t, "A", canary)
	o.FingerprintKey = nil
	i, err := bearer(t, o, "{env: A}").Retrieve(t.Context(), credentials.Use{})
	require.NoError(t, err)
	assert.Empty(t, i.Fingerprint(), "an unkeyed hash could be guessed at")
}
