package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"sallyport/admin"
)

// drainTime is how long open exchanges may go on after SIGTERM, unless --drain says.
const drainTime = 30 * time.Second

// serveOptions are what the flags of serve say.
type serveOptions struct {
	format, level string
	takeOver      bool
	drain         time.Duration // how long open exchanges may go on
	drainAfter    time.Duration // how long agents may still come when the server is not ready any more
}

func newServeCommand(a *app) *cobra.Command {
	var o serveOptions
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the proxy",
		Long: `Runs the proxy until SIGTERM or an interrupt, then lets open exchanges end for 30 seconds
(a second signal cuts them at once). Logs to standard error. Files are reloaded when they
change, on SIGHUP and by ` + "`sallyport reload`" + `.

With --take-over it takes the place of the server that runs on this home, if one does: it
goes on with that one's listeners, so that no connection is lost, and that one ends when
its exchanges have. A server that is draining is taken over from without being told so.`,
		Example: "  sallyport serve --log-format json\n  sallyport serve --take-over --drain 10m",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.drain < 0 || o.drainAfter < 0 {
				return usagef("--drain and --drain-after cannot be less than 0")
			}
			log, err := newLogger(a.stderr, o.format, o.level)
			if err != nil {
				return err
			}
			return a.serve(cmd.Context(), log, o)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.format, "log-format", "text", "text or json")
	flags.StringVar(&o.level, "log-level", "info", "debug, info, warn or error")
	flags.BoolVar(&o.takeOver, "take-over", false, "take the place of the server that serves this home")
	flags.DurationVar(&o.drain, "drain", drainTime, "how long open exchanges may go on when the server stops or is taken over from")
	flags.DurationVar(&o.drainAfter, "drain-after", 0, "how long after SIGTERM agents may still come, while /readyz answers 503")
	return cmd
}

func newLogger(w io.Writer, format, level string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, usagef("--log-level %q is not debug, info, warn or error", level)
	}
	options := &slog.HandlerOptions{Level: l}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, options)), nil
	}
	return nil, usagef("--log-format %q is not text or json", format)
}

// serve runs a server from its first check to the last row of its trail.
func (a *app) serve(ctx context.Context, log *slog.Logger, o serveOptions) error {
	if runtime.GOOS == "windows" {
		return withHint(errors.New("serve runs on Linux and macOS"), "run it there; `sallyport sidecar`, `env` and `run` work here")
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	// A core dump would hold every secret and key of the process.
	if err := forbidCoreDumps(); err != nil {
		log.Warn("core dumps could not be forbidden", "error", err)
	}
	stores, from, err := a.openForServing(ctx, log, o.takeOver)
	if err != nil {
		return err
	}
	err = a.serveStores(ctx, log, stores, from, signals, o)
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return errors.Join(err, stores.close(closing))
}

// openForServing waits for a command that has the stores for a moment, but for
// another server only if that one makes room.
func (a *app) openForServing(ctx context.Context, log *slog.Logger, force bool) (*stores, *predecessor, error) {
	for deadline := time.Now().Add(patience); ; {
		s, err := openStores(ctx, a, log)
		if !errors.Is(err, admin.ErrLocked) {
			return s, nil, err
		}
		from, err := a.takeOver(ctx, force)
		if err == nil {
			s, err := a.succeed(ctx, log, from)
			if err != nil {
				return nil, nil, errors.Join(err, from.close())
			}
			return s, from, nil
		}
		refused, ok := errors.AsType[*admin.Error](err)
		if ok && refused.Kind == admin.Conflict && !force || time.Now().After(deadline) {
			return nil, nil, withHint(fmt.Errorf("%w: %s", admin.ErrLocked, a.home),
				"only one server may run on a home; stop the other one, take its place with --take-over, or give --home")
		}
		select {
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		case <-time.After(lookAway):
		}
	}
}

func (a *app) serveStores(ctx context.Context, log *slog.Logger, stores *stores, from *predecessor, signals <-chan os.Signal, o serveOptions) error {
	s, err := newServer(a, log, stores, from)
	if err != nil {
		return errors.Join(err, from.close())
	}
	if err := s.start(ctx); err != nil {
		return errors.Join(err, s.stop(ctx), from.close())
	}
	if err := a.notify(stateReady()); err != nil {
		log.Warn("the service manager does not know that this is ready", "error", err)
	}
	err = s.wait(ctx, signals)
	drain, cut := context.WithTimeout(context.WithoutCancel(ctx), o.drainAfter+o.drain)
	defer cut()
	drained := make(chan struct{})
	second := make(chan struct{})
	go func() { // ends with the drain below, which nothing outlives
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
		s.draining.Store(true)
		_ = a.notify(stateStopping) // it has been told to stop, by the manager or by somebody the manager need not know of
		s.stillAccept(o.drainAfter, second)
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
