package proxy_test

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const lfsPolicy = `
policy: operator
rules:
  - name: lfs
    allow: {github: {repos: [acme/web], operations: [git/lfs-download, git/lfs-upload]}}
    credential: app
  - name: storage
    allow: {host: storage.test, path: /objects/**}
`

// lfsServer is a repository's LFS as GitHub has it (git-lfs docs/api): a batch is answered
// with actions at another host, each with an authorization that is live for it alone.
type lfsServer struct {
	app *appServer

	mu       sync.Mutex
	live     map[string]string // authorizations, to method and path
	objects  map[string][]byte
	verified map[string]bool
	seen     []string // authorizations at the storage
	gzip     bool
	status   int    // 200 if 0
	media    string // application/vnd.git-lfs+json if ""
	page     string // in the place of JSON
	life     int
}

func newLFS(t *testing.T, options ...func(*rig)) (*rig, *lfsServer) {
	s := &lfsServer{app: newAppServer(t), live: map[string]string{}, objects: map[string][]byte{}, verified: map[string]bool{}, life: 900}
	r := newRig(t, append([]func(*rig){func(r *rig) {
		r.policy, r.credentials = lfsPolicy, appCredentials
		r.getenv = func(string) string { return s.app.PrivateKey() }
	}}, options...)...)
	r.upstream(s.app.ServeHTTP, true, "api.github.com")
	r.upstream(s.batch, true, "github.com")
	r.upstream(s.verify, true, "lfs.github.com")
	r.upstream(s.storage, true, "storage.test")
	return r, s
}

func (s *lfsServer) batch(w http.ResponseWriter, r *http.Request) {
	user, token, _ := r.BasicAuth()
	var asked struct {
		Operation string
		Objects   []struct {
			OID  string
			Size int64
		}
	}
	_ = json.NewDecoder(r.Body).Decode(&asked)
	access := map[string]string{"download": "read", "upload": "write"}[asked.Operation]
	if user != "x-access-token" || !s.app.May(token, "acme/web", "contents", access) || r.URL.Path != "/acme/web.git/info/lfs/objects/batch" {
		http.Error(w, `{"message":"no"}`, http.StatusForbidden)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	objects := []any{}
	for _, o := range asked.Objects {
		actions := map[string]any{}
		if asked.Operation == "download" {
			actions["download"] = s.action("GET", "https://storage.test/objects/"+o.OID+"?part=1")
		} else {
			actions["upload"] = s.action("PUT", "https://storage.test/objects/"+o.OID+"?part=1")
			actions["verify"] = s.action("POST", "https://lfs.github.com/acme/web/verify")
		}
		objects = append(objects, map[string]any{"oid": o.OID, "size": o.Size, "authenticated": true, "actions": actions})
	}
	answer, _ := json.Marshal(map[string]any{"transfer": "basic", "objects": objects, "hash_algo": "sha256"})
	w.Header().Set("Content-Type", cmp.Or(s.media, "application/vnd.git-lfs+json"))
	if s.status != 0 {
		w.WriteHeader(s.status)
	}
	if s.page != "" {
		_, _ = io.WriteString(w, s.page+string(answer))
		return
	}
	if s.gzip {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = z.Write(answer)
		_ = z.Close()
		return
	}
	_, _ = w.Write(answer)
}

// action is one of an answer, with a live authorization. The caller holds the lock.
func (s *lfsServer) action(method, href string) map[string]any {
	sum := sha256.Sum256([]byte(href + string(rune(len(s.live)))))
	live := "RemoteAuth live-" + hex.EncodeToString(sum[:])
	s.live[live] = method + " " + href
	return map[string]any{"href": href, "header": map[string]string{"Authorization": live, "X-Part": "1"}, "expires_in": s.life}
}

// authorized checks the one authorization that the request needs.
func (s *lfsServer) authorized(w http.ResponseWriter, r *http.Request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	got := r.Header.Get("Authorization")
	s.seen = append(s.seen, got)
	if s.live[got] == r.Method+" https://"+r.Host+r.URL.RequestURI() {
		return true
	}
	http.Error(w, "no", http.StatusForbidden)
	return false
}

func (s *lfsServer) storage(w http.ResponseWriter, r *http.Request) {
	if !s.authorized(w, r) {
		return
	}
	data, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Method == http.MethodPut {
		s.objects[r.URL.Path] = data
		return
	}
	_, _ = w.Write(s.objects[r.URL.Path])
}

func (s *lfsServer) verify(w http.ResponseWriter, r *http.Request) {
	if !s.authorized(w, r) {
		return
	}
	var o struct{ OID string }
	_ = json.NewDecoder(r.Body).Decode(&o)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.verified[o.OID] = s.objects["/objects/"+o.OID] != nil
}

// action is one that a client got.
type action struct {
	Href   string
	Header map[string]string
}

// do makes the transfer as a client does: to the href, with the header.
func (a action) do(t *testing.T, client *http.Client, method, data string) (int, string) {
	t.Helper()
	request, err := http.NewRequest(method, a.Href, strings.NewReader(data))
	require.NoError(t, err)
	for name, value := range a.Header {
		request.Header.Set(name, value)
	}
	response, err := client.Do(request)
	require.NoError(t, err)
	return response.StatusCode, body(t, response)
}

// askLFS asks for a batch of one object and returns its actions.
func askLFS(t *testing.T, client *http.Client, operation string) map[string]action {
	t.Helper()
	status, text := askLFSBatch(t, client, operation)
	require.Equal(t, 200, status, text)
	var answer struct {
		Objects []struct {
			Authenticated bool
			Actions       map[string]action
		}
	}
	require.NoError(t, json.Unmarshal([]byte(text), &answer))
	assert.NotContains(t, text, "live-")
	assert.NotContains(t, text, "RemoteAuth")
	require.Len(t, answer.Objects, 1)
	assert.True(t, answer.Objects[0].Authenticated)
	return answer.Objects[0].Actions
}

func askLFSBatch(t *testing.T, client *http.Client, operation string) (int, string) {
	t.Helper()
	text := `{"operation":"` + operation + `","transfers":["basic"],"objects":[{"oid":"abc","size":5}]}`
	request, err := http.NewRequest(http.MethodPost, "https://github.com/acme/web.git/info/lfs/objects/batch", strings.NewReader(text))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/vnd.git-lfs+json")
	request.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("x:placeholder")))
	response, err := client.Do(request)
	require.NoError(t, err)
	return response.StatusCode, body(t, response)
}

