package server_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/admin"
	"sallyport/audit"
	"sallyport/certs"
	"sallyport/identity/join"
	"sallyport/sandbox/enrol"
	"sallyport/server"
)

const enrolling = "enrol: {listen: 127.0.0.1:0}\n"

// enrolled is an agent that joined by itself.
type enrolled struct {
	*enrol.Keeper
	identity join.Identity
	store    *remembering
	agent    *agent
}

// remembering is a store that tests look into.
type remembering struct {
	mu      sync.Mutex
	pending []byte
	key     []byte
	saved   join.Identity
	fail    error // of the next Save
}

func (r *remembering) Pending() ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pending == nil {
		r.pending, _, _ = certs.MakeRequest()
	}
	return r.pending, nil
}

func (r *remembering) Save(i join.Identity, key []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.fail; err != nil {
		r.fail = nil
		return err
	}
	r.saved, r.key, r.pending = i, key, nil
	return nil
}

func (w *world) invite(t *testing.T, change func(*admin.InviteRequest)) join.Token {
	t.Helper()
	r := admin.InviteRequest{Policy: "p", Owner: "person:dana", Uses: 1, TTL: admin.Duration(10 * time.Minute), AgentTTL: admin.Duration(24 * time.Hour)}
	if change != nil {
		change(&r)
	}
	made, err := w.client(t).Inviter().Invite(t.Context(), r)
	require.NoError(t, err)
	token, err := join.ParseToken(made.Token)
	require.NoError(t, err)
	return token
}

// join enrols by a token with the keys of a store.
func enrolBy(t *testing.T, token join.Token, store *remembering) (*enrolled, error) {
	t.Helper()
	keeper, got, err := enrol.Join(t.Context(), enrol.Config{Store: store, Log: quiet()}, token)
	if err != nil {
		return nil, err
	}
	made := admin.Enrolment{Certificate: got.Certificate, Key: store.key, CA: got.CA, Bundle: got.Bundle, Proxy: got.Proxy}
	return &enrolled{Keeper: keeper, identity: got, store: store, agent: newAgent(t, made)}, nil
}

func TestAnAgentJoinsWithoutCarriedKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t, enrolling)
	w.serve(t, server.ServeOptions{})
	token := w.invite(t, func(r *admin.InviteRequest) { r.Name = "builder" })
	e, err := enrolBy(t, token, &remembering{})
	require.NoError(t, err)
	assert.Equal(t, "builder", e.identity.Name)
	assert.WithinDuration(t, time.Now().Add(time.Hour), e.Identity().NotAfter(), time.Minute)
	e.agent.served(t)
	x := w.ended(t, "/")
	assert.Equal(t, []string{"builder", "person:dana", e.identity.Serial}, []string{x.AgentName, x.Owner, x.CertSerial})

	made := w.events(t, audit.TypeInviteCreated, audit.TypeAgentCreated, audit.TypeCertificateIssued)
	require.Len(t, made, 3)
	for _, event := range made {
		assert.Equal(t, token.Invite.String(), event.Payload["invite"], event.Type)
	}
	assert.Equal(t, "127.0.0.1", made[1].Payload["from"])
	said, err := w.client(t).Inviter().List(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "used", said[0].State)
}

func TestATokenThatIsShownTwiceStopsItsAgent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, enrolling)
	w.serve(t, server.ServeOptions{})
	token := w.invite(t, nil)
	e, err := enrolBy(t, token, &remembering{})
	require.NoError(t, err)
	e.agent.served(t)
	_, err = enrolBy(t, token, &remembering{})
	require.ErrorContains(t, err, "used up")
	e.agent.stopped(t)
	stopped := w.events(t, audit.TypeAgentSuspended)
	require.Len(t, stopped, 1)
	assert.Contains(t, stopped[0].Payload["reason"], "shown again, with another key, from 127.0.0.1")
	assert.Len(t, w.events(t, audit.TypeJoinRefused), 1)
}

// stopped asserts that the agent gets no tunnel any more.
func (a *agent) stopped(t *testing.T) {
	t.Helper()
	a.trip.CloseIdleConnections()
	_, err := a.http.Do(a.request(t, "/after")) //nolint:bodyclose // there is none
	require.ErrorContains(t, err, "Forbidden")
}

func TestOfTwoThatJoinAtOnceOneIsIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, enrolling)
	w.serve(t, server.ServeOptions{})
	token := w.invite(t, nil)
	errs := make(chan error)
	for range 2 {
		go func() {
			_, _, err := enrol.Join(context.Background(), enrol.Config{Store: &remembering{}, Log: quiet()}, token)
			errs <- err
		}()
	}
	one, two := <-errs, <-errs
	assert.NotEqual(t, one == nil, two == nil, "%v, %v", one, two)
}

