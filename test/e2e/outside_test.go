package e2e_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"

	"github.com/coder/websocket"
)

// outside is every service that the clients speak to. A request without the
// right secret gets 401 and nothing else, so that a client's success proves the injection.
type outside struct {
	services map[string]http.Handler
	checks   map[string]func(*http.Request) bool

	mu   sync.Mutex
	seen []string // one line per request, guarded by mu
}

func newOutside(repositories string, s secrets) (*outside, error) {
	git, err := newGit(repositories)
	if err != nil {
		return nil, err
	}
	moduleProxy, err := newModuleProxy()
	if err != nil {
		return nil, err
	}
	registry, err := newRegistry()
	if err != nil {
		return nil, err
	}
	basic := func(user, password string) func(*http.Request) bool {
		return func(r *http.Request) bool { u, p, _ := r.BasicAuth(); return u == user && p == password }
	}
	header := func(name, value string) func(*http.Request) bool {
		return func(r *http.Request) bool { return slices.Equal(r.Header.Values(name), []string{value}) }
	}
	aws := header("X-Injected-Key", s.aws)
	return &outside{
		services: map[string]http.Handler{
			apiHost: api(), grpcHost: newGRPC(), gitHost: git, modules: moduleProxy, packages: registry,
			stsHost: sts(), bucketHost: newBucket(), anthropicHost: newAnthropic(), openaiHost: newOpenAI(), geminiHost: newGemini(),
		},
		checks: map[string]func(*http.Request) bool{
			apiHost: header("Authorization", "Bearer "+s.api), grpcHost: header("Authorization", "Bearer "+s.api),
			gitHost: basic("x-access-token", s.git), modules: basic("go", s.modules),
			packages: header("Authorization", "Bearer "+s.packages),
			stsHost:  aws, bucketHost: aws,
			anthropicHost: header("X-Api-Key", s.anthropic), openaiHost: header("Authorization", "Bearer "+s.openai),
			geminiHost: header("X-Goog-Api-Key", s.gemini),
		},
	}, nil
}

func (o *outside) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	o.seen = append(o.seen, fmt.Sprintln(r.Proto, r.Method, r.Host, r.URL, r.Header))
	o.mu.Unlock()
	service, check := o.services[r.Host], o.checks[r.Host]
	if service == nil || check != nil && !check(r) {
		w.Header().Set("WWW-Authenticate", `Basic realm="e2e"`)
		http.Error(w, "the credential is missing", http.StatusUnauthorized)
		return
	}
	service.ServeHTTP(w, r)
}

// log is everything that arrived.
func (o *outside) log() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.Join(o.seen, "")
}

// api is a service that says what arrived.
func api() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		hash := sha256.New()
		n, err := io.Copy(hash, r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"method":%q,"protocol":%q,"query":%q,"bytes":%d,"sha256":%q}`+"\n",
			r.Method, r.Proto, r.URL.RawQuery, n, hex.EncodeToString(hash.Sum(nil)))
	})
	mux.HandleFunc("GET /events", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for n := range 3 {
			fmt.Fprintf(w, "data: %d\n\n", n)
			_ = http.NewResponseController(w).Flush()
		}
	})
	mux.HandleFunc("GET /large", func(w http.ResponseWriter, _ *http.Request) {
		block := []byte(strings.Repeat("large download. ", 1<<12))
		for range 128 { // 8 MiB
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	})
	mux.HandleFunc("GET /moved", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/echo?moved", http.StatusFound)
	})
	mux.HandleFunc("GET /maven/work/parent/1.0/parent-1.0.pom", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `<project><modelVersion>4.0.0</modelVersion><groupId>work</groupId><artifactId>parent</artifactId><version>1.0</version><packaging>pom</packaging></project>`)
	})
	mux.HandleFunc("GET /socket", func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		for {
			kind, message, err := c.Read(r.Context())
			if err != nil {
				return
			}
			if err := c.Write(r.Context(), kind, append([]byte("echo "), message...)); err != nil {
				return
			}
		}
	})
	return mux
}

// newPlain is a service without TLS, which must never get a credential.
func newPlain() (*httptest.Server, error) {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "plain %s credential=%q\n", r.URL.Path, r.Header.Get("Authorization"))
	})), nil
}

func sts() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/xml")
		fmt.Fprint(w, `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>`+
			`<Arn>arn:aws:iam::123456789012:role/agents</Arn><UserId>AIDAEXAMPLE</UserId><Account>123456789012</Account>`+
			`</GetCallerIdentityResult></GetCallerIdentityResponse>`)
	})
}

// bucket keeps objects as they arrive, framing of the SDK included.
type bucket struct {
	mu      sync.Mutex
	objects map[string][]byte
}

func newBucket() *bucket { return &bucket{objects: map[string][]byte{}} }

func (b *bucket) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch r.Method {
	case http.MethodPut:
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		b.objects[r.URL.Path] = body
		w.Header().Set("ETag", `"etag"`)
	case http.MethodGet, http.MethodHead:
		object, ok := b.objects[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("ETag", `"etag"`)
		_, _ = w.Write(object)
	default:
		http.Error(w, "not here", http.StatusMethodNotAllowed)
	}
}
