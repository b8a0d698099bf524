package app_test

import (
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

func TestGitHubTokenIsWrittenAsEachSurfaceTakesIt(t *testing.T) {
	t.Parallel()
	const basic, bearer = "Basic eC1hY2Nlc3MtdG9rZW46Y0FuQXJZLTdmM2E5USt4L1p3PT0wZA==", "Bearer " + canary
	public := injection(t, canary, "kind: github_token")
	enterprise := injection(t, canary, "kind: github_token, base_url: 'https://github.acme.example'")
	for i, urls := range map[*credentials.Injection]map[string]string{
		public: {
			"https://api.github.com/repos/acme/web":                       bearer,
			"https://API.github.com:443/graphql":                          bearer,
			"https://uploads.github.com/repos/acme/web/releases/1/assets": bearer,
			"https://raw.githubusercontent.com/acme/web/main/README":      bearer,
			"https://github.com/acme/web.git/info/refs":                   basic,
			"https://github.com/api/web.git/git-upload-pack":              basic,
			"https://github.com/acme/web.git/info/lfs/objects/batch":      basic,
			"https://npm.pkg.github.com/@acme%2fweb":                      bearer,
			"https://maven.pkg.github.com/acme/web":                       basic,
			"https://ghcr.io/token?service=ghcr.io":                       basic,
			"https://codeload.github.com/acme/web/zip/main":               "",
			"https://objects.githubusercontent.com/x?X-Amz-Signature=y":   "",
			"https://release-assets.githubusercontent.com/x?sig=y":        "",
		},
		enterprise: {
			"https://github.acme.example/api/v3/repos/acme/web":         bearer,
			"https://github.acme.example/api/graphql":                   bearer,
			"https://github.acme.example/acme/web.git/git-receive-pack": basic,
			"https://codeload.github.acme.example/acme/web/zip/main":    "",
		},
	} {
		for url, want := range urls {
			r := request(t, url)
			r.Header = http.Header{"Authorization": {"placeholder"}}
			require.NoError(t, i.Apply(r), url)
			assert.Equal(t, want, r.Header.Get("Authorization"), url)
		}
	}
	for _, url := range []string{"https://example.com/", "https://github.com.evil.com/", "https://gist.github.com/", "https://github.acme.example/", "https://api.github.com:8443/"} {
		require.Error(t, public.Apply(request(t, url)), url)
	}
	require.Error(t, enterprise.Apply(request(t, "https://api.github.com/")))
}

func TestGitHubTokenIsFoundInAnswers(t *testing.T) {
	t.Parallel()
	i := injection(t, canary, "kind: github_token")
	h := http.Header{"A": {"Bearer " + canary}, "B": {"Basic eC1hY2Nlc3MtdG9rZW46Y0FuQXJZLTdmM2E5USt4L1p3PT0wZA=="}}
	assert.Equal(t, 2, i.Scrub(h))
	assert.Equal(t, []string{"Authorization"}, i.Headers())
}
