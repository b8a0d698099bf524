package proxy_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// unnamedCredentials reach GitHub, AWS, and a store that speaks S3.
const unnamedCredentials = `
credentials:
  hub: {kind: github_token, secret: {env: SECRET}}
  keys: {kind: aws_keys, access_key_id: AKIAREAL, secret: {env: SECRET}, region: eu-west-1, hosts: [store.test, "*.amazonaws.com"]}
`

// What has no name could do anything with a credential, tell one among it: at the hosts
// of a known service a rule about hosts does not inject into it, unless it says so.
func TestAHostRuleInjectsIntoNothingThatHasNoName(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	r := newRig(t, func(r *rig) {
		r.credentials = unnamedCredentials
		r.getenv = func(string) string { return canary }
	})
	r.upstream(func(http.ResponseWriter, *http.Request) { asked.Add(1) }, true,
		"api.github.com", "ghcr.io", "secretsmanager.eu-west-1.amazonaws.com", "sts.eu-west-1.amazonaws.com", "x.execute-api.eu-west-1.amazonaws.com", "store.test")
	client := r.client(r.agent("a"), true)
	const secrets, sts = "https://secretsmanager.eu-west-1.amazonaws.com/", "https://sts.eu-west-1.amazonaws.com/"
	of := func(method, url, body string, header ...string) func() *http.Request {
		return func() *http.Request {
			q, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
			require.NoError(t, err)
			for _, h := range header {
				name, value, _ := strings.Cut(h, ": ")
				q.Header.Set(name, value)
			}
			return q
		}
	}
	at := func(service, method, url, body string, header ...string) func() *http.Request {
		return func() *http.Request { return signedFor(t, service, "eu-west-1", method, url, body, header...) }
	}
	const (
		denied  = "deny"
		allowed = "allow" // with unnamed: allow
		always  = "always"
	)
	for name, c := range map[string]struct {
		request func() *http.Request
		want    string
	}{
		"runner's token by number":  {of("POST", "https://api.github.com/repositories/7/actions/runners/registration-token", ""), allowed},
		"runner's token, encoded":   {of("POST", "https://api.github.com/repos/acme/web/actions/runners/%72egistration-token", ""), allowed},
		"runner's token":            {of("POST", "https://api.github.com/repos/acme/web/actions/runners/registration-token", ""), denied},
		"a trailing slash":          {of("POST", "https://api.github.com/repos/acme/web/actions/runners/registration-token/", ""), allowed},
		"a renamed method":          {of("GET", "https://api.github.com/repos/acme/web?_method=DELETE", ""), allowed},
		"a registry":                {of("GET", "https://ghcr.io/v2/acme/web/manifests/latest", ""), allowed},
		"what has a name":           {of("GET", "https://api.github.com/repos/acme/web", ""), always},
		"a secret as text":          {at("secretsmanager", "POST", secrets, `{"SecretId":"a"}`, "X-Amz-Target: secretsmanager.GetSecretValue", "Content-Type: text/plain"), allowed},
		"a secret":                  {at("secretsmanager", "POST", secrets, `{"SecretId":"a"}`, "X-Amz-Target: secretsmanager.GetSecretValue", "Content-Type: application/x-amz-json-1.1"), denied},
		"a session, named twice":    {at("sts", "POST", sts, "Action=GetSessionToken&Version=2011-06-15&action=x", awsForm), allowed},
		"a session":                 {at("sts", "POST", sts, "Action=GetSessionToken&Version=2011-06-15", awsForm), denied},
		"who it is":                 {at("sts", "POST", sts, "Action=GetCallerIdentity&Version=2011-06-15", awsForm), always},
		"somebody's function":       {at("execute-api", "GET", "https://x.execute-api.eu-west-1.amazonaws.com/prod/a", ""), allowed},
		"a store's own admin API":   {at("s3", "PUT", "https://store.test/minio/admin/v3/add-user?accessKey=a", ""), allowed},
		"an object of the store":    {at("s3", "GET", "https://store.test/bucket/key", ""), always},
		"a service nobody knows of": {at("backdoor", "POST", secrets, "{}"), denied}, // it cannot be signed either
	} {
		for _, unnamed := range []bool{false, true} {
			policy := "policy: operator\nrules:\n"
			for _, host := range []string{"api.github.com", "ghcr.io"} {
				policy += "  - {name: " + host + ", allow: {host: " + host + "}, credential: hub" + unnamedKey(unnamed) + "}\n"
			}
			for _, host := range []string{"\"*.amazonaws.com\"", "store.test"} {
				policy += "  - {name: " + strings.Trim(host, "\"*.") + ", allow: {host: " + host + "}, credential: keys" + unnamedKey(unnamed) + "}\n"
			}
			r.configure(policy)
			before := asked.Load()
			response, err := client.Do(c.request())
			require.NoError(t, err)
			text := body(t, response)
			goes := c.want == always || c.want == allowed && unnamed
			assert.Equal(t, goes, response.StatusCode == http.StatusOK, "%s, unnamed %v: %d %s", name, unnamed, response.StatusCode, text)
			assert.Equal(t, goes, asked.Load() > before, name)
			if !goes && !unnamed && c.want == allowed {
				assert.Contains(t, text, "the request has no name at its service", name)
			}
		}
	}
}

func unnamedKey(is bool) string {
	if is {
		return ", unnamed: allow"
	}
	return ""
}

// A store may carry out a copy that has no name here. Its source is then a second path.
func TestACopyWithoutANameIsJudgedByItsSource(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(r *rig) {
		r.credentials = unnamedCredentials
		r.getenv = func(string) string { return canary }
	})
	r.upstream(func(http.ResponseWriter, *http.Request) {}, true, "store.test")
	r.configure(`
policy: operator
rules:
  - {name: agents, allow: {host: store.test, path: "/acme/agents/**"}, credential: keys, unnamed: allow}
`)
	client := r.client(r.agent("a"), true)
	for source, want := range map[string]int{
		"acme/agents/b":       http.StatusOK,
		"/acme/agents/b":      http.StatusOK,
		"acme/prod/b":         http.StatusForbidden,
		"other/agents/b":      http.StatusBadRequest,
		"acme/agents/../b":    http.StatusBadRequest,
		"acme/agents%2fb/%5c": http.StatusBadRequest,
	} {
		request := signedFor(t, "s3", "eu-west-1", http.MethodPut, "https://store.test/acme/agents/a?acl", "", "X-Amz-Copy-Source: "+source)
		response, err := client.Do(request)
		require.NoError(t, err)
		assert.Equal(t, want, response.StatusCode, "%s: %s", source, body(t, response))
	}
}
