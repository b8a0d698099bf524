package admin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// maxRequest bounds what a caller sends.
const maxRequest = 1 << 20

// Server answers the commands of one HOME. It speaks HTTP on connections whose
// peer [Listen] has checked.
type Server struct {
	http http.Server

	mu     sync.Mutex
	silent map[net.Conn]bool // have connected and said nothing
}

// silence is how long a caller may say nothing when the server ends.
const silence = 500 * time.Millisecond

type principalKey struct{}

// NewServer returns a server for service. What the service does not know by
// path goes to other, for the health and metrics pages.
func NewServer(service *Service, other http.Handler, log *slog.Logger) *Server {
	s := &Server{silent: map[net.Conn]bool{}}
	s.http = http.Server{
		Handler:           handler(service, other),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      time.Minute,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			if p, ok := c.(*peerConn); ok {
				return context.WithValue(ctx, principalKey{}, p.principal)
			}
			return ctx
		},
		ConnState: s.listen,
	}
	return s
}

// listen follows who has said nothing yet.
func (s *Server) listen(conn net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if state == http.StateNew {
		s.silent[conn] = true
		return
	}
	delete(s.silent, conn)
}

// hangUp closes the connections of those who have said nothing.
func (s *Server) hangUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.silent {
		_ = conn.Close()
	}
}

// Serve answers on ln until Shutdown; nil is the end by Shutdown.
func (s *Server) Serve(ln net.Listener) error {
	if err := s.http.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Shutdown stops listening and waits for commands under way. Who has connected and says
// nothing is no command, and is not waited for as long as [http.Server] would.
func (s *Server) Shutdown(ctx context.Context) error {
	timer := time.AfterFunc(silence, s.hangUp)
	defer timer.Stop()
	return s.http.Shutdown(ctx)
}

func handler(s *Service, other http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /v1/agents", handle(s, (*Session).CreateAgent))
	mux.Handle("POST /v1/agents/renew", handle(s, (*Session).RenewAgent))
	mux.Handle("POST /v1/agents/suspend", handle(s, (*Session).SuspendAgent))
	mux.Handle("POST /v1/agents/resume", handle(s, (*Session).ResumeAgent))
	mux.Handle("POST /v1/agents/revoke", handle(s, (*Session).RevokeAgent))
	mux.Handle("POST /v1/certificates/revoke", handle(s, (*Session).RevokeCertificate))
	mux.Handle("GET /v1/agents", ask(s, func(c *Session, r *http.Request) (any, error) {
		return c.Agents(r.Context())
	}))
	mux.Handle("POST /v1/agents/show", handle(s, func(c *Session, ctx context.Context, r nameRequest) (AgentDetail, error) {
		return c.Agent(ctx, r.Name)
	}))
	mux.Handle("POST /v1/invites", handle(s, func(c *Session, ctx context.Context, r InviteRequest) (Invitation, error) {
		return c.Inviter().Invite(ctx, r)
	}))
	mux.Handle("POST /v1/invites/revoke", handle(s, func(c *Session, ctx context.Context, r StatusRequest) (Invite, error) {
		return c.Inviter().End(ctx, r)
	}))
	mux.Handle("GET /v1/invites", ask(s, func(c *Session, r *http.Request) (any, error) {
		return c.Inviter().List(r.Context())
	}))
	mux.Handle("POST /v1/reload", ask(s, func(c *Session, r *http.Request) (any, error) {
		return c.Reload(r.Context())
	}))
	mux.Handle("POST /v1/trail/prune", handle(s, (*Session).PruneTrail))
	mux.Handle("POST /v1/backups", handle(s, (*Session).RecordBackup))
	mux.Handle("GET /v1/credentials", ask(s, func(c *Session, r *http.Request) (any, error) {
		return c.Credentials(r.Context())
	}))
	mux.Handle("POST /v1/credentials/check", handle(s, func(c *Session, ctx context.Context, r nameRequest) (CredentialCheck, error) {
		return c.CheckCredential(ctx, r.Name)
	}))
	mux.Handle("POST "+takeOverPath, succession(s, func(_ *Session, r *http.Request) error {
		var request TakeOverRequest
		if err := decode(r, &request); err != nil {
			return err
		}
		return s.Succession.MayTakeOver(request)
	}, Succession.HandOver))
	mux.Handle("POST "+relayPath, succession(s, func(*Session, *http.Request) error { return nil }, func(s Succession, conn *net.UnixConn) {
		_ = s.Adopt(conn) // the other end knows what became of what it sent
	}))
	mux.Handle("/", other)
	return mux
}

// handle serves a command with a JSON body.
func handle[Request, Answer any](s *Service, do func(*Session, context.Context, Request) (Answer, error)) http.Handler {
	return ask(s, func(c *Session, r *http.Request) (any, error) {
		var request Request
		if err := decode(r, &request); err != nil {
			return nil, err
		}
		return do(c, r.Context(), request)
	})
}

func decode(r *http.Request, request any) error {
	dec := json.NewDecoder(io.LimitReader(r.Body, maxRequest))
	dec.DisallowUnknownFields()
	if err := dec.Decode(request); err != nil {
		return &Error{
			Kind: Invalid, Msg: "the request cannot be read: " + err.Error(),
			Try: "use the same sallyport version for the server and the command",
		}
	}
	return nil
}

// ask serves a command on behalf of the connection's peer.
func ask(s *Service, do func(*Session, *http.Request) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		result, err := identified(s, r, do)
		if err != nil {
			status, p := describe(err)
			answer(w, status, p)
			return
		}
		answer(w, http.StatusOK, result)
	})
}

// identified does what the connection's peer asks for.
func identified(s *Service, r *http.Request, do func(*Session, *http.Request) (any, error)) (any, error) {
	principal, ok := r.Context().Value(principalKey{}).(Principal)
	if !ok { // a connection that nobody checked changes nothing
		return nil, &Error{Kind: Barred, Msg: "the caller is unknown"}
	}
	session := s.As(principal)
	session.call = r.Method + " " + r.URL.Path
	return do(session, r)
}

// describe turns an error into what the caller, a local administrator, reads.
func describe(err error) (int, problem) {
	p := problem{Kind: Failed, Error: err.Error()}
	var hint interface{ Hint() string }
	if errors.As(err, &hint) {
		p.Hint = hint.Hint()
	}
	if e, ok := errors.AsType[*Error](err); ok {
		p.Kind = e.Kind
	}
	switch p.Kind {
	case Invalid:
		return http.StatusBadRequest, p
	case Unknown:
		return http.StatusNotFound, p
	case Conflict:
		return http.StatusConflict, p
	case Barred:
		return http.StatusForbidden, p
	case Failed:
	}
	return http.StatusInternalServerError, p
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// An error here is a caller who left; there is nobody to tell.
	_ = json.NewEncoder(w).Encode(v)
}
