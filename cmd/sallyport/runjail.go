package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"sallyport/admin"
	"sallyport/credentials"
	"sallyport/internal/hint"
	"sallyport/policy"
	"sallyport/sandbox/catch"
	"sallyport/sandbox/confine"
	"sallyport/sandbox/environment"
	"sallyport/sandbox/jail"
	"sallyport/sandbox/sidecar"
	"sallyport/sandbox/veil"
)

// jailCommand is the first process of a jail, see [jail.Enter].
const jailCommand = "run-in-jail"

func newJailCommand() *cobra.Command {
	return &cobra.Command{
		Use: jailCommand, Hidden: true, Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := jail.Enter(); err != nil {
				return exitCode(exitCannotRun) // it has told who started it, and there is nobody else to tell
			}
			return nil
		},
	}
}

// The values of --user-home.
const (
	homeKeep  = "keep"
	homeFresh = "fresh"
)

// jailOptions are the flags about a jail.
type jailOptions struct {
	on, off     bool
	home        string
	read, write []string
	nested      bool
}

func (o *jailOptions) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVar(&o.on, "jail", false, "put the command in a jail, whose only way out is the proxy (Linux)")
	flags.StringVar(&o.home, "user-home", homeKeep, "the home folder of the command: keep (yours; in a jail, what it changes there is gone at its end) or fresh (an empty one, which is gone at its end)")
	flags.StringArrayVar(&o.read, "read", nil, "file or folder that the command shall see in a jail, though it lies in /tmp, /run or a fresh home; may be repeated")
	flags.StringArrayVar(&o.write, "write", nil, "file or folder that the command may change in a jail, beside the folder that it is started in; may be repeated")
	flags.BoolVar(&o.nested, "nested", false, "let the command make namespaces in its jail, for programs that bring a sandbox of their own")
}

// check says what does not fit together.
func (o *jailOptions) check(cmd *cobra.Command) error {
	for _, name := range []string{"read", "write", "nested"} {
		if !o.on && cmd.Flags().Changed(name) {
			return usagef("--%s is about a jail: give --jail, too", name)
		}
	}
	if o.nested && os.Geteuid() == 0 {
		return usagef("--nested: the kernel lets root have no namespaces in a jail; run it as another user")
	}
	if o.home != homeKeep && o.home != homeFresh {
		return usagef("--user-home %q is not %s or %s", o.home, homeKeep, homeFresh)
	}
	return nil
}

// jailed is a command in its jail, with what serves it.
type jailed struct {
	process *jail.Process
	names   *catch.Names
	folder  string // of certificates, which the command sees
	before  []folderBefore
	ledger  *confine.Ledger
	tell    func(context.Context, string, string) error
}

// intoJail makes the jail, before there is an agent: what the system forbids is known
// before anything exists that it matters to.
func intoJail(a *app, c jail.Config, log *slog.Logger) (*jailed, error) {
	folder, err := os.MkdirTemp("", "sallyport-run-*") // mode 0700
	if err != nil {
		return nil, fmt.Errorf("make folder for certificates: %w", err)
	}
	j := &jailed{names: catch.NewNames(time.Now), folder: folder}
	j.ledger = confine.NewLedger(func(ctx context.Context, authority, told string) error { return j.tell(ctx, authority, told) }, log)
	c.Read = append(c.Read, folder)
	c.Helper, c.Names, c.Blocked = []string{jailCommand}, j.names, j.ledger.Note
	c.Streams = jail.Streams{In: a.stdin, Out: a.stdout, Err: a.stderr}
	if c.Instead, err = systemTrust(folder); err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	j.before = look(&c)
	if j.process, err = jail.Start(c); err != nil {
		why := hint.Of(err)
		if why == "" {
			why = "without --jail the command runs all the same, and could go around the proxy"
		}
		return nil, errors.Join(hint.With(fmt.Errorf("make a jail: %w", err), "%s", why), os.RemoveAll(folder))
	}
	return j, nil
}

// systemTrust has programs that are told nothing trust what is shown to them: the file in
// which the system keeps its roots is seen as the agent's, which holds the system's own, too.
func systemTrust(folder string) (instead map[string]string, err error) {
	file := filepath.Join(folder, fileBundle)
	if err := os.WriteFile(file, nil, 0o644); err != nil { //nolint:gosec // public; it is filled when there is an agent
		return nil, fmt.Errorf("write certificates: %w", err)
	}
	instead = map[string]string{}
	for _, path := range []string{
		"/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/cert.pem", "/etc/pki/tls/certs/ca-bundle.crt",
		"/etc/pki/tls/cert.pem", "/etc/ssl/ca-bundle.pem", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
	} {
		instead[path] = file
	}
	return instead, nil
}

