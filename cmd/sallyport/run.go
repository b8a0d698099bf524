package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"sallyport/admin"
	"sallyport/internal/hint"
	"sallyport/sandbox/environment"
	"sallyport/sandbox/sidecar"
	"sallyport/sandbox/veil"
	"sallyport/server"
)

// Exit codes of shells, for a command that did not run.
const (
	exitCannotRun = 126
	exitNotFound  = 127
)

// startTime is how long a server may take from its start to its socket.
const startTime = 2 * time.Second

// revokeTimeout bounds the last act of a run, whatever became of the server.
const revokeTimeout = 10 * time.Second

func newRunCommand(a *app) *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:   "run --policy P --owner O -- CMD ARG...",
		Short: "Run a command as a new agent, with its own sidecar and environment",
		Long: `Creates an agent for this one run, starts its sidecar and runs the command with the
environment of sallyport env. The agent's key exists only in this process's memory.
When the command ends the agent is revoked; the exit code is the command's (127 if it
was not found, 128+N if signal N killed it). Signals are forwarded. What the command leaves
behind ends with it (Linux), and a line says what that was.

The command, and what it starts, uses the sidecar without a password where the kernel tells
who calls (Linux). It gets PATH, HOME, USER, SHELL, LANG, LC_*, TERM, TZ, TMPDIR, what env sets, and
each --pass NAME; never a variable that an env: secret reads. It cannot administer the
server. On Linux the home folder and the files of secrets are hidden from it, where the
system allows namespaces; sudo does not work then, unless --hide-home never is given. A
line at the start says what is kept from it. This is no sandbox: the command runs as you,
and nothing but good will makes it use the proxy.

With --jail (Linux) it is one: the command reaches nothing but the proxy, whatever it tries,
and sees no process, socket or key outside. It writes to the folder it is started in, and to
each --write PATH.`,
		Example: `  sallyport run --policy example --owner person:dana -- git clone https://github.com/acme/web
  sallyport run --policy operator --owner team:platform --pass CI -- npm test
  sallyport run --jail --policy operator --owner team:platform -- claude`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 || cmd.ArgsLenAtDash() != 0 {
				return usagef("put -- and then the command after the flags: %s %s", cmd.Root().Name(), cmd.Use)
			}
			if !slices.Contains([]string{hideAuto, hideAlways, hideNever}, o.hide) {
				return usagef("--hide-home %q is not %s, %s or %s", o.hide, hideAuto, hideAlways, hideNever)
			}
			return o.jail.check(cmd)
		},
		RunE: func(cmd *cobra.Command, args []string) error { return runCommand(cmd.Context(), a, o, args) },
	}
	flags := cmd.Flags()
	flags.StringVar(&o.create.Policy, "policy", "", "policy that the command is under (required)")
	flags.StringVar(&o.create.Owner, "owner", "", "who answers for it: person:NAME or team:NAME (required)")
	flags.StringVar(&o.create.Name, "name", "", "name of the agent for people (default made up)")
	flags.StringArrayVar(&o.pass, "pass", nil, "variable of this environment to pass on; may be repeated")
	spanVar(cmd, &o.ttl, "ttl", defaultTTL, "longest time that the agent may live, as 8h or 7d")
	flags.StringVar(&o.hide, "hide-home", hideAuto, "hide the home folder and its secrets from the command: auto (where the system can), always (or do not run) or never (sudo works)")
	browsersFlag(cmd, &o.browsers)
	o.jail.flags(cmd)
	flags.BoolVar(&o.jail.off, "no-jail", false, "no jail: the command could go around the proxy, and sees your files and processes (which is so for now unless --jail is given)")
	cmd.MarkFlagsMutuallyExclusive("jail", "no-jail")
	cmd.MarkFlagsMutuallyExclusive("jail", "hide-home")
	cmd.MarkFlagsMutuallyExclusive("jail", "browsers")
	require(cmd, "policy", "owner")
	return cmd
}

type runOptions struct {
	create admin.CreateRequest
	ttl    time.Duration
	pass   []string
	hide   string
	jail   jailOptions

	browsers bool
}

// homeOf is the home folder of this user, if the command has that.
func (o *runOptions) homeOf(a *app) string {
	if o.jail.home == homeFresh {
		return ""
	}
	return a.getenv("HOME")
}

