package main

import (
	"io"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"sallyport/server"
)

// drainTime is how long open exchanges may go on after SIGTERM, unless --drain says.
const drainTime = 30 * time.Second

func newServeCommand(a *app) *cobra.Command {
	var o server.ServeOptions
	var format, level string
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
			if o.Drain < 0 || o.DrainAfter < 0 {
				return usagef("--drain and --drain-after cannot be less than 0")
			}
			log, err := newLogger(a.stderr, format, level)
			if err != nil {
				return err
			}
			return a.env().Serve(cmd.Context(), log, o)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&format, "log-format", "text", "text or json")
	flags.StringVar(&level, "log-level", "info", "debug, info, warn or error")
	flags.BoolVar(&o.TakeOver, "take-over", false, "take the place of the server that serves this home")
	spanVar(cmd, &o.Drain, "drain", drainTime, "how long open exchanges may go on when the server stops or is taken over from")
	spanVar(cmd, &o.DrainAfter, "drain-after", 0, "how long after SIGTERM agents may still come, while /readyz answers 503")
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
