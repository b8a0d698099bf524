package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"sallyport/admin"
	"sallyport/audit"
	"sallyport/audit/publish"
	"sallyport/certs"
	"sallyport/internal/heap"
	"sallyport/internal/hint"
	"sallyport/internal/metrics"
	"sallyport/proxy"
)

// leafCacheSize bounds the certificates kept for intercepted hosts, about 3 KiB each.
const leafCacheSize = 1024

// server is a running `sallyport serve`: what it listens on, the proxy, and the
// goroutines beside it. The stores are its caller's.
type server struct {
	*stores
	log         *slog.Logger
	build       struct{ version, revision string }
	now         func() time.Time
	metrics     *metrics.Metrics
	leaves      *certs.Leaves
	generation  atomic.Pointer[proxy.Generation]
	certificate *listenerCertificate
	proxy       *proxy.Proxy
	publisher   *publish.Publisher

	agents, commands, health net.Listener                    // health is nil when off
	listenedOn               struct{ agents, health string } // in the words of sallyport.yaml
	from                     *predecessor                    // which this server takes over from; nil if there is none
	succession               *succession                     // to the one that takes over from this one
	service                  *admin.Service
	admin                    *admin.Server
	session                  *admin.Session // administration on the server's own behalf
	reloaded                 chan struct{}  // other files have come into force; holds one
	pages                    *http.Server   // on health
	draining                 atomic.Bool
	ended                    bool // nobody can take over any more; under succession.turn

	group  sync.WaitGroup
	failed chan error         // of the goroutines that must not end by themselves
	cancel context.CancelFunc // of the goroutines that end with the server
	owner  sync.WaitGroup     // of the goroutines of whoever owns the stores
	disown context.CancelFunc // ends those
}

// newServer wires a server that is ready to start. It listens nowhere yet.
func newServer(e Environment, log *slog.Logger, st *stores, from *predecessor) (*server, error) {
	s := &server{
		stores: st, from: from, log: log, now: e.Now, metrics: metrics.New(), failed: make(chan error, 4), reloaded: make(chan struct{}, 1),
		leaves: certs.NewLeaves(st.interceptionCA, leafCacheSize, e.Now),
	}
	s.build.version, s.build.revision = e.Version, e.Revision
	s.succession = newSuccession(s)
	set := st.files.Current()
	g, err := newGeneration(set)
	if err != nil {
		return nil, err
	}
	s.generation.Store(g)
	s.certificate = &listenerCertificate{ca: st.agentCA, now: e.Now}
	if err := s.certificate.issue(set.Config); err != nil {
		return nil, err
	}
	s.proxy, err = proxy.New(proxy.Config{
		Registry: st.registry, Trail: st.trail, Leaves: s.leaves,
		Certificate: s.certificate.current, ClientCAs: st.agentCA.Pool(),
		Generation: s.generation.Load, Metrics: s.metrics, Log: log,
		OwnListeners: s.ownListeners, Now: e.Now, Tokens: st.tokens,
	})
	if err != nil {
		return nil, err
	}
	s.publisher = s.newPublisher(set.Config)
	s.watchMetrics()
	return s, nil
}

// start listens and serves; what it has started when it fails, stop ends.
func (s *server) start(ctx context.Context) (err error) {
	if err := s.listen(ctx); err != nil {
		return err
	}
	started := s.describe()
	if started["after"], err = s.lastEnd(ctx); err != nil {
		return err
	}
	if err := s.recordStart(ctx, started); err != nil {
		return err
	}
	set := s.files.Current()
	if err := s.recordConfiguration(ctx, set, "start", nil); err != nil {
		return err
	}
	s.service = admin.NewService(admin.Config{
		Registry: s.registry, Trail: s.trail, AgentCA: s.agentCA, InterceptionCA: s.interceptionCA,
		View: s.view, Proxy: s.address, Cut: s.proxy.Cut, Errand: s.proxy.Errand, RateLimits: s.proxy.RateLimits, Now: s.now, Prune: s.trail.Prune,
		Reload: func(ctx context.Context, by admin.Caller) (admin.Configuration, error) {
			return s.reload(ctx, "command", &by)
		},
		Succession: s.succession,
	})
	s.session = s.service.As(admin.Itself())
	s.accept()
	background, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.cancel = cancel
	s.group.Go(func() { heap.Pace(background, heapHeadroom) })
	s.own(background)
	s.group.Go(func() { s.certificate.keepFresh(background, s.files, s.log) })
	s.group.Go(func() {
		s.files.Watch(background, func() { s.filesChanged(background) }, func(err error) { s.log.Warn("files are watched by polling", "error", err) })
	})
	for _, w := range s.warnings(ctx, set) {
		s.log.Warn("configuration", "warning", w)
	}
	if err := s.from.serving(); err != nil {
		s.log.Warn("the server before this one ended while this one took over", "error", err)
	}
	s.log.Info("serving", "listen", s.agents.Addr().String(), "home", s.layout.Dir, "trust_domain", set.Config.TrustDomain,
		"generation", set.Number, "policies", len(set.Policies), "agents", len(s.registry.List()))
	return nil
}

