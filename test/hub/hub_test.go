package hub_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"

	"sallyport/test/hub"
)

func newHub(t *testing.T) *hub.Hub {
	t.Helper()
	h, err := hub.New(hub.Options{Web: "github.com", App: 4711, Dir: t.TempDir(), Life: time.Hour})
	require.NoError(t, err)
	return h
}

// call asks the API and returns the status and the answer.
func call(t *testing.T, h *hub.Hub, method, path, token, body string) (int, map[string]any) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "https://api.github.com"+path, bytes.NewBufferString(body))
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("User-Agent", "test")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	answer := map[string]any{}
	_ = json.Unmarshal(w.Body.Bytes(), &answer) // a list, or nothing
	return w.Code, answer
}

// jwt signs claims with the App's key.
func jwt(t *testing.T, h *hub.Hub, header string, claims map[string]any) string {
	t.Helper()
	block, _ := pem.Decode([]byte(h.PrivateKey()))
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	require.NoError(t, err)
	text, err := json.Marshal(claims)
	require.NoError(t, err)
	encode := base64.RawURLEncoding.EncodeToString
	signed := encode([]byte(header)) + "." + encode(text)
	digest := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
	require.NoError(t, err)
	return signed + "." + encode(signature)
}

const rs256 = `{"alg":"RS256","typ":"JWT"}`

func claims(iat, exp time.Duration) map[string]any {
	return map[string]any{"iss": "4711", "iat": time.Now().Add(iat).Unix(), "exp": time.Now().Add(exp).Unix()}
}

func TestAppsAreKnownByTheirKey(t *testing.T) {
	t.Parallel()
	h, other := newHub(t), newHub(t)
	good := claims(-time.Minute, 9*time.Minute)
	for name, c := range map[string]struct {
		token string
		taken bool
	}{
		"good":             {jwt(t, h, rs256, good), true},
		"number as issuer": {jwt(t, h, rs256, map[string]any{"iss": 4711, "iat": good["iat"], "exp": good["exp"]}), true},
		"another key":      {jwt(t, other, rs256, good), false},
		"another App":      {jwt(t, h, rs256, map[string]any{"iss": "1", "iat": good["iat"], "exp": good["exp"]}), false},
		"no algorithm":     {jwt(t, h, `{"alg":"none"}`, good), false},
		"HS256":            {jwt(t, h, `{"alg":"HS256"}`, good), false},
		"over":             {jwt(t, h, rs256, claims(-time.Hour, -time.Second)), false},
		"too long":         {jwt(t, h, rs256, claims(0, 11*time.Minute)), false},
		"of the future":    {jwt(t, h, rs256, claims(5*time.Minute, 9*time.Minute)), false},
		"no claims":        {jwt(t, h, rs256, map[string]any{"iss": "4711"}), false},
		"not one":          {"sallyport-placeholder", false},
	} {
		assert.Equal(t, c.taken, h.VerifyApp(c.token) == nil, "%s: %v", name, h.VerifyApp(c.token))
	}
}

func TestTokensAreAsNarrowAsTheyWereAskedFor(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	app := jwt(t, h, rs256, claims(-time.Minute, 9*time.Minute))
	mint := func(body string) string {
		status, answer := call(t, h, "POST", "/app/installations/51/access_tokens", app, body)
		require.Equal(t, http.StatusCreated, status, answer)
		return answer["token"].(string)
	}
	narrow, wide := mint(`{"repositories":["web"],"permissions":{"pull_requests":"read"}}`), mint(`{}`)
	assert.InDelta(t, 520, len(narrow), 20)
	for _, c := range []struct {
		method, path, token string
		status              int
	}{
		{"GET", "/repos/acme/web", narrow, 200},
		{"GET", "/repos/Acme/Web/pulls", narrow, 200},
		{"GET", "/repositories/1296000/pulls", narrow, 200},
		{"POST", "/repos/acme/web/pulls", narrow, 403},
		{"GET", "/repos/acme/web/contents/README.md", narrow, 403},
		{"GET", "/repos/acme/api/pulls", narrow, 404},
		{"GET", "/repositories/1296001/pulls", narrow, 404},
		{"GET", "/repos/acme/api/pulls", wide, 200},
		{"GET", "/repos/other/web/pulls", wide, 404},
		{"GET", "/repos/acme/web/issues?_method=DELETE", wide, 404},
		{"GET", "/repos/acme/web?_method=DELETE", narrow, 403},
		{"GET", "/user", wide, 403},
		{"GET", "/repos/acme/web/", wide, 404},
		{"GET", "/repos/acme/web", "sallyport-placeholder", 401},
		{"DELETE", "/installation/token", narrow, 204},
		{"GET", "/repos/acme/web", narrow, 401},
	} {
		status, answer := call(t, h, c.method, c.path, c.token, "")
		assert.Equal(t, c.status, status, "%s %s: %v", c.method, c.path, answer)
	}
	h.Advance(61 * time.Minute)
	status, _ := call(t, h, "GET", "/repos/acme/web", wide, "")
	assert.Equal(t, http.StatusUnauthorized, status, "tokens end")
}