func TestLFSAuthorizationsNeverReachTheAgent(t *testing.T) {
	t.Parallel()
	for _, http2 := range []bool{false, true} {
		r, s := newLFS(t)
		a := r.agent("a")
		client := r.client(a, http2)
		up := askLFS(t, client, "upload")
		status, text := up["upload"].do(t, client, http.MethodPut, "hello")
		require.Equal(t, 200, status, text)
		status, text = up["verify"].do(t, client, http.MethodPost, `{"oid":"abc","size":5}`)
		require.Equal(t, 200, status, text)
		assert.True(t, s.verified["abc"])
		down := askLFS(t, client, "download")
		status, text = down["download"].do(t, client, http.MethodGet, "")
		require.Equal(t, 200, status, text)
		assert.Equal(t, "hello", text)
		assert.Equal(t, "1", down["download"].Header["X-Part"])

		batches := map[string]bool{}
		for _, row := range r.rows() {
			if row.Host == "github.com" {
				batches[row.ID.String()] = true
			}
		}
		for _, row := range r.rows() {
			if row.Host == "storage.test" || row.Host == "lfs.github.com" {
				assert.Equal(t, "app", row.Credential)
				assert.Len(t, row.CredentialFingerprint, 64)
				assert.True(t, batches[details(t, row)["kept_from"].(string)])
			}
		}
		assert.NotContains(t, r.log.String(), "live-")
	}
}

func TestWhatIsKeptServesItsAgentAtItsAddressOnly(t *testing.T) {
	t.Parallel()
	r, s := newLFS(t)
	a := r.agent("a")
	mine, others := r.client(a, false), r.client(r.agent("b"), false)
	upload := askLFS(t, mine, "upload")["upload"]
	at := func(href string) action { return action{Href: href, Header: upload.Header} }
	for name, c := range map[string]struct {
		client *http.Client
		action action
	}{
		"another agent": {others, upload},
		"another path":  {mine, at("https://storage.test/objects/other?part=1")},
		"another query": {mine, at("https://storage.test/objects/abc?part=2")},
		"no query":      {mine, at("https://storage.test/objects/abc")},
		"another host":  {mine, at("https://lfs.github.com/acme/web/verify")},
		"made up":       {mine, action{upload.Href, map[string]string{"Authorization": "Bearer sallyport-kept-x"}}},
	} {
		method := http.MethodPut
		if name == "another host" {
			method = http.MethodPost
		}
		status, text := c.action.do(t, c.client, method, "hello")
		assert.Equal(t, http.StatusBadGateway, status, "%s: %s", name, text)
		assert.Contains(t, text, "urn:sallyport:refusal:credential", name)
	}
	assert.Empty(t, s.seen, "nothing of it left")
	status, text := action{"https://storage.test/elsewhere", upload.Header}.do(t, mine, http.MethodPut, "hello")
	assert.Equal(t, http.StatusForbidden, status)
	assert.Contains(t, text, "urn:sallyport:refusal:policy", "policy decides about the transfer, whatever is kept")

	_, err := r.registry.Suspend(t.Context(), a.ID, "test")
	require.NoError(t, err)
	r.proxy.Cut(a.ID)
	_, err = r.registry.Resume(t.Context(), a.ID)
	require.NoError(t, err)
	status, _ = upload.do(t, r.client(a, false), http.MethodPut, "hello")
	assert.Equal(t, http.StatusBadGateway, status, "it does not outlive a suspension")
}

