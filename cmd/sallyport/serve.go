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

	"sallyport/internal/admin"
)

// drainTime is how long open exchanges may go on after SIGTERM.
const drainTime = 30 * time.Second

func newServeCommand(a *app) *cobra.Command {
	var format, level string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the proxy",
		Long: `Runs the proxy until SIGTERM or an interrupt, then lets open exchanges end for 30 seconds
(a second signal cuts them at once). Logs to standard error. Files are reloaded when they
change, on SIGHUP and by ` + "`sallyport reload`" + `.`,
		Example: "  sallyport serve --log-format json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, err := newLogger(a.stderr, format, level)
			if err != nil {
				return err
			}
			return a.serve(cmd.Context(), log)
		},
	}
	cmd.Flags().StringVar(&format, "log-format", "text", "text or json")
	cmd.Flags().StringVar(&level, "log-level", "info", "debug, info, warn or error")
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
func (a *app) serve(ctx context.Context, log *slog.Logger) error {
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
	stores, err := a.openForServing(ctx, log)
	if err != nil {
		return err
	}
	err = a.serveStores(ctx, log, stores, signals)
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return errors.Join(err, stores.close(closing))
}

// openForServing waits for a command that has the stores for a moment, but
// never for another server.
func (a *app) openForServing(ctx context.Context, log *slog.Logger) (*stores, error) {
	for deadline := time.Now().Add(patience); ; {
		s, err := openStores(ctx, a, log)
		if !errors.Is(err, admin.ErrLocked) {
			return s, err
		}
		client, dialErr := a.connect(ctx)
		if dialErr == nil {
			client.Close()
		}
		if dialErr == nil || time.Now().After(deadline) {
			return nil, withHint(fmt.Errorf("%w: %s", admin.ErrLocked, a.home), "only one server may run on a home; stop the other one, or give --home")
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(lookAway):
		}
	}
}

func (a *app) serveStores(ctx context.Context, log *slog.Logger, stores *stores, signals <-chan os.Signal) error {
	s, err := newServer(a, log, stores)
	if err != nil {
		return err
	}
	if err := s.start(ctx); err != nil {
		return errors.Join(err, s.stop(ctx))
	}
	err = s.wait(ctx, signals)
	drain, cut := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cut()
	drained := make(chan struct{})
	go func() { // ends with the drain below, which nothing outlives
		for {
			select {
			case sig := <-signals:
				if sig != syscall.SIGHUP {
					log.Warn("second signal: open exchanges are cut")
					cut()
				}
			case <-drained:
				return
			}
		}
	}()
	err = errors.Join(err, s.stop(drain))
	close(drained)
	return err
}
