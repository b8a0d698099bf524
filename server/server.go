package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"

	"sallyport/admin"
	"sallyport/audit"
	"sallyport/audit/publish"
	"sallyport/certs"
	"sallyport/internal/heap"
	"sallyport/internal/metrics"
	"sallyport/proxy"
)

// leafCacheSize bounds the certificates kept for intercepted hosts, about 3 KiB each.
const leafCacheSize = 1024

// server is a running `sallyport serve`: what it listens on, the proxy, and the
// goroutines beside it. The stores are its caller's.
type server struct {
	*stores
	log       *slog.Logger
	now       func() time.Time
	build     map[string]any // version and revision, for the trail
	metrics   *metrics.Metrics
	leaves    *certs.Leaves
	inForce   inForce
	proxy     *proxy.Proxy
	publisher *publish.Publisher

	listeners  listeners
	from       *predecessor // which this server takes over from; nil if there is none
	succession *succession  // to the one that takes over from this one
	commands   commands
	pages      *http.Server // on the listener of health
	work       work
}

// commands is administration: by others, over the socket, and by the server itself.
type commands struct {
	service *admin.Service
	server  *admin.Server
	session *admin.Session
	enrol   *admin.EnrolServer // nil without a listener
}

// work is the goroutines of a server.
type work struct {
	group  sync.WaitGroup
	failed chan error         // from goroutines that must not end before the server does
	cancel context.CancelFunc // ends those that only the server's end can end; nil if it never started
	owner  sync.WaitGroup     // of those that only the process which owns the stores may run
	disown context.CancelFunc // ends the ones of owner
}

// run runs what accepts on a listener, in a goroutine. Its end is a failure unless it was shut down.
func (w *work) run(what string, serve func() error) {
	w.group.Go(func() {
		if err := serve(); err != nil && !errors.Is(err, http.ErrServerClosed) {
			w.failed <- fmt.Errorf("%s: %w", what, err)
		}
	})
}

// newServer wires a server that is ready to start. It listens nowhere yet.
func newServer(e Environment, log *slog.Logger, st *stores, from *predecessor) (*server, error) {
	s := &server{
		stores: st, from: from, log: log, now: e.Now, build: map[string]any{"version": e.Version, "revision": e.Revision},
		metrics: metrics.New(), leaves: certs.NewLeaves(st.interceptionCA, leafCacheSize, e.Now),
	}
	s.work.failed = make(chan error, 4)
	s.succession = newSuccession(s)
	set := st.files.Current()
	g, err := newGeneration(set)
	if err != nil {
		return nil, err
	}
	s.inForce = inForce{
		files: st.files, reloaded: make(chan struct{}, 1), log: log,
		chronicle:   chronicle{trail: st.trail, layout: st.layout, log: log},
		certificate: &listenerCertificate{ca: st.agentCA, now: e.Now},
	}
	s.inForce.generation.Store(g)
	if err := s.inForce.certificate.issue(set.Config); err != nil {
		return nil, err
	}
	s.proxy, err = proxy.New(proxy.Config{
		Registry: st.registry, Trail: st.trail, Leaves: s.leaves,
		Certificate: s.inForce.certificate.current, ClientCAs: st.agentCA.Pool(),
		Generation: s.inForce.generation.Load, Metrics: s.metrics, Log: log,
		OwnListeners: s.listeners.own, Now: e.Now, Tokens: st.tokens,
		Door: proxy.DoorConfig{Authority: st.interceptionCA.CertificatePEM(), Exchange: st.exchange},
	})
	if err != nil {
		return nil, err
	}
	s.inForce.recheck = s.proxy.Recheck
	own := outside{layout: st.layout, now: e.Now, generation: s.inForce.generation.Load, errand: s.proxy.Errand, own: s.listeners.own}
	s.publisher = own.newPublisher(set.Config, st.trail, log)
	s.watchMetrics()
	return s, nil
}

// start listens and serves; what it has started when it fails, stop ends.
func (s *server) start(ctx context.Context) (err error) {
	set := s.files.Current()
	if err := s.listeners.open(ctx, set.Config, s.from); err != nil {
		return err
	}
	if err := s.listenForCommands(); err != nil {
		return err
	}
	started := s.describe()
	started["after"] = "take-over"
	if s.from == nil {
		if started["after"], err = s.inForce.chronicle.lastEnd(ctx); err != nil {
			return err
		}
	}
	if err := s.inForce.chronicle.recordStart(ctx, started, s.fingerprints()); err != nil {
		return err
	}
	if err := s.inForce.chronicle.recordConfiguration(ctx, set, "start", nil); err != nil {
		return err
	}
	s.commands.service = admin.NewService(admin.Config{
		Registry: s.registry, Trail: s.trail, AgentCA: s.agentCA, InterceptionCA: s.interceptionCA,
		View: s.view, Proxy: func() string { return s.listeners.address(s.files.Current().Config) }, Enrol: s.enrolListener, Cut: s.proxy.Cut, Errand: s.proxy.Errand, RateLimits: s.proxy.RateLimits, Now: s.now, Prune: s.trail.Prune,
		Reload: func(ctx context.Context, by admin.Principal) (admin.Configuration, error) {
			return s.inForce.reload(ctx, "command", &by)
		},
		Succession: s.succession, Log: s.log,
	})
	s.commands.session = s.commands.service.As(admin.Itself())
	s.inForce.orphans = s.commands.session.Orphans
	recall(set.Services, s.layout.Learnt, s.log)
	s.accept()
	background, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.work.cancel = cancel
	s.work.group.Go(func() { heap.Pace(background, heapHeadroom) })
	s.own(background)
	s.work.group.Go(func() { s.inForce.certificate.keepFresh(background, s.files, s.log) })
	s.work.group.Go(func() {
		s.files.Watch(background, func() { s.inForce.filesChanged(background) }, func(err error) { s.log.Warn("files are watched by polling", "error", err) })
	})
	for _, w := range s.inForce.warnings(ctx, set) {
		s.log.Warn("configuration", "warning", w)
	}
	if err := s.from.serving(); err != nil {
		s.log.Warn("the server before this one ended while this one took over", "error", err)
	}
	s.log.Info("serving", "listen", s.listeners.agents.Addr().String(), "home", s.layout.Dir, "trust_domain", set.Config.TrustDomain,
		"generation", set.Number, "policies", len(set.Policies), "agents", len(s.registry.List()))
	return nil
}