// close ends what is left of the jail.
func (j *jailed) close() {
	j.process.Abandon()
	_ = os.RemoveAll(j.folder)
}

// jailConfig is the jail of a run: what is hidden without one is hidden in one, too.
func jailConfig(a *app, o runOptions, secrets *credentials.Set) (jail.Config, error) {
	l, err := a.env().Layout()
	if err != nil {
		return jail.Config{}, err
	}
	covers, err := veilConfig(l, secrets)
	if err != nil {
		return jail.Config{}, err
	}
	c := jail.Config{Hide: covers.Hide, Freeze: covers.Freeze, Ports: caughtPorts(l.Policy(o.create.Policy))}
	err = o.jail.settle(&c)
	return c, err
}

// settle fills in what the flags say, and what follows from where this process stands.
func (o *jailOptions) settle(c *jail.Config) error {
	c.Fresh, c.Nested = o.home == homeFresh, o.nested
	working, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("find the working folder: %w", err)
	}
	if real, err := filepath.EvalSymlinks(working); err == nil {
		working = real
	}
	if user, err := os.UserHomeDir(); err == nil {
		if c.Home, err = filepath.EvalSymlinks(user); err != nil || c.Home == "/" {
			c.Home = ""
		}
	}
	c.Write = confine.Work(working, c.Home)
	if !veil.Within(working, c.Write) && (c.Fresh || !veil.Within(working, []string{c.Home})) {
		c.Read = append(c.Read, working) // it may lie in a folder that begins empty
	}
	for _, list := range []struct {
		from []string
		to   *[]string
		flag string
	}{{o.read, &c.Read, "read"}, {o.write, &c.Write, "write"}} {
		for _, path := range list.from {
			real, err := filepath.EvalSymlinks(path)
			if err == nil {
				real, err = filepath.Abs(real)
			}
			if err != nil {
				return fmt.Errorf("--%s: %w", list.flag, err)
			}
			*list.to = append(*list.to, real)
		}
	}
	return nil
}

// look looks through what the command may write, and its home, for what it must not change,
// or not see.
func look(c *jail.Config) (before []folderBefore) {
	for _, folder := range c.Write {
		found := confine.Look(folder, mostLooked)
		c.Hide, c.Freeze = append(c.Hide, found.Agents...), append(c.Freeze, found.Later...)
		before = append(before, folderBefore{folder, found, time.Now()})
	}
	if c.Home != "" && !c.Fresh {
		c.Hide = append(c.Hide, confine.Look(c.Home, mostLooked).Agents...)
	}
	return before
}

// The folders that the command may write are looked through before it starts, which should
// not be felt, and after it has ended.
const (
	mostLooked = 8000
	mostEnded  = 200_000
)

// folderBefore is a folder as it was when the command started.
type folderBefore struct {
	path  string
	found confine.Survey
	at    time.Time
}

// caughtPorts are those of the web, and what rules of the policy name. What cannot be read
// is for the server to refuse.
func caughtPorts(file string) []uint16 {
	ports := []uint16{80, 443}
	data, err := os.ReadFile(file)
	if err != nil {
		return ports
	}
	if p, err := policy.Parse(file, data, languages()...); err == nil {
		ports = append(ports, p.Ports()...)
	}
	slices.Sort(ports)
	return slices.DeleteFunc(slices.Compact(ports), func(port uint16) bool { return port == 53 }) // names are asked for there
}

// runJailed is runCommand with a jail.
func runJailed(ctx context.Context, a *app, o runOptions, c jailedCommand, secrets *credentials.Set, client *admin.Client) error {
	config, err := jailConfig(a, o, secrets)
	if err != nil {
		return err
	}
	config.Server = client.Server()
	log := slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	j, err := intoJail(a, config, log)
	if err != nil {
		return err
	}
	defer j.close()
	if err := hideMemory(); err != nil {
		return fmt.Errorf("protect the agent's key from the command: %w", err)
	}
	o.create.TTL = admin.Duration(o.ttl)
	enrolment, err := client.CreateAgent(ctx, o.create)
	if err != nil {
		return err
	}
	defer revokeAgent(ctx, a, client, enrolment.Agent)
	identity, err := sidecar.ParseIdentity(enrolment.Certificate, enrolment.Key, enrolment.CA)
	if err != nil {
		return err
	}
	if err := fillFolder(j.folder, enrolment); err != nil {
		return err
	}
	said := fmt.Sprintf("agent %s (%s) under policy %s; %s, and not %s", printable(enrolment.Agent.Name), enrolment.Agent.ID,
		printable(enrolment.Agent.Policy), j.says(o.jail), printable(a.home))
	return j.run(ctx, a, c, sidecar.Config{Proxy: enrolment.Proxy, Identity: identity, Log: log}, said)
}