// runCommand creates whatever the command needs, in order, and takes it back in
// reverse order on every way out.
func runCommand(ctx context.Context, a *app, o runOptions, argv []string) error {
	path, err := exec.LookPath(argv[0])
	if err != nil {
		if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
			return notRun(a, argv[0], exitNotFound, errors.New("command not found"))
		}
		return notRun(a, argv[0], exitCannotRun, err)
	}
	secrets, err := homeSecrets(a)
	if err != nil {
		return err
	}
	environ, err := inheritedVariables(a, o.pass, secrets.EnvNames())
	if err != nil {
		return err
	}
	// From here on a signal must not end this process before the agent is revoked.
	signals := catchSignals()
	defer signals.stop()
	if o.jail.home == homeFresh && !o.jail.on {
		var remove func()
		if environ, remove, err = freshHome(environ); err != nil {
			return err
		}
		defer remove()
	}
	client, err := connectSoon(ctx, a)
	if err != nil {
		return err
	}
	defer client.Close()
	if o.jail.on {
		return runJailed(ctx, a, o, jailedCommand{path, argv, environ, signals}, secrets, client)
	}
	// Before this process holds the agent's key and hides its memory, which also
	// keeps it from setting up namespaces.
	child, err := behindVeil(a, o.hide, path, secrets, client.Server())
	if err != nil {
		return err
	}
	defer child.Abandon()
	if err := hideMemory(); err != nil {
		return fmt.Errorf("protect the agent's key from the command: %w", err)
	}
	return runAgent(ctx, a, o, client, func(agent admin.Agent, variables []environment.Variable) error {
		fmt.Fprintf(a.stderr, "sallyport: agent %s (%s) under policy %s; this is no sandbox: the command runs as you and could go around the proxy; %s\n",
			printable(agent.Name), agent.ID, printable(agent.Policy), whatIsKept(a, child))
		if err := child.Exec(path, argv, environment.Apply(environ, environment.For(argv[0], variables))); err != nil {
			return notRun(a, argv[0], exitCannotRun, err)
		}
		signals.forward(child.Process)
		how, err := child.Wait()
		endRest(a)
		return ended(how, err)
	})
}

// endRest ends what the command left behind, whose environment is that of this run: a
// daemon that went on would carry the next run's requests as this one's agent, or nowhere.
func endRest(a *app) {
	gone, left := veil.EndRest()
	if len(gone) > 0 {
		fmt.Fprintf(a.stderr, "sallyport: ended what the command left behind: %s\n", printable(strings.Join(gone, ", ")))
	}
	if len(left) > 0 {
		fmt.Fprintf(a.stderr, "sallyport: could not end what the command left behind: %s\nhint: its agent is revoked, so that it reaches nothing through the proxy\n", printable(strings.Join(left, ", ")))
	}
}

// freshHome gives the command an empty home folder in place of the user's; remove takes it away.
func freshHome(environ []string) (changed []string, remove func(), err error) {
	dir, err := os.MkdirTemp("", "sallyport-home-*") // mode 0700
	if err != nil {
		return nil, nil, fmt.Errorf("make a home folder: %w", err)
	}
	environ = slices.DeleteFunc(environ, func(entry string) bool { return strings.HasPrefix(entry, "HOME=") })
	return append(environ, "HOME="+dir), func() { _ = os.RemoveAll(dir) }, nil
}

// runAgent calls do with a new agent and the variables that make its sidecar
// used; the agent ends with do.
func runAgent(ctx context.Context, a *app, o runOptions, client *admin.Client, do func(admin.Agent, []environment.Variable) error) error {
	o.create.TTL = admin.Duration(o.ttl)
	enrolment, err := client.CreateAgent(ctx, o.create)
	if err != nil {
		return err
	}
	defer revokeAgent(ctx, a, client, enrolment.Agent)

	folder, err := publicFolder(enrolment)
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	url, stop, err := startSidecar(ctx, a, enrolment)
	if err != nil {
		return err
	}
	defer stop()
	variables, err := environmentOf(a, url, folder)
	if err != nil {
		return err
	}
	options := ""
	if slices.Contains(o.pass, nodeOptions) {
		options = a.getenv(nodeOptions)
	}
	variables = append(variables, forOldNode(ctx, folder, options)...)
	if o.browsers {
		more, err := forBrowsers(ctx, a, folder, o.homeOf(a))
		if err != nil {
			return err
		}
		variables = append(variables, more...)
	}
	return do(enrolment.Agent, variables)
}