func TestAJoinWhoseAnswerIsLostIsAskedForAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, enrolling)
	w.serve(t, server.ServeOptions{})
	token := w.invite(t, nil)
	store := &remembering{fail: errors.New("the process was killed")}
	_, err := enrolBy(t, token, store)
	require.ErrorContains(t, err, "killed")
	e, err := enrolBy(t, token, store)
	require.NoError(t, err)
	e.agent.served(t)
	assert.Len(t, w.events(t, audit.TypeAgentCreated), 1, "it is one agent")
}

func TestARenewalKeepsWhatIsOpen(t *testing.T) {
	t.Parallel()
	w := newWorld(t, enrolling)
	w.serve(t, server.ServeOptions{})
	e, err := enrolBy(t, w.invite(t, nil), &remembering{})
	require.NoError(t, err)
	end := e.agent.hold(t, "/held")
	require.NoError(t, e.Renew(t.Context()))
	assert.NotEqual(t, e.identity.Serial, e.store.saved.Serial)
	assert.Equal(t, e.identity.ID, e.store.saved.ID)
	w.later.Store(int64(70 * time.Minute))
	require.NoError(t, e.Renew(t.Context()), "ten minutes after its end, it comes back")
	close(w.gate)
	rest, err := end()
	require.NoError(t, err)
	assert.Equal(t, "ok", rest)
	issued := w.events(t, audit.TypeCertificateIssued)
	require.Len(t, issued, 3)
	assert.Equal(t, e.identity.Serial, issued[1].Payload["replaces"])
}

func TestACopyOfAnAgentIsFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t, enrolling)
	r := w.serve(t, server.ServeOptions{})
	e, err := enrolBy(t, w.invite(t, nil), &remembering{})
	require.NoError(t, err)
	copied := enrol.Continue(enrol.Config{Enrol: e.Enrol, Store: &remembering{}, Log: quiet()}, e.Identity())
	require.NoError(t, e.Renew(t.Context()))
	err = copied.Renew(t.Context())
	var refused *enrol.RefusedError
	require.ErrorAs(t, err, &refused)
	assert.Contains(t, refused.Why, "there twice")
	assert.True(t, refused.Final)
	r.log.until(t, "there twice")
	e.agent.stopped(t)
	require.ErrorContains(t, e.Renew(t.Context()), "is suspended")
}

func TestStoppedAgentsDoNotRenew(t *testing.T) {
	t.Parallel()
	w := newWorld(t, enrolling)
	w.serve(t, server.ServeOptions{})
	c := w.client(t)
	for want, stop := range map[string]func(id string, token join.Token) error{
		"is suspended": func(id string, _ join.Token) error {
			_, err := c.SuspendAgent(t.Context(), admin.StatusRequest{ID: id})
			return err
		},
		"revoked": func(id string, _ join.Token) error {
			_, err := c.RevokeAgent(t.Context(), admin.StatusRequest{ID: id})
			return err
		},
	} {
		token := w.invite(t, func(r *admin.InviteRequest) { r.Uses = 2 })
		e, err := enrolBy(t, token, &remembering{})
		require.NoError(t, err)
		require.NoError(t, stop(e.identity.ID, token))
		require.ErrorContains(t, e.Renew(t.Context()), want)
		_, err = enrolBy(t, token, &remembering{})
		require.ErrorContains(t, err, "bars it", "it does not come back as another")
	}
	e, err := enrolBy(t, w.invite(t, nil), &remembering{})
	require.NoError(t, err)
	w.later.Store(int64(23*time.Hour + 50*time.Minute))
	require.NoError(t, e.Renew(t.Context()))
	assert.WithinDuration(t, e.identity.ExpiresAt, e.Identity().NotAfter(), time.Second, "no certificate outlives its agent")
	w.later.Store(int64(24*time.Hour + time.Second))
	require.ErrorContains(t, e.Renew(t.Context()), "is expired")
}

