package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/coredump"
	"sallyport/internal/hint"
	"sallyport/sandbox/sidecar"
)

// sidecarGrace is how long open tunnels may go on after a signal: less than
// what container runtimes wait before they kill.
const sidecarGrace = 5 * time.Second

func newSidecarCommand(a *app) *cobra.Command {
	var o sidecarOptions
	cmd := &cobra.Command{
		Use:   "sidecar (--identity DIR | --join @FILE)",
		Short: "Run the loopback proxy of one sandbox, which adds mutual TLS",
		Long: `Runs a plain HTTP proxy for one sandbox and carries its connections to Sallyport with
the agent's certificate. The first line on standard output is its proxy URL, which
holds a random password: give it to the sandbox and to nobody else. Programs that speak
SOCKS only take the same address and password as socks5h://.

With --env-file the whole environment of the sandbox stands in a file that only this user
can read, as soon as the sidecar listens and for as long as it does; sallyport env
--sidecar FILE waits for it and prints it for a shell.

With --peer-uid it asks for no password and serves every process of its own user, whom the
kernel tells (Linux): programs that know no proxy passwords work then, Java, Maven and
browsers among them. Agents that run as one user can then use each other's sidecars.

With --jail (Linux) it runs a command in a jail, as run --jail does, and ends with it: the
command reaches nothing but this sidecar. No server need be on this machine.

With --identity it reads nothing but its flags and that folder, starts although the proxy is
down, and follows a renewed certificate.

With --join it makes its key itself and gets its identity by a token of sallyport agent
invite, which also says where the proxy is: no file has to be copied first. Its certificate
lives an hour and is renewed in time; connections that are open go on. The key is in memory
only or, with --state, in that folder, so that a restart goes on as the same agent.`,
		Example: `  sallyport sidecar --proxy proxy.internal:8443 --identity ./builder
  sallyport sidecar --identity ./builder --env-file builder.env
  sallyport sidecar --join @/run/secrets/join-token --state /var/lib/builder --env-file builder.env
  sallyport sidecar --identity ./builder --jail -- claude
  sallyport sidecar --join @/run/secrets/join-token --jail -- claude
  sallyport sidecar --proxy proxy.internal:8443 --identity ./builder --listen unix:/run/builder/proxy.sock`,
		Args: o.jail.args,
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.identity == "" && !o.join.on() {
				return usagef("give --identity DIR, an agent's folder, or --join @FILE, a token by which it joins")
			}
			if o.jail.on {
				return runSidecarJail(cmd.Context(), a, o, args)
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			// A second signal ends the process at once.
			defer context.AfterFunc(ctx, stop)()
			return serveSidecar(ctx, a, o)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.proxy, "proxy", "", "host:port of Sallyport's listener (default what agent.json says)")
	flags.StringVar(&o.identity, "identity", "", "identity folder of the agent, unless it joins by itself")
	o.join.flags(cmd)
	flags.StringVar(&o.listen, "listen", "127.0.0.1:0", "where clients connect: HOST:PORT, or unix:PATH (mode 0600)")
	flags.StringVar(&o.file.path, "env-file", "", "file for the sandbox's environment (dotenv, mode 0600), there while the sidecar listens")
	flags.BoolVar(&o.unasked, "no-auth", false, "ask for no password; only in a network namespace of its own")
	flags.BoolVar(&o.peer, "peer-uid", false, "ask for no password and serve the processes of this user only (Linux; on loopback or a Unix socket)")
	cmd.MarkFlagsMutuallyExclusive("no-auth", "peer-uid")
	o.jail.flags(cmd)
	cmd.MarkFlagsMutuallyExclusive("identity", "join")
	cmd.MarkFlagsMutuallyExclusive("identity", "state")
	return cmd
}

type sidecarOptions struct {
	proxy, identity, listen string
	unasked, peer           bool
	file                    envFile
	jail                    sidecarJail
	join                    joinOptions
}

// open finds the identity, and where the agent's clients find its public files.
func (o *sidecarOptions) open(ctx context.Context, a *app, log *slog.Logger) (*joined, sidecar.Source, error) {
	if o.join.on() {
		j, err := joinIdentity(ctx, a, &o.join, log)
		if err != nil {
			return nil, nil, err
		}
		o.identity = j.folder
		return j, j, nil
	}
	source, err := sidecar.OpenDirectory(o.identity, log)
	return nil, source, err
}

func serveSidecar(ctx context.Context, a *app, o sidecarOptions) error {
	log := slog.New(slog.NewTextHandler(a.stderr, nil))
	if err := coredump.Forbid(); err != nil {
		log.Warn("core dumps could not be forbidden", "error", err)
	}
	renewing, source, err := o.open(ctx, a, log)
	if err != nil {
		return err
	}
	defer renewing.keep(ctx)()
	if o.proxy == "" {
		if o.proxy, err = knownProxy(o.identity); err != nil {
			return err
		}
	}
	config := sidecar.Config{Proxy: o.proxy, Identity: source, Grace: sidecarGrace, Log: log}
	switch {
	case o.peer:
		config.Callers = sidecar.User(os.Geteuid())
		if err := sidecar.Tells(ctx, config.Callers); err != nil {
			return hint.With(fmt.Errorf("--peer-uid: %w", err), "leave it out: clients then need the password in the sidecar's URL")
		}
	case !o.unasked:
		config.Password = sidecar.NewPassword()
	}
	s, err := sidecar.New(config)
	if err != nil {
		return &usageError{msg: err.Error()}
	}
	if _, _, err := net.SplitHostPort(o.listen); err != nil && !strings.HasPrefix(o.listen, "unix:") {
		return usagef("--listen %q: write it as HOST:PORT or unix:PATH", o.listen)
	}
	if err := o.file.check(); err != nil {
		return err
	}
	l, err := sidecar.Listen(ctx, o.listen)
	if err != nil {
		return err
	}
	if !sidecar.Loopback(l.Addr()) {
		if o.peer {
			return errors.Join(usagef("--peer-uid on %s: the kernel knows no user of another host; listen on loopback, or ask for a password", l.Addr()), l.Close())
		}
		if o.unasked {
			return errors.Join(usagef("--no-auth on %s would let the network act as the agent; listen on loopback, or ask for a password", l.Addr()), l.Close())
		}
		log.Warn("other hosts can reach the sidecar, and its password travels in clear text", "listen", l.Addr().String())
	}
	if err := announceSidecar(a, &o, sidecar.URL(l.Addr(), config.Password)); err != nil {
		return errors.Join(err, l.Close())
	}
	log.Info("sidecar ready", "listen", l.Addr().String(), "proxy", o.proxy, "agent", source.Identity().String(), "not_after", source.Identity().NotAfter())
	return errors.Join(s.Serve(ctx, l), o.file.remove())
}

// announceSidecar tells the sandbox how to reach the sidecar, which listens by now.
func announceSidecar(a *app, o *sidecarOptions, url string) error {
	if o.file.path != "" {
		variables, err := environmentOf(a, url, o.identity)
		if err != nil {
			return err
		}
		if err := o.file.write(variables); err != nil {
			return err
		}
	}
	if _, err := fmt.Fprintln(a.stdout, url); err != nil {
		return errors.Join(fmt.Errorf("print the proxy URL: %w", err), o.file.remove())
	}
	return nil
}

// knownProxy is the listener's address as it was when the identity was made.
func knownProxy(dir string) (string, error) {
	d, err := readDescription(dir)
	if err != nil {
		return "", err
	}
	if d.Proxy == "" {
		return "", usagef("the identity folder does not say where the proxy is: give --proxy HOST:PORT")
	}
	return d.Proxy, nil
}