// connectSoon waits a moment for a server that was started just before.
func connectSoon(ctx context.Context, a *app) (*admin.Client, error) {
	for deadline := time.Now().Add(startTime); ; {
		client, err := a.env().Connect(ctx)
		switch {
		case !errors.Is(err, admin.ErrNoServer):
			return client, err
		case time.Now().After(deadline):
			return nil, hint.With(fmt.Errorf("no server is running on %s", a.home), "start one: sallyport serve --home %s", a.home)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(server.LookAway):
		}
	}
}

// notRun says why a command was not run, with the exit codes of shells.
func notRun(a *app, name string, code exitCode, err error) error {
	fmt.Fprintf(a.stderr, "sallyport: run %s: %s\n", printable(name), printable(err.Error()))
	return code
}

// ended turns what Wait returned into this command's exit code.
func ended(e veil.Ended, err error) error {
	switch {
	case err != nil:
		return err
	case e.Signal != 0:
		return exitCode(128 + e.Signal)
	case e.Code != 0:
		return exitCode(e.Code)
	}
	return nil
}

// revokeAgent ends the agent for good. The server may be gone by now; then the agent
// is left without a key, and somebody has to be told.
func revokeAgent(ctx context.Context, a *app, client *admin.Client, agent admin.Agent) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), revokeTimeout)
	defer cancel()
	_, err := client.RevokeAgent(ctx, admin.StatusRequest{ID: agent.ID.String(), Reason: "its run ended"})
	if err != nil {
		fmt.Fprintf(a.stderr, "sallyport: agent %s was not revoked: %s\nhint: its key is gone, and it expires %s; sallyport agent revoke %s ends it now\n",
			agent.ID, printable(err.Error()), a.moment(agent.ExpiresAt), agent.ID)
	}
}

// startSidecar serves the new agent, whose key it holds in memory only. stop cuts
// what is open and waits.
func startSidecar(ctx context.Context, a *app, e admin.Enrolment) (url string, stop func(), err error) {
	identity, err := sidecar.ParseIdentity(e.Certificate, e.Key, e.CA)
	if err != nil {
		return "", nil, err
	}
	log := slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	config := sidecar.Config{Proxy: e.Proxy, Identity: identity, Callers: ofThisRun{}, Log: log}
	if sidecar.Tells(ctx, config.Callers) != nil {
		config.Callers, config.Password = nil, sidecar.NewPassword() // which not all programs know how to send
	}
	s, err := sidecar.New(config)
	if err != nil {
		return "", nil, err
	}
	l, err := sidecar.Listen(ctx, "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := s.Serve(ctx, l); err != nil {
			log.Error("sidecar ended", "error", err)
		}
	})
	return sidecar.URL(l.Addr(), config.Password), func() { cancel(); serving.Wait() }, nil
}

// ofThisRun admits the command, what it started and what that left behind, and
// nobody else: not even another run of the same user.
type ofThisRun struct{}

// Admit implements [sidecar.Callers].
func (ofThisRun) Admit(c sidecar.Caller) error {
	if c.Socket == 0 || !veil.Holds(c.Socket) {
		return errors.New("the sidecar serves the command of one run, and the caller is not of it")
	}
	return nil
}

// publicFolder writes the files that clients need, and not the key, into a
// private temporary folder.
func publicFolder(e admin.Enrolment) (string, error) {
	dir, err := os.MkdirTemp("", "sallyport-run-*") // mode 0700
	if err != nil {
		return "", fmt.Errorf("make folder for certificates: %w", err)
	}
	contents, err := identityContents(e, dir, "")
	if err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	for _, c := range contents {
		if c.name == fileKey {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, c.name), c.data, c.mode); err != nil {
			return "", errors.Join(fmt.Errorf("write certificates: %w", err), os.RemoveAll(dir))
		}
	}
	return dir, nil
}

// signalled is a command that takes signals.
type signalled interface{ Signal(os.Signal) error }