// own starts what only the owner of the stores does.
func (s *server) own(ctx context.Context) {
	ctx, s.disown = context.WithCancel(ctx)
	s.owner.Go(func() { s.publisher.Run(ctx) })
	s.owner.Go(func() { s.keepOwned(ctx) })
}

// heapHeadroom is what a small heap may grow by between two collections. With it
// and 1,000 idle tunnels the process stays under 65 MB.
const heapHeadroom = 16 << 20

func (s *server) listen(ctx context.Context) (err error) {
	c := s.files.Current().Config
	s.listenedOn.agents, s.listenedOn.health = c.Listen, c.HealthListen
	if s.agents, err = s.listenOn(ctx, listenerAgents, c.Listen); err != nil {
		return err
	}
	if c.HealthListen != "" {
		if s.health, err = s.listenOn(ctx, listenerHealth, c.HealthListen); err != nil {
			return err
		}
	}
	if ln, ok := s.from.take(listenerCommands, "").(*net.UnixListener); ok {
		s.commands = admin.Inherit(ln, s.layout.Socket(), s.log)
		return nil
	}
	s.commands, err = admin.Listen(s.layout.Socket(), s.log)
	return err
}

// listenOn goes on with the listener of the server before, in which agents may
// wait, or opens one.
func (s *server) listenOn(ctx context.Context, key, address string) (net.Listener, error) {
	if ln := s.from.take(key, address); ln != nil {
		return ln, nil
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, ListenFailed(key, address, err)
	}
	return ln, nil
}

// ListenFailed says why an address of sallyport.yaml cannot be listened on.
func ListenFailed(key, address string, err error) error {
	err = fmt.Errorf("sallyport.yaml: %s: %w", key, err)
	if errors.Is(err, syscall.EADDRINUSE) {
		return hint.With(err, "another program uses %s; stop it, or choose another port", address)
	}
	return err
}

// accept starts the servers; each ends with its listener, not with a context.
func (s *server) accept() {
	pages := s.statusPages()
	s.acceptCommands(pages)
	s.serve("listener", func() error { return s.proxy.Serve(s.agents) })
	if s.health != nil {
		s.pages = newPagesServer(pages)
		s.serve("health listener", func() error { return s.pages.Serve(s.health) })
	}
}

func (s *server) acceptCommands(pages http.Handler) {
	server, ln := admin.NewServer(s.service, pages, s.log), s.commands
	s.admin = server
	s.serve("admin socket", func() error { return server.Serve(ln) })
}

// reclaim goes on after a take-over that did not take place.
func (s *server) reclaim(ctx context.Context) (err error) {
	if s.lock == nil {
		if s.lock, err = acquireSoon(ctx, s.layout.Lock()); err != nil {
			return err
		}
	}
	if err := s.trail.Resume(ctx); err != nil {
		return err
	}
	_ = s.commands.Close()
	if s.commands, err = admin.Listen(s.layout.Socket(), s.log); err != nil {
		return err
	}
	s.acceptCommands(s.statusPages())
	s.owner.Wait()
	s.own(context.WithoutCancel(ctx))
	return nil
}