// Documents are read as the library reads them on which GitHub is said to be built, so
// that one which says something else to the specification does its harm here.
func TestDocumentsWithTwoReadings(t *testing.T) {
	t.Parallel()
	const opening, removal = `createPullRequest(input:{title:`, `deleteRef(input:{refId:"R_rs00:refs/heads/x"}){clientMutationId}`
	nine := strings.Repeat(`"`, 9)
	for name, document := range map[string]string{
		"comment":   "mutation{ #\r" + opening + "\"\"\"\n" + removal + " #\"\"\"}){clientMutationId}\n}",
		"quotes":    `mutation{` + opening + `[` + nine + `,"""]}){clientMutationId}` + removal + ` #"""]}){clientMutationId}` + "\n}",
		"backslash": `mutation{` + opening + `"""a\\"""}){clientMutationId}` + removal + ` #"""}){clientMutationId}` + "\n}",
	} {
		strict, err := parser.ParseQuery(&ast.Source{Input: document})
		require.NoError(t, err, name)
		assert.Len(t, strict.Operations[0].SelectionSet, 1, "to a reader of the specification it opens a pull request: %s", name)
		doc, err := parser.ParseQuery(&ast.Source{Input: hub.Lenient(document)})
		require.NoError(t, err, name)
		fields := doc.Operations[0].SelectionSet
		assert.Equal(t, "deleteRef", fields[len(fields)-1].(*ast.Field).Name, name)
	}
	const plain = "query Q{a(b:\"x \\\"#\" c:\"\"\"y \\\"\"\" \"z\"\"\"){d}}"
	assert.Equal(t, `query Q{a(b:"x \"#"  c:"y \\\"\"\" \"z" ){d}}`, hub.Lenient(plain))
}

// Octokit's own App authentication, which GitHub maintains, is taken: so what this
// GitHub asks of an App is not stricter than GitHub, and its answers can be read.
func TestOctokitIsTaken(t *testing.T) {
	t.Parallel()
	module, err := filepath.Abs("../../.cache/clients/node_modules/@octokit/auth-app/dist-node/index.js")
	require.NoError(t, err)
	node := filepath.Join(filepath.Dir(module), "../../../node/bin/node")
	if _, err := os.Stat(module); err != nil {
		if os.Getenv("REQUIRE_CLIENTS") == "1" {
			t.Fatal("octokit is not installed: run test/e2e/install-clients.sh")
		}
		t.Skip("octokit is not installed")
	}
	h := newHub(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Host = "api.github.com"
		h.ServeHTTP(w, r)
	}))
	defer server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, "--input-type=module", "-e", fmt.Sprintf(`
import { createAppAuth } from %q;
import { request } from %q;
const auth = createAppAuth({appId: 4711, privateKey: process.env.KEY, request: request.defaults({baseUrl: %q})});
const app = await auth({type: "app"});
const token = await auth({type: "installation", installationId: 51, repositoryNames: ["web"], permissions: {issues: "read"}});
console.log(JSON.stringify({jwt: app.token, token: token.token, permissions: token.permissions, repositories: token.repositoryNames}));
`, "file://"+module, "file://"+filepath.Join(filepath.Dir(module), "../../request/dist-bundle/index.js"), server.URL))
	cmd.Env = []string{"KEY=" + h.PrivateKey()}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	var got struct {
		JWT, Token   string
		Permissions  map[string]string
		Repositories []string
	}
	require.NoError(t, json.Unmarshal(out, &got))
	require.NoError(t, h.VerifyApp(got.JWT))
	assert.Equal(t, map[string]string{"issues": "read", "metadata": "read"}, got.Permissions)
	assert.Equal(t, []string{"web"}, got.Repositories)
	status, _ := call(t, h, "GET", "/repos/acme/web/issues", got.Token, "")
	assert.Equal(t, 200, status)
}
