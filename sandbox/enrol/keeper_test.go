package enrol

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/certs"
	"sallyport/identity/join"
)

const (
	domain = "agents.test"
	agent  = "spiffe://" + domain + "/agent/0b6f1c1e-6f0e-4d1c-9d0a-3f6f0c8f2a11"
)

// listener is an enrolment listener that answers as a test says. What Sallyport's own answers
// is tested where it is put together.
type listener struct {
	ca     *certs.Authority
	ttl    time.Duration
	answer func(n int) (status int, p join.Problem) // status 0 grants it
	name   string                                   // of whom it makes certificates for

	mu    sync.Mutex
	asked int
	keys  [][]byte
}

func newListener(t *testing.T) (*listener, join.Token) {
	t.Helper()
	ca, err := certs.CreateAuthority(certs.Template{CommonName: "agents", URI: "spiffe://" + domain}, time.Now())
	require.NoError(t, err)
	own, err := ca.IssueListener(certs.ListenerSpec{URI: "spiffe://" + domain + "/sallyport"}, time.Hour, time.Now())
	require.NoError(t, err)
	own.TLS.Certificate = append(own.TLS.Certificate, ca.Certificate().Raw)
	l := &listener{ca: ca, ttl: time.Hour, name: agent, answer: func(int) (int, join.Problem) { return 0, join.Problem{} }}
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{own.TLS}, ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS13})
	require.NoError(t, err)
	server := &http.Server{Handler: l, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(ln) }()
	t.Cleanup(func() { _ = server.Close() })
	return l, join.Token{Enrol: ln.Addr().String(), CA: join.Hash(ca.Certificate()), Invite: uuid.New(), Secret: join.NewSecret()}
}

func (l *listener) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var message struct{ Request []byte }
	_ = json.NewDecoder(r.Body).Decode(&message)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked++
	public, err := certs.ParseRequest(message.Request)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	print, _ := certs.Fingerprint(public)
	l.keys = append(l.keys, []byte(print))
	if status, problem := l.answer(l.asked); status != 0 {
		w.WriteHeader(status)
		if problem.Error != "" {
			_ = json.NewEncoder(w).Encode(problem)
		}
		return
	}
	issued, err := l.ca.SignClient(l.name, public, l.ttl, time.Now())
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_ = json.NewEncoder(w).Encode(join.Identity{Certificate: issued.CertPEM, CA: l.ca.CertificatePEM(), SPIFFEID: l.name})
}

// steps runs a keeper for so many waits, and returns how long each was.
func steps(t *testing.T, k *Keeper, n int) (waits []time.Duration) {
	t.Helper()
	k.wait = func(_ context.Context, d time.Duration) bool {
		waits = append(waits, d)
		return len(waits) <= n
	}
	k.Run(t.Context())
	return waits
}

func within(t *testing.T, want, got time.Duration) {
	t.Helper()
	assert.InDelta(t, float64(want), float64(got), 0.1001*float64(want)+float64(2*time.Second))
}

func TestItRenewsAtHalfOfEachLife(t *testing.T) {
	t.Parallel()
	l, token := newListener(t)
	var log bytes.Buffer
	k, _, err := Join(t.Context(), Config{Store: &Memory{}, Log: slog.New(slog.NewTextHandler(&log, nil))}, token)
	require.NoError(t, err)
	first := k.Identity()
	waits := steps(t, k, 2)
	require.Len(t, waits, 3)
	for _, d := range waits { // an hour, and five minutes that it is back-dated
		within(t, 65*time.Minute/2-5*time.Minute, d)
	}
	assert.NotSame(t, first, k.Identity())
	assert.NotEqual(t, l.keys[1], l.keys[2], "each has a key of its own")
	assert.NotContains(t, log.String(), token.Secret)
}

func TestItTriesOnUntilItIsRenewed(t *testing.T) {
	t.Parallel()
	l, token := newListener(t)
	l.answer = func(n int) (int, join.Problem) {
		if n > 1 && n < 13 {
			return http.StatusServiceUnavailable, join.Problem{}
		}
		return 0, join.Problem{}
	}
	var log bytes.Buffer
	k, _, err := Join(t.Context(), Config{Store: &Memory{}, Log: slog.New(slog.NewTextHandler(&log, nil))}, token)
	require.NoError(t, err)
	waits := steps(t, k, 12)
	want := time.Second
	for _, d := range waits[1:12] {
		within(t, want, d)
		want = min(2*want, 5*time.Minute)
	}
	within(t, 65*time.Minute/2-5*time.Minute, waits[12])
	assert.Equal(t, 1, bytes.Count(log.Bytes(), []byte("cannot be renewed")), "it says so once")
	for n := 2; n < 13; n++ {
		assert.Equal(t, l.keys[1], l.keys[n-1], "it is the same request until it is answered")
	}
}

func TestWhatIsRefusedForGoodIsAskedForSeldom(t *testing.T) {
	t.Parallel()
	l, token := newListener(t)
	l.answer = func(n int) (int, join.Problem) {
		if n == 1 {
			return 0, join.Problem{}
		}
		return http.StatusForbidden, join.Problem{Error: "agent is suspended", Hint: "ask its owner", Final: true}
	}
	var log bytes.Buffer
	k, _, err := Join(t.Context(), Config{Store: &Memory{}, Log: slog.New(slog.NewTextHandler(&log, nil))}, token)
	require.NoError(t, err)
	waits := steps(t, k, 2)
	within(t, lastRetry, waits[1])
	within(t, lastRetry, waits[2])
	assert.Contains(t, log.String(), "ask its owner")
}

func TestAnIdentityOfSomebodyElseIsNotTaken(t *testing.T) {
	t.Parallel()
	l, token := newListener(t)
	k, _, err := Join(t.Context(), Config{Store: &Memory{}, Log: slog.New(slog.DiscardHandler)}, token)
	require.NoError(t, err)
	l.mu.Lock()
	l.name = "spiffe://" + domain + "/agent/0b6f1c1e-6f0e-4d1c-9d0a-3f6f0c8f2a12"
	l.mu.Unlock()
	require.ErrorContains(t, k.Renew(t.Context()), "answers with the identity")
	assert.Equal(t, agent, k.Identity().String())
}

func TestAListenerThatIsNotThere(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // bounded by the test
	require.NoError(t, err)
	require.NoError(t, ln.Close())
	token := join.Token{Enrol: ln.Addr().String(), CA: "00", Invite: uuid.New(), Secret: join.NewSecret()}
	_, _, err = Join(t.Context(), Config{Store: &Memory{}, Log: slog.New(slog.DiscardHandler)}, token)
	require.ErrorContains(t, err, "ask the enrolment listener "+ln.Addr().String())
	assert.NotContains(t, err.Error(), token.Secret)
}