func TestWhoMayNotJoin(t *testing.T) {
	t.Parallel()
	w := newWorld(t, enrolling)
	w.serve(t, server.ServeOptions{})
	c := w.client(t)
	token := w.invite(t, nil)
	spoilt := token
	spoilt.Secret = join.NewSecret()
	_, err := enrolBy(t, spoilt, &remembering{})
	require.ErrorContains(t, err, "not known here")

	elsewhere := w.invite(t, func(r *admin.InviteRequest) { r.From = []string{"192.0.2.0/24"} })
	_, err = enrolBy(t, elsewhere, &remembering{})
	require.ErrorContains(t, err, "may not be used from 127.0.0.1")

	ended := w.invite(t, nil)
	_, err = c.Inviter().End(t.Context(), admin.StatusRequest{ID: ended.Invite.String(), Reason: "lost"})
	require.NoError(t, err)
	_, err = enrolBy(t, ended, &remembering{})
	require.ErrorContains(t, err, "was revoked")

	w.write(t, "owners.yaml", strings.ReplaceAll(ownersFile, "  dana: {name: Dana Ito}\n", ""))
	_, err = c.Reload(t.Context())
	require.NoError(t, err)
	_, err = enrolBy(t, token, &remembering{})
	require.ErrorContains(t, err, `unknown owner "person:dana"`, "nobody would answer for it")
	w.write(t, "owners.yaml", ownersFile)
	_, err = c.Reload(t.Context())
	require.NoError(t, err)
	_, err = enrolBy(t, token, &remembering{})
	require.NoError(t, err, "the token was not spent")

	for _, agents := range w.events(t, audit.TypeJoinRefused) {
		assert.NotContains(t, agents.Payload["reason"], token.Secret)
	}
	for _, bad := range []admin.InviteRequest{
		{Policy: "none", Owner: "person:dana", Uses: 1, TTL: 1, AgentTTL: 1},
		{Policy: "p", Owner: "person:nobody", Uses: 1, TTL: 1, AgentTTL: 1},
		{Policy: "p", Owner: "person:dana", Uses: 0, TTL: admin.Duration(time.Hour), AgentTTL: admin.Duration(time.Hour)},
		{Policy: "p", Owner: "person:dana", Uses: 1, TTL: admin.Duration(time.Hour), AgentTTL: admin.Duration(9000 * time.Hour)},
		{Policy: "p", Owner: "person:dana", Uses: 1, TTL: admin.Duration(time.Hour), AgentTTL: admin.Duration(time.Hour), From: []string{"10.0.0.1/8"}},
	} {
		_, err := c.Inviter().Invite(t.Context(), bad)
		require.Error(t, err, "%+v", bad)
	}
	_, err = c.Inviter().End(t.Context(), admin.StatusRequest{ID: "nonsense"})
	require.ErrorContains(t, err, "no invite has the id")
}

// What a request for a certificate asks for beside its key is nobody's business, and what is
// no good key is refused.
func TestWhatIsAskedForIsTheKeyAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, enrolling)
	w.serve(t, server.ServeOptions{})
	token := w.invite(t, nil)
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	weak, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	curve, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	require.NoError(t, err)
	request := func(key any) []byte {
		der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
			Subject: pkix.Name{CommonName: "admin"}, DNSNames: []string{"localhost"}, URIs: []*url.URL{{Scheme: "spiffe", Host: trustDomain, Path: "/sallyport"}},
		}, key)
		require.NoError(t, err)
		return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
	}
	forged := request(key)
	block, _ := pem.Decode(forged)
	block.Bytes[len(block.Bytes)-5] ^= 1
	ask := func(csr []byte) (int, string, join.Identity) {
		return post(t, token.Enrol, join.JoinPath, nil, join.Request{Invite: token.Invite.String(), Secret: token.Secret, Request: csr})
	}
	for want, csr := range map[string][]byte{
		"not PEM":                 []byte("x"),
		"use one of P-256":        request(weak),
		"curve P-521":             request(curve),
		"not signed by":           pem.EncodeToMemory(block),
		"something beside":        append(request(key), request(key)...),
		"not a CERTIFICATE REQUE": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: block.Bytes}),
		"longer than":             make([]byte, 17<<10),
	} {
		status, said, _ := ask(csr)
		assert.Equal(t, http.StatusBadRequest, status)
		assert.Contains(t, said, want)
	}
	status, said, got := ask(request(key))
	require.Equal(t, http.StatusOK, status, said)
	block, _ = pem.Decode(got.Certificate)
	cert, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	assert.Empty(t, cert.DNSNames)
	assert.Empty(t, cert.Subject.CommonName)
	require.Len(t, cert.URIs, 1)
	assert.Equal(t, got.SPIFFEID, cert.URIs[0].String())
}

