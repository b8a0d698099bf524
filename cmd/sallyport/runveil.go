package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"sallyport/config"
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

// behindVeil starts what becomes the command, before there is an agent: what
// cannot be hidden is known before anything exists that it matters to.
func behindVeil(a *app, hide, path string, secretFiles []string) (*veil.Process, error) {
	l, err := a.env().Layout()
	if err != nil {
		return nil, err
	}
	c := veilConfig(l, secretFiles)
	c.Stdin, c.Stdout, c.Stderr = a.stdin, a.stdout, a.stderr
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
	if err != nil {
		return nil, err
	}
	if why := p.Exposed(); why != nil && hide == hideAlways {
		p.Abandon()
		return nil, hint.With(fmt.Errorf("--hide-home always: %w", why), "run it where namespaces are allowed, or as a user who cannot read %s", l.Dir)
	}
	return p, nil
}

// veilConfig lists what is in HOME, and what HOME's symbolic links and
// credentials.yaml lead to elsewhere: secrets are hidden, files that decide what
// agents may do cannot be changed.
func veilConfig(l config.Layout, secretFiles []string) veil.Config {
	c := veil.Config{Helper: []string{veilCommand}, Hide: append([]string{l.Dir, l.State(), l.CAs()}, secretFiles...)}
	for _, dir := range []string{l.State(), l.CAs()} {
		inside, _ := filepath.Glob(filepath.Join(dir, "*")) // the pattern is right, unless the folder's name has one of its signs
		c.Hide = append(c.Hide, inside...)
	}
	policies, _ := filepath.Glob(l.Policy("*"))
	c.Freeze = append([]string{l.Config(), l.Owners(), l.Credentials(), l.Policies()}, policies...)
	if user, err := os.UserHomeDir(); err == nil {
		c.Keep = veil.Resolve([]string{user})
	}
	return c
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
