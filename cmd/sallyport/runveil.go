package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"sallyport/config"
	"sallyport/credentials"
	"sallyport/internal/hint"
	"sallyport/sandbox/veil"
)

// The values of --hide-home.
const (
	hideAuto   = "auto"
	hideAlways = "always"
	hideNever  = "never"
)

// veilCommand becomes the command of a run, see [veil.Enter].
const veilCommand = "run-behind-veil"

func newVeilCommand() *cobra.Command {
	return &cobra.Command{
		Use: veilCommand, Hidden: true, Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_ = veil.Enter() // it has told who started it, and there is nobody else to tell
			return exitCode(exitCannotRun)
		},
	}
}

// behindVeil starts the process that becomes the command. That is done before the agent is
// created, so that a failure to hide HOME is known while there is nothing to protect yet. server
// is the process that runs on the home, 0 if unknown.
func behindVeil(a *app, hide, path string, secrets *credentials.Set, server int) (*veil.Process, error) {
	l, err := a.env().Layout()
	if err != nil {
		return nil, err
	}
	c, err := veilConfig(l, secrets)
	if err != nil {
		return nil, err
	}
	c.Server, c.Stdin, c.Stdout, c.Stderr = server, a.stdin, a.results.Writer, a.stderr
	if temp := veil.Resolve([]string{os.TempDir()}); len(temp) == 1 && veil.Within(temp[0], veil.Resolve(c.Hide)) && hide != hideNever {
		return nil, hint.With(fmt.Errorf("TMPDIR is %s, in the home folder that is hidden from the command", temp[0]),
			"set TMPDIR to a folder elsewhere, or give --hide-home never")
	}
	switch {
	case hide == hideNever:
		c.Show = errors.New("--hide-home never")
	case hide == hideAuto && changesUser(path):
		c.Show = fmt.Errorf("%s changes its user, which no program does where it is hidden", filepath.Base(path))
	}
	p, err := veil.Start(c)
	if err != nil || hide != hideAlways {
		return p, err
	}
	if why := p.Exposed(); why != nil {
		p.Abandon()
		return nil, hint.With(fmt.Errorf("--hide-home always: %w", why), "run it where namespaces are allowed, or as a user who cannot read %s", l.Dir)
	}
	if links := p.Loose(); len(links) > 0 {
		p.Abandon()
		return nil, hint.With(fmt.Errorf("--hide-home always: the command could have the server read other files than those that %s leads to", printable(links[0])),
			"name the place itself instead of the link, or keep the link in a folder that this user cannot change")
	}
	return p, nil
}

// veilConfig lists what is in HOME, and what HOME's symbolic links and files lead
// to elsewhere: secrets are hidden, and what decides what agents may do, or is run
// by the server, cannot be changed.
func veilConfig(l config.Layout, secrets *credentials.Set) (veil.Config, error) {
	c := veil.Config{Helper: []string{veilCommand}, Hide: append([]string{l.Dir, l.State(), l.CAs()}, secrets.Files()...)}
	for _, dir := range []string{l.State(), l.CAs()} {
		inside, _ := filepath.Glob(filepath.Join(dir, "*")) // the pattern is right, unless the folder's name has one of its signs
		c.Hide = append(c.Hide, inside...)
	}
	policies, _ := filepath.Glob(l.Policy("*"))
	c.Freeze = append([]string{l.Config(), l.Owners(), l.Credentials(), l.Policies()}, policies...)
	settings, err := config.LoadConfig(l)
	if err != nil {
		return c, fmt.Errorf("find out which files the server reads: %w", err)
	}
	for _, roots := range settings.Upstream.Roots {
		c.Freeze = append(c.Freeze, roots.File)
	}
	commands := secrets.Commands()
	for _, place := range settings.Publish {
		if len(place.Command) > 0 {
			commands = append(commands, place.Command)
		}
	}
	for _, argv := range commands {
		c.Freeze = append(c.Freeze, programFiles(argv, l.Dir)...)
	}
	if user, err := os.UserHomeDir(); err == nil {
		c.Keep = veil.Resolve([]string{user})
	}
	return c, nil
}

// programFiles are the program of a command that the server runs in dir, and those of
// its arguments that are files.
func programFiles(argv []string, dir string) []string {
	var files []string
	for i, path := range argv {
		switch {
		case filepath.IsAbs(path):
		case i == 0 && filepath.Base(path) == path:
			path, _ = exec.LookPath(path) // "" is no file
		default:
			path = filepath.Join(dir, path)
		}
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			files = append(files, path)
		}
	}
	return files
}

// changesUser says whether the program is one that runs as somebody else (sudo, su).
func changesUser(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode()&os.ModeSetuid != 0 && os.Geteuid() != 0
}

// whatIsKept says, in one line, what the command is kept from and what not.
func whatIsKept(a *app, p *veil.Process) string {
	const others = "your other files, and what programs elsewhere do for you (tmux, cron, docker, systemd --user)"
	var kept, not, more []string
	if veil.Marks {
		kept = append(kept, "administration")
	} else {
		not = append(not, "administration")
	}
	secrets := fmt.Sprintf("%s with its keys and secrets", printable(a.home))
	switch {
	case p.Exposed() != nil:
		not = append(not, fmt.Sprintf("%s (%s)", secrets, printable(p.Exposed().Error())), others)
	case p.Own():
		kept = append(kept, secrets, "the memory of your other processes")
		for _, link := range p.Loose() {
			not = append(not, "where "+printable(link)+" leads the server")
		}
		not = append(not, others)
		more = append(more, "sudo does not work in it (--hide-home never)")
	default:
		kept = append(kept, secrets)
		not = append(not, "what root can undo, which is all of this: run it as another user")
	}
	if len(kept) > 0 {
		more = append([]string{"kept from it: " + strings.Join(kept, ", ")}, append([]string{"not kept: " + strings.Join(not, ", ")}, more...)...)
	} else {
		more = append([]string{"nothing is kept from it, not " + strings.Join(not, ", ")}, more...)
	}
	return strings.Join(more, "; ")
}