// own starts what only the owner of the stores does.
func (s *server) own(ctx context.Context) {
	ctx, s.work.disown = context.WithCancel(ctx)
	s.work.owner.Go(func() { s.publisher.Run(ctx) })
	s.work.owner.Go(func() { s.keepOwned(ctx) })
	s.work.owner.Go(func() { s.keepUses(ctx) })
	s.work.owner.Go(func() { keepRemembered(ctx, s.files.Current().Services, s.layout.Learnt, s.log) })
}

// heapHeadroom is what a small heap may grow by between two collections. With it
// and 1,000 idle tunnels the process stays under 65 MB.
const heapHeadroom = 16 << 20

// accept starts the servers; each ends with its listener, not with a context.
func (s *server) accept() {
	pages := s.statusPages()
	s.acceptCommands(pages)
	if s.listeners.enrol != nil {
		s.commands.enrol = admin.NewEnrolServer(s.commands.service, s.inForce.certificate.current, s.log)
		s.acceptEnrolment()
	}
	s.work.run("listener", func() error { return s.proxy.Serve(s.listeners.agents) })
	if s.listeners.health != nil {
		s.pages = newPagesServer(pages)
		s.work.run("health listener", func() error { return s.pages.Serve(s.listeners.health) })
	}
}

// enrolListener is where agents join at this moment.
func (s *server) enrolListener() admin.EnrolListener {
	c := s.files.Current().Config
	return admin.EnrolListener{Address: s.listeners.enrolAddress(c), RenewGrace: c.Enrol.RenewGrace}
}

func (s *server) acceptEnrolment() {
	server, ln := s.commands.enrol, s.listeners.enrol
	s.work.run("enrolment listener", func() error { return server.Serve(ln) })
}

// closeEnrolment ends it. An agent whose request is cut off asks again.
func (s *server) closeEnrolment() {
	if s.commands.enrol != nil {
		closePages(s.commands.enrol.Server())
	}
}

func (s *server) acceptCommands(pages http.Handler) {
	server, ln := admin.NewServer(s.commands.service, pages, s.log), s.listeners.commands
	s.commands.server = server
	s.work.run("admin socket", func() error { return server.Serve(ln) })
}

// reclaim opens the stores and the socket again after the next server ended before it served.
func (s *server) reclaim(ctx context.Context) (err error) {
	if s.lock == nil {
		if s.lock, err = acquireSoon(ctx, s.layout.Lock()); err != nil {
			return err
		}
	}
	if err := s.trail.Resume(ctx); err != nil {
		return err
	}
	_ = s.listeners.commands.Close()
	if s.listeners.commands, err = admin.Listen(s.layout.Socket(), s.log); err != nil {
		return err
	}
	s.acceptCommands(s.statusPages())
	s.work.owner.Wait()
	s.own(context.WithoutCancel(ctx))
	return nil
}

// wait returns when a signal or ctx asks the server to stop, or with the error
// of a part that failed.
func (s *server) wait(ctx context.Context, signals <-chan os.Signal) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-s.work.failed:
			return err
		case err := <-s.proxy.Failed():
			return fmt.Errorf("listener: %w", err)
		case <-s.succession.done:
			s.log.Info("another process has taken over; draining")
			return nil
		case sig := <-signals:
			if sig != syscall.SIGHUP {
				s.log.Info("draining", "signal", sig.String())
				return nil
			}
			_, _ = s.inForce.reload(ctx, "signal", nil) // logged there
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
	s.succession.draining.Store(true)
	err := s.proxy.Shutdown(ctx)
	s.succession.turn.Lock() // a take-over that is under way succeeds or fails first
	defer s.succession.turn.Unlock()
	s.succession.ended = true
	if s.work.cancel != nil {
		s.work.cancel()
		s.work.disown()
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if s.commands.server != nil {
		err = errors.Join(err, s.commands.server.Shutdown(last))
	}
	if s.pages != nil {
		closePages(s.pages)
	}
	s.closeEnrolment()
	s.listeners.close()
	s.work.group.Wait()
	s.work.owner.Wait()
	if s.work.cancel == nil {
		return err // the trail does not say that it started, so it does not say that it stopped
	}
	end := audit.TypeServerStopped
	if s.succession.handed() {
		end = audit.TypeServerDrained
	}
	recording, cancelRecord := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancelRecord()
	if recordErr := s.trail.Record(recording, audit.Event{Type: end, Payload: s.describe()}); recordErr != nil {
		err = errors.Join(err, fmt.Errorf("record the stop in the audit trail: %w", recordErr))
	}
	s.log.Info("stopped")
	return err
}

// describe is what the trail says of this process.
func (s *server) describe() map[string]any {
	d := map[string]any{"pid": os.Getpid(), "uid": os.Geteuid(), "listen": s.listeners.agents.Addr().String()}
	maps.Copy(d, s.build)
	return d
}
