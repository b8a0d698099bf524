package admin

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"sallyport/identity/join"
)

// Bounds of the enrolment listener, which anybody may reach.
const (
	connections     = 512              // open at once; more are closed as they come
	joinsAtOnce     = 64               // requests that are worked on
	joinTime        = 10 * time.Second // from the first byte of a request to its last
	refusedAMinute  = 30               // for one address; then it waits
	refusedRemember = 10_000           // addresses; more are not counted
)

// EnrolServer is where agents join, and renew their certificates, over TLS.
type EnrolServer struct {
	service *Service
	server  http.Server
	room    chan struct{}
	refused refusals
}

// NewEnrolServer returns a server whose own certificate certificate returns. It shows the
// authority, too, by whose hash an agent that joins knows it.
func NewEnrolServer(s *Service, certificate func() *tls.Certificate, log *slog.Logger) *EnrolServer {
	e := &EnrolServer{service: s, room: make(chan struct{}, joinsAtOnce)}
	mux := http.NewServeMux()
	mux.Handle("POST "+join.JoinPath, e.answering(func(c joiner, r *http.Request) (join.Identity, error) {
		var request join.Request
		if err := decodeMessage(r, &request); err != nil {
			return join.Identity{}, err
		}
		return c.join(r.Context(), request)
	}))
	mux.Handle("POST "+join.RenewPath, e.answering(func(c joiner, r *http.Request) (join.Identity, error) {
		var request join.Renewal
		if err := decodeMessage(r, &request); err != nil {
			return join.Identity{}, err
		}
		return c.renew(r.Context(), shown(r), request)
	}))
	e.server = http.Server{
		Handler:           mux,
		ReadHeaderTimeout: joinTime, ReadTimeout: joinTime, WriteTimeout: 3 * joinTime, IdleTimeout: joinTime,
		MaxHeaderBytes: 8 << 10,
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelDebug), // whoever scans ports is no news
		TLSConfig: &tls.Config{
			MinVersion: tls.VersionTLS13, NextProtos: []string{"http/1.1"},
			// What is shown is verified for a renewal alone, which may come a while after the end.
			ClientAuth: tls.RequestClientCert,
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
				chain := *certificate()
				chain.Certificate = [][]byte{chain.Certificate[0], s.AgentCA.Certificate().Raw}
				return &chain, nil
			},
			SessionTicketsDisabled: true, // a renewal is a handshake an hour
		},
	}
	return e
}

// Serve answers on ln until the server is closed; the error is then [http.ErrServerClosed].
func (e *EnrolServer) Serve(ln net.Listener) error {
	return e.server.ServeTLS(&bounded{Listener: ln, room: make(chan struct{}, connections)}, "", "")
}

// Server is what is closed at the end.
func (e *EnrolServer) Server() *http.Server { return &e.server }

// bounded closes connections as they come while there are too many: strangers must not use up
// the descriptors that agents need.
type bounded struct {
	net.Listener

	room chan struct{}
}

// Accept returns the next connection for which there is room.
func (b *bounded) Accept() (net.Conn, error) {
	for {
		conn, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		select {
		case b.room <- struct{}{}:
			return &boundedConn{Conn: conn, leave: func() { <-b.room }}, nil
		default:
			_ = conn.Close()
		}
	}
}

type boundedConn struct {
	net.Conn

	once  sync.Once
	leave func()
}

// Close closes the connection and makes room for another.
func (c *boundedConn) Close() error {
	c.once.Do(c.leave)
	return c.Conn.Close()
}

func shown(r *http.Request) *x509.Certificate {
	if len(r.TLS.PeerCertificates) == 0 {
		return nil
	}
	return r.TLS.PeerCertificates[0]
}

func decodeMessage(r *http.Request, message any) error {
	dec := json.NewDecoder(http.MaxBytesReader(nil, r.Body, join.MaxMessage))
	dec.DisallowUnknownFields()
	err := dec.Decode(message)
	if err == nil {
		_, err = dec.Token()
	}
	if !errors.Is(err, io.EOF) {
		return &Error{Kind: Invalid, Msg: "the request cannot be read", Try: "use a sallyport of about the server's version"}
	}
	return nil
}

// answering serves a caller within the bounds.
func (e *EnrolServer) answering(do func(joiner, *http.Request) (join.Identity, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer, err := netip.ParseAddrPort(r.RemoteAddr)
		if err != nil {
			answer(w, http.StatusBadRequest, join.Problem{Error: "the caller has no address"})
			return
		}
		from, now := peer.Addr().Unmap(), e.service.Now()
		select {
		case e.room <- struct{}{}:
			defer func() { <-e.room }()
		default:
			busy(w)
			return
		}
		if !e.refused.mayTry(from, now) {
			busy(w)
			return
		}
		identity, err := do(joiner{service: e.service, from: from}, r)
		if err != nil {
			status, p := describe(err)
			if status == http.StatusForbidden {
				e.refused.count(from, now)
			}
			if status == http.StatusInternalServerError {
				// The cause is for who runs the server; a stranger learns nothing of it.
				e.service.Log.Error("an agent could not be enrolled", slog.Any("error", err))
				p = problem{Error: "the server could not do this; its log says why", Hint: "try again"}
			}
			answer(w, status, join.Problem{Error: p.Error, Hint: p.Hint, Final: status < http.StatusInternalServerError})
			return
		}
		answer(w, http.StatusOK, identity)
	})
}

func busy(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "10")
	answer(w, http.StatusTooManyRequests, join.Problem{Error: "too many ask at the moment, or were refused from this address", Hint: "wait, and try again"})
}

// refusals counts by address who was refused within the last minute.
type refusals struct {
	mu     sync.Mutex
	minute time.Time
	of     map[netip.Addr]int
}

func (r *refusals) mayTry(from netip.Addr, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.turn(now)
	return r.of[from] < refusedAMinute
}

func (r *refusals) count(from netip.Addr, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.turn(now)
	if _, known := r.of[from]; known || len(r.of) < refusedRemember {
		r.of[from]++
	}
}

func (r *refusals) turn(now time.Time) {
	if r.of == nil || now.Sub(r.minute).Abs() >= time.Minute {
		r.minute, r.of = now, map[netip.Addr]int{}
	}
}
