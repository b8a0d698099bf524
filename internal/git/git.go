// Package git asks git's plumbing about a repository that somebody else may have
// written. It runs nothing that the repository names: no hook, no filter, no
// pager, and no transport either, which a repository that says it is a partial
// clone has git start for an object that is missing (gitpromisor, partial-clone).
// It knows no question.
package git

import (
	"context"
	"os"
	"os/exec"
)

// Command is git in dir, to be given plumbing that reads objects. environ is what
// it gets beside PATH and what keeps it from running anything.
func Command(ctx context.Context, dir string, environ []string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "git", append([]string{"--no-optional-locks", "-C", dir}, args...)...) //nolint:gosec // the callers' fixed words, and names of objects
	cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "GIT_TERMINAL_PROMPT=0", "GIT_NO_REPLACE_OBJECTS=1",
		// The first is known to git from 2.45 on; before, a fetch is started and finds no protocol that it may speak.
		"GIT_NO_LAZY_FETCH=1", "GIT_ALLOW_PROTOCOL=none",
	}, environ...)
	return cmd
}