// serve runs one of the servers; its end is a failure unless stop asked for it.
func (s *server) serve(what string, run func() error) {
	s.group.Go(func() {
		if err := run(); err != nil && !errors.Is(err, http.ErrServerClosed) {
			s.failed <- fmt.Errorf("%s: %w", what, err)
		}
	})
}

// wait returns when a signal or ctx asks the server to stop, or with the error
// of a part that failed.
func (s *server) wait(ctx context.Context, signals <-chan os.Signal) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-s.failed:
			return err
		case <-s.succession.done:
			s.log.Info("another process has taken over; draining")
			return nil
		case sig := <-signals:
			if sig != syscall.SIGHUP {
				s.log.Info("draining", "signal", sig.String())
				return nil
			}
			_, _ = s.reload(ctx, "signal", nil) // logged there
		}
	}
}

// stop drains until ctx ends, then cuts, and ends every goroutine. Commands are
// answered until the last exchange is over, and another server can take over.
func (s *server) stop(ctx context.Context) error {
	if s.succession.handed() {
		ease, cancel := context.WithTimeout(ctx, easeTime)
		s.proxy.Ease(ease)
		cancel()
	}
	s.draining.Store(true)
	err := s.proxy.Shutdown(ctx)
	s.succession.turn.Lock() // what is under way with the next server comes to its end
	defer s.succession.turn.Unlock()
	s.ended = true
	if s.cancel != nil {
		s.cancel()
		s.disown()
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if s.admin != nil {
		err = errors.Join(err, s.admin.Shutdown(last))
	}
	if s.pages != nil {
		err = errors.Join(err, s.pages.Shutdown(last))
	}
	s.closeListeners()
	s.group.Wait()
	s.owner.Wait()
	if s.cancel == nil {
		return err // it never started, and the trail does not say that it did
	}
	end := EventStopped
	if s.succession.handed() {
		end = EventDrained
	}
	if recordErr := s.trail.Record(last, audit.Event{Type: end, Payload: s.describe()}); recordErr != nil {
		err = errors.Join(err, fmt.Errorf("record the stop in the audit trail: %w", recordErr))
	}
	s.log.Info("stopped")
	return err
}

// closeListeners closes those that no server had taken over when start failed;
// closing twice does no harm.
func (s *server) closeListeners() {
	for _, ln := range []net.Listener{s.agents, s.health, s.commands} {
		if ln != nil {
			_ = ln.Close()
		}
	}
}

// describe is what the trail says of this process.
func (s *server) describe() map[string]any {
	return map[string]any{
		"pid": os.Getpid(), "uid": os.Geteuid(), "version": s.build.version, "revision": s.build.revision,
		"listen": s.agents.Addr().String(),
	}
}

// The events of a server's life.
const (
	EventStarted = "server.started"
	EventStopped = "server.stopped"
	EventDrained = "server.drained" // of a server that another one had taken over from
)

// lastEnd says how the server before this one ended: by "stop", by "crash", by
// this one's "take-over", or there was none ("").
func (s *server) lastEnd(ctx context.Context) (string, error) {
	if s.from != nil {
		return "take-over", nil
	}
	r, err := audit.OpenReader(s.layout.Trail())
	if err != nil {
		return "", err
	}
	last, err := r.Last(ctx, EventStarted, EventStopped)
	err = errors.Join(err, r.Close())
	switch {
	case errors.Is(err, audit.ErrNotFound):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("look for the last stop in the audit trail: %w", err)
	case last.Type == EventStarted:
		s.log.Warn("the server before this one did not stop in order", "started", last.At)
		return "crash", nil
	}
	return "stop", nil
}

// address is where agents reach the listener.
func (s *server) address() string {
	c := s.files.Current().Config
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return ""
	}
	_, port, err := net.SplitHostPort(s.agents.Addr().String())
	if err != nil {
		return ""
	}
	return c.ReachableAt(net.JoinHostPort(host, port))
}

// ownListeners are never dialled for an agent, beside the proxy's own.
func (s *server) ownListeners() []netip.AddrPort {
	if s.health == nil {
		return nil
	}
	at, err := netip.ParseAddrPort(s.health.Addr().String())
	if err != nil {
		return nil
	}
	return []netip.AddrPort{at}
}