// jailedCommand is what is run.
type jailedCommand struct {
	path          string
	argv, environ []string
	signals       *signals
}

// run runs the command, served by a sidecar, and says said when it begins.
func (j *jailed) run(ctx context.Context, a *app, c jailedCommand, config sidecar.Config, said string) error {
	stop, err := j.serve(ctx, config)
	if err != nil {
		return err
	}
	defer stop()
	variables, err := environmentOf(a, sidecar.URL(j.process.Sockets().Proxy.Addr(), ""), j.folder)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.stderr, "sallyport: %s\n", said)
	environ := slices.DeleteFunc(c.environ, func(v string) bool { return strings.HasPrefix(v, "TMPDIR=") }) // /tmp is the jail's own
	if err := j.process.Exec(c.path, c.argv, environment.Apply(environ, environment.For(c.argv[0], variables))); err != nil {
		return notRun(a, c.argv[0], exitCannotRun, err)
	}
	c.signals.forward(j.process)
	e, err := j.process.Wait()
	j.tellMade(a)
	return endedJail(e, err)
}

// serve serves the jail's sockets by a sidecar of the agent. stop cuts what is open, has
// what is left recorded, and waits.
func (j *jailed) serve(ctx context.Context, config sidecar.Config) (stop func(), err error) {
	s, err := sidecar.New(config)
	if err != nil {
		return nil, err
	}
	teller, err := sidecar.New(config) // which goes on when the other one has ended
	if err != nil {
		return nil, err
	}
	j.tell = teller.Tell
	serving, cancel := context.WithCancel(context.WithoutCancel(ctx))
	telling, end := context.WithCancel(context.WithoutCancel(ctx))
	var servers, tellers sync.WaitGroup
	servers.Go(func() {
		confine.Serve(serving, confine.Config{
			Sockets: j.process.Sockets(), Names: j.names, Program: j.process.Program, Blocked: j.ledger, Sidecar: s, Log: config.Log,
		})
	})
	tellers.Go(func() { j.ledger.Run(telling) })
	return func() { cancel(); servers.Wait(); end(); tellers.Wait() }, nil
}

// says is, in one line, what the jail keeps the command from.
func (j *jailed) says(o jailOptions) string {
	home := "your home as it is, while what it changes there is gone at its end"
	if o.home == homeFresh {
		home = "an empty home"
	}
	said := []string{
		"in a jail: it sees " + home,
	}
	if len(j.before) == 0 {
		said = append(said, "it may change no file for good: start it in a folder of its work, or give --write")
	}
	if o.nested {
		said = append(said, "it may make namespaces of its own")
	}
	for _, n := range j.process.Notes() {
		said = append(said, printable(n))
	}
	return strings.Join(append(said, "it reaches nothing but the proxy, no process and no socket outside"), "; ")
}

// tellMade names files that were not there and that programs outside would run or obey.
func (j *jailed) tellMade(a *app) {
	const most = 10
	var made []string
	for _, before := range j.before {
		made = append(made, confine.Made(before.found, confine.Look(before.path, mostEnded), before.at)...)
	}
	for i, path := range made {
		if i == most {
			fmt.Fprintf(a.stderr, "sallyport: and %d more\n", len(made)-most)
			return
		}
		fmt.Fprintf(a.stderr, "sallyport: there is a new %s, which programs outside may run or obey: look at it first\n", printable(path))
	}
}

// fillFolder writes the files that clients need, and not the key.
func fillFolder(dir string, e admin.Enrolment) error {
	contents, err := identityContents(e, dir, "")
	if err != nil {
		return err
	}
	for _, c := range contents {
		if c.name == fileKey {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, c.name), c.data, c.mode); err != nil {
			return fmt.Errorf("write certificates: %w", err)
		}
	}
	return nil
}

func endedJail(e jail.Ended, err error) error {
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