func TestWhatIsKeptExpiresAndIsBounded(t *testing.T) {
	t.Parallel()
	var clock clock
	r, s := newLFS(t, func(r *rig) { r.now = clock.now })
	client := r.client(r.agent("a"), false)
	upload := askLFS(t, client, "upload")["upload"]
	status, _ := upload.do(t, client, http.MethodPut, "hello")
	require.Equal(t, 200, status)
	clock.advance(15 * time.Minute)
	status, _ = upload.do(t, client, http.MethodPut, "hello")
	assert.Equal(t, http.StatusBadGateway, status, "when the answer said")

	s.mu.Lock()
	s.life = 1800
	s.mu.Unlock()
	first := askLFS(t, client, "upload")["upload"]
	for range 520 { // of two actions each
		askLFS(t, client, "upload")
	}
	last := askLFS(t, client, "upload")["upload"]
	status, _ = first.do(t, client, http.MethodPut, "hello")
	assert.Equal(t, http.StatusBadGateway, status, "the first made room")
	status, _ = last.do(t, client, http.MethodPut, "hello")
	assert.Equal(t, 200, status)
}

func TestAnLFSAnswerThatCannotBeReadIsNotPassedOn(t *testing.T) {
	t.Parallel()
	r, s := newLFS(t)
	s.gzip = true
	status, text := askLFSBatch(t, r.client(r.agent("a"), false), "upload")
	assert.Equal(t, http.StatusBadGateway, status)
	assert.Contains(t, text, "urn:sallyport:refusal:upstream")
	assert.False(t, bytes.Contains([]byte(text), []byte("live-")))
}

// By what was asked, whatever status and media type the answer has.
func TestNoFormOfAnAnswerBringsALiveAuthorization(t *testing.T) {
	t.Parallel()
	r, s := newLFS(t)
	client := r.client(r.agent("a"), false)
	for _, status := range []int{200, 201, 202, 203, 206, 301, 403, 404, 422, 500, 503} {
		for _, media := range []string{"", "application/json", "application/javascript", "text/html", "application/vnd.git-lfs+json; charset=utf-8", "Application/VND.git-LFS+json"} {
			s.mu.Lock()
			s.status, s.media, s.page = status, media, ""
			s.mu.Unlock()
			got, text := askLFSBatch(t, client, "upload")
			assert.NotContains(t, text, "live-", "%d %s", status, media)
			want := status
			if status == http.StatusPartialContent {
				want = http.StatusBadGateway
			} else {
				assert.Contains(t, text, "sallyport-kept-", "%d %s", status, media)
			}
			assert.Equal(t, want, got, "%d %s: %s", status, media, text)

			s.mu.Lock()
			s.page = "<html>down for maintenance"
			s.mu.Unlock()
			got, text = askLFSBatch(t, client, "upload")
			assert.NotContains(t, text, "live-", "%d %s", status, media)
			if status < 300 {
				assert.Equal(t, http.StatusBadGateway, got, "%d %s", status, media)
				continue
			}
			assert.Equal(t, status, got, "%d %s", status, media)
			assert.Empty(t, text, "the status alone")
			assert.Contains(t, r.rows()[0].Outcome.Details["withheld"], "cannot be read")
		}
	}
}

// A server may take an odd form of a path for LFS, and answer as it likes.
func TestOddFormsOfABatchBringNoLiveAuthorization(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.upstream(func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		w.Header().Set("Content-Type", req.Header.Get("X-Media"))
		w.WriteHeader(http.StatusCreated)
		if req.Header.Get("X-Page") != "" {
			_, _ = io.WriteString(w, "\n<html>")
			return
		}
		_, _ = io.WriteString(w, "\xef\xbb\xbf \n"[len(req.Header.Get("X-Bare")):]+`{"objects":[{"actions":{"download":{"href":"https://x.test/y","header":{"Authorization":"live-1"}}}}]}`)
	}, true, "github.com")
	r.configure(`
policy: operator
rules:
  - {name: web, allow: {host: github.com}, credential: hub, unnamed: allow}
`)
	client := r.client(r.agent("a"), true)
	ask := func(path, media, page, bare string) string {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://github.com"+path, strings.NewReader("{}"))
		require.NoError(t, err)
		request.Header = http.Header{"X-Media": {media}, "X-Page": {page}, "X-Bare": {bare}}
		response, err := client.Do(request)
		require.NoError(t, err)
		return body(t, response)
	}
	for _, path := range []string{"/acme/web.git/info/lfs/objects/batch?x", "/acme/web/info/LFS/objects/batch", "/acme/web.git/info/lfs/objects/batch;x", "/acme/web/odd"} {
		for _, media := range []string{"application/json", "text/plain", "application/vnd.git-lfs+json", ""} {
			assert.NotContains(t, ask(path, media, "", ""), "live-", "%s %s", path, media)
			assert.Contains(t, ask(path, media, "", "skip!"), "sallyport-kept-", "%s %s", path, media)
		}
		assert.Equal(t, "\n<html>", ask(path, "text/html", "page", ""), "a page is a page")
	}
}
