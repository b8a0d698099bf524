package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"sallyport/admin"
	"sallyport/internal/coredump"
	"sallyport/internal/hint"
)

// ServeOptions are how a server takes its place, and how it ends.
type ServeOptions struct {
	TakeOver   bool          // take the place of the server that serves this home
	Drain      time.Duration // how long open exchanges may go on
	DrainAfter time.Duration // how long agents may still come when the server is not ready any more
}

// Serve runs a server from its first check to the last row of its trail. It returns when a
// signal or ctx has ended it, another server has taken over, or a part of it has failed.
func (e Environment) Serve(ctx context.Context, log *slog.Logger, o ServeOptions) error {
	if runtime.GOOS == "windows" {
		return hint.With(errors.New("serve runs on Linux and macOS"), "run it there; `sallyport sidecar`, `env` and `run` work here")
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	// A core dump would hold every secret and key of the process.
	if err := coredump.Forbid(); err != nil {
		log.Warn("core dumps could not be forbidden", "error", err)
	}
	stores, from, err := e.openForServing(ctx, log, o.TakeOver)
	if err != nil {
		return err
	}
	err = e.serveStores(ctx, log, stores, from, signals, o)
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return errors.Join(err, stores.close(closing))
}

// openForServing waits for a command that has the stores for a moment, but for
// another server only if that one makes room.
func (e Environment) openForServing(ctx context.Context, log *slog.Logger, force bool) (*stores, *predecessor, error) {
	for deadline := time.Now().Add(Patience); ; {
		s, err := openStores(ctx, e, log)
		if !errors.Is(err, admin.ErrLocked) {
			return s, nil, err
		}
		from, err := e.takeOver(ctx, force)
		if err == nil {
			s, err := e.succeed(ctx, log, from)
			if err != nil {
				return nil, nil, errors.Join(err, from.close())
			}
			return s, from, nil
		}
		refused, ok := errors.AsType[*admin.Error](err)
		if ok && force && time.Now().After(deadline) {
			return nil, nil, fmt.Errorf("take over: %w", err) // the server that runs says why
		}
		if ok && refused.Kind == admin.Conflict && !force || time.Now().After(deadline) {
			return nil, nil, hint.With(fmt.Errorf("%w: %s", admin.ErrLocked, e.Home),
				"only one server may run on a home; stop the other one, take its place with --take-over, or give --home")
		}
		select {
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		case <-time.After(LookAway):
		}
	}
}

func (e Environment) serveStores(ctx context.Context, log *slog.Logger, stores *stores, from *predecessor, signals <-chan os.Signal, o ServeOptions) error {
	s, err := newServer(e, log, stores, from)
	if err != nil {
		return errors.Join(err, from.close())
	}
	if err := s.start(ctx); err != nil {
		return errors.Join(err, s.stop(ctx), from.close())
	}
	if err := e.notify(stateReady()); err != nil {
		log.Warn("the service manager does not know that this is ready", "error", err)
	}
	err = s.wait(ctx, signals)
	drain, cut := context.WithTimeout(context.WithoutCancel(ctx), o.DrainAfter+o.Drain)
	defer cut()
	drained := make(chan struct{})
	second := make(chan struct{})
	go func() { // ends when the drain below is over
		for once := true; ; {
			select {
			case sig := <-signals:
				if sig != syscall.SIGHUP && once {
					log.Warn("second signal: open exchanges are cut")
					once = false
					close(second)
					cut()
				}
			case <-s.succession.lost:
				cut()
				<-drained
				return
			case <-drained:
				return
			}
		}
	}()
	if err == nil && !s.succession.handed() {
		s.succession.draining.Store(true)
		_ = e.notify(stateStopping) // it has been told to stop, by the manager or by somebody the manager need not know of
		s.stillAccept(o.DrainAfter, second)
	}
	err = errors.Join(err, s.stop(drain))
	close(drained)
	return err
}

// stillAccept lets agents come for a while after /readyz has said that they should
// not, because who distributes them takes a while to see it.
func (s *server) stillAccept(while time.Duration, second <-chan struct{}) {
	if while == 0 {
		return
	}
	timer := time.NewTimer(while)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-second:
	case <-s.succession.done:
	}
}