func TestOnlyTheListenerOfTheTokenIsTrusted(t *testing.T) {
	t.Parallel()
	w, other := newWorld(t, enrolling), newWorld(t, enrolling)
	w.serve(t, server.ServeOptions{})
	other.serve(t, server.ServeOptions{})
	token := w.invite(t, nil)
	token.Enrol = other.invite(t, nil).Enrol
	_, err := enrolBy(t, token, &remembering{})
	require.ErrorContains(t, err, "not the listener that the token is for")

	// An agent of this very home cannot play the listener either.
	made, err := w.client(t).CreateAgent(t.Context(), admin.CreateRequest{Policy: "p", Owner: "person:dana", TTL: admin.Duration(time.Hour)})
	require.NoError(t, err)
	pair, err := tls.X509KeyPair(append(made.Certificate, made.CA...), made.Key)
	require.NoError(t, err)
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS13})
	require.NoError(t, err)
	server := &http.Server{Handler: http.NotFoundHandler(), ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(ln) }()
	defer server.Close()
	token = w.invite(t, nil)
	token.Enrol = ln.Addr().String()
	_, err = enrolBy(t, token, &remembering{})
	require.ErrorContains(t, err, "does not name spiffe://"+trustDomain+"/sallyport")
}

func TestRenewalNeedsTheAgentsCertificate(t *testing.T) {
	t.Parallel()
	w, other := newWorld(t, enrolling), newWorld(t, enrolling)
	w.serve(t, server.ServeOptions{})
	other.serve(t, server.ServeOptions{})
	foreign, err := enrolBy(t, other.invite(t, nil), &remembering{})
	require.NoError(t, err)
	token := w.invite(t, nil)
	_, csr, err := certs.MakeRequest()
	require.NoError(t, err)
	status, said, _ := post(t, token.Enrol, join.RenewPath, nil, join.Renewal{Request: csr})
	assert.Equal(t, http.StatusForbidden, status)
	assert.Contains(t, said, "no client certificate")
	pair, err := tls.X509KeyPair(foreign.identity.Certificate, foreign.store.key)
	require.NoError(t, err)
	status, said, _ = post(t, token.Enrol, join.RenewPath, &pair, join.Renewal{Request: csr})
	assert.Equal(t, http.StatusForbidden, status)
	assert.Contains(t, said, "not accepted")
}

func TestWithoutAListenerNobodyIsInvited(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.serve(t, server.ServeOptions{})
	_, err := w.client(t).Inviter().Invite(t.Context(), admin.InviteRequest{Policy: "p", Owner: "person:dana", Uses: 1, TTL: admin.Duration(time.Hour), AgentTTL: admin.Duration(time.Hour)})
	require.ErrorContains(t, err, "no enrolment listener")
}

func TestTheEnrolmentListenerIsHandedOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, enrolling)
	first := w.serve(t, server.ServeOptions{})
	e, err := enrolBy(t, w.invite(t, nil), &remembering{})
	require.NoError(t, err)
	w.serve(t, server.ServeOptions{TakeOver: true})
	require.NoError(t, first.end(t))
	require.NoError(t, e.Renew(t.Context()), "it is found where it was")
	e.agent.served(t)
	assert.FileExists(t, filepath.Join(w.layout.State(), "identity.db"))
}

// post asks the enrolment listener as no client of ours would.
func post(t *testing.T, address, path string, pair *tls.Certificate, message any) (status int, said string, got join.Identity) {
	t.Helper()
	config := &tls.Config{MinVersion: tls.VersionTLS13, InsecureSkipVerify: true} //nolint:gosec,forbidigo // what it is asked for is tested here
	if pair != nil {
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return pair, nil }
	}
	body, err := json.Marshal(message)
	require.NoError(t, err)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
	response, err := client.Post("https://"+address+path, "application/json", bytes.NewReader(body)) //nolint:noctx // bounded by the test
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	_ = json.Unmarshal(text, &got)
	return response.StatusCode, string(text), got
}

// Strangers who only hold connections open leave room for those who speak.
func TestStrangersDoNotFillTheListener(t *testing.T) {
	t.Parallel()
	w := newWorld(t, enrolling)
	w.serve(t, server.ServeOptions{})
	token := w.invite(t, nil)
	var idle []net.Conn
	for range 600 {
		conn, err := net.Dial("tcp", token.Enrol) //nolint:noctx // bounded by the test
		require.NoError(t, err)
		idle = append(idle, conn)
	}
	closed := 0
	for _, conn := range idle[540:] { // those that came when it was full
		_ = conn.SetReadDeadline(time.Now().Add(patience / 4))
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			closed++
		}
	}
	assert.Greater(t, closed, 50, "there is a bound, long before silence ends a connection")
	for _, conn := range idle {
		_ = conn.Close()
	}
	require.Eventually(t, func() bool {
		_, err := enrolBy(t, token, &remembering{})
		return err == nil
	}, patience, 10*time.Millisecond, "and room again")
}
