// Command sallyport is the guarded way out for software agents: an egress proxy
// that knows which agent calls, asks its policy, injects credentials the agent
// never holds, and records every request before it leaves.
//
// This package holds flags, files and wiring, one file per subcommand. Rules
// about what may leave live in the packages it wires, never here.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/nearest"
	"sallyport/server"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Getenv, os.Stdin, os.Stdout, os.Stderr))
}

// run executes one command line and returns the exit code: 0 done, 1 refused or
// failed, 2 wrong usage, or the code that `sallyport run` took over from its command.
func run(ctx context.Context, args []string, getenv func(string) string, stdin io.Reader, stdout, stderr io.Writer) int {
	return newApp(getenv, time.Now, stdin, stdout, stderr).run(ctx, args)
}

func newApp(getenv func(string) string, now func() time.Time, stdin io.Reader, stdout, stderr io.Writer) *app {
	printed := &results{Writer: stdout}
	return &app{stdin: stdin, stdout: printed, results: printed, stderr: stderr, getenv: getenv, now: now}
}

func (a *app) run(ctx context.Context, args []string) int {
	root := newRootCommand(a)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if a.results.err != nil {
		a.running = true // whatever was typed, it was understood
		err = cmp.Or(err, a.results.err)
	}
	return a.exit(err)
}

// results is standard output. It remembers the first failure to write: a command whose result was cut
// short has failed, even if it did not look at the error itself.
type results struct {
	io.Writer
	err error // of the first write that failed
}

func (r *results) Write(p []byte) (int, error) {
	n, err := r.Writer.Write(p)
	if r.err == nil {
		r.err = err
	}
	return n, err
}

// app is what every command gets from the outside world: its streams, the
// environment, the clock, and the values of the global flags. A command that
// runs finds home and output set; it writes results to stdout and nothing else.
type app struct {
	stdin   io.Reader
	stdout  io.Writer
	results *results // the same as stdout; `run` hands the file inside it to its command
	stderr  io.Writer
	getenv  func(string) string
	now     func() time.Time

	home    string         // absolute path of HOME; "" if none was given and the user has no home folder
	output  string         // outputText or outputJSON
	tz      string         // as typed; zone is what it means
	zone    *time.Location // of the times that people type and read
	running bool           // the command line was understood; what fails from here on is not wrong usage
}

// The values of --output.
const (
	outputText = "text"
	outputJSON = "json"
)

// env is what the parts that open HOME take of it.
func (a *app) env() server.Environment {
	b := readBuild()
	return server.Environment{Home: a.home, Getenv: a.getenv, Now: a.now, Version: b.Version, Revision: b.Revision}
}

// administer calls do with the running server or with the stores. What the stores log is of no
// interest to the person who typed it, except when something is wrong.
func (a *app) administer(ctx context.Context, do func(server.Administration) error) error {
	log := slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	return a.env().Administer(ctx, log, do)
}

func (a *app) json() bool { return a.output == outputJSON }

func newRootCommand(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "sallyport",
		Short: "The guarded way out for software agents",
		Long: `Sallyport is an egress proxy for software agents. Each agent has an identity and
no secrets: Sallyport checks every request against the agent's policy, injects the
credential the rule names, and writes the request to an audit trail before it leaves.`,
		Example: `  sallyport init
  sallyport serve &
  sallyport run --policy example --owner "person:$(id -un)" -- curl https://www.python.org/`,
		SilenceErrors:     true,
		SilenceUsage:      true,
		PersistentPreRunE: a.prepare,
	}
	root.Version = readBuild().line()
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetFlagErrorFunc(explainFlag)
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	flags := root.PersistentFlags()
	flags.StringVar(&a.home, "home", "", "folder of the configuration and state (default $SALLYPORT_HOME or ~/.sallyport)")
	flags.StringVarP(&a.output, "output", "o", outputText, "output for people (text) or scripts (json)")
	flags.StringVar(&a.tz, "tz", "", "time zone of the times that are typed and printed, as Europe/Berlin (default this machine's; UTC with -o json)")
	root.AddCommand(
		newInitCommand(a),
		newServeCommand(a),
		newReloadCommand(a),
		newAgentCommand(a),
		newOwnerCommand(a),
		newWhoCommand(a),
		newSidecarCommand(a),
		newEnvCommand(a),
		newRunCommand(a),
		newVeilCommand(),
		newJailCommand(),
		newSandboxCommand(a),
		newPolicyCommand(a),
		newCredentialCommand(a),
		newAuditCommand(a),
		newBackupCommand(a),
		newRestoreCommand(a),
		newDoctorCommand(a),
		newVersionCommand(a),
		newManCommand(a),
	)
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() == "completion" {
			withUsage(c) // by itself it would answer the name of an unknown shell with its help, and exit 0
		}
	}
	withUsage(root)
	unknown := root.RunE
	root.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help() // somebody who types only the name wants to know which commands there are
		}
		return unknown(cmd, args)
	}
	return root
}

// prepare runs after the command line was parsed and before any command.
func (a *app) prepare(cmd *cobra.Command, args []string) error {
	// Cobra itself checks these only after this hook, when a failure no longer counts as wrong usage.
	if err := errors.Join(cmd.ValidateRequiredFlags(), cmd.ValidateFlagGroups(), refuseEmpty(cmd, args)); err != nil {
		return err
	}
	if a.output != outputText && a.output != outputJSON {
		return fmt.Errorf("unknown output %q: use text or json", a.output)
	}
	var err error
	if a.zone, err = a.zoneOf(a.tz); err != nil {
		return err
	}
	home, err := homePath(a.home, a.getenv)
	if err != nil {
		return err
	}
	a.home, a.running = home, true
	return nil
}

// homePath finds HOME. No home folder at all is not an error here, because some
// commands never read it.
func homePath(flag string, getenv func(string) string) (string, error) {
	dir := flag
	if dir == "" {
		dir = getenv("SALLYPORT_HOME")
	}
	if dir == "" {
		user, err := os.UserHomeDir()
		if err != nil {
			return "", nil //nolint:nilerr // serveSidecar and env work without HOME; the others say what is missing
		}
		dir = filepath.Join(user, ".sallyport")
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("find home folder %s: %w", dir, err)
	}
	return abs, nil
}

// withUsage makes a command that only groups others refuse to be called by
// itself or with a name it does not know, both wrong usage.
func withUsage(group *cobra.Command) *cobra.Command {
	group.Args = cobra.ArbitraryArgs
	group.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usagef("%s: a command is required", cmd.CommandPath())
		}
		var known []string
		for _, c := range cmd.Commands() {
			known = append(known, c.Name())
		}
		if slip, meant := nearest.Slip(args[0], known); meant {
			return usagef("unknown command %q for %q; did you mean %s?", args[0], cmd.CommandPath(), slip)
		}
		if cmd.HasParent() { // the root has too many commands for one line
			return usagef("unknown command %q for %q; there is %s", args[0], cmd.CommandPath(), strings.Join(known, ", "))
		}
		return usagef("unknown command %q for %q", args[0], cmd.CommandPath())
	}
	return group
}
