package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"sallyport/audit"
	"sallyport/internal/git"
	"sallyport/internal/hint"
	"sallyport/services"
)

// between finds the pushes that brought a commit without ending with it: those
// which moved a ref to what descends from it, from what does not.
func (q *inquiry) between(ctx context.Context, c *services.Clue) (*answer, error) {
	after, err := descendants(ctx, q.repository, c.Value)
	if err != nil {
		return nil, err
	}
	found := &answer{Clue: &c.Mark, Note: "brought together with other commits, by the history of " + q.repository}
	var agents audit.Candidates
	f := *c.Carriers
	f.Since, f.Until = q.since, q.until
	err = q.reader.Each(ctx, f, func(x *audit.Exchange) error {
		if found, err := q.brings(ctx, x, after); err != nil || !found {
			return err
		}
		if len(found.Exchanges) < q.limit {
			found.Exchanges = append(found.Exchanges, *x)
		}
		agents.Add(x)
		return nil
	})
	found.Candidates = agents.List()
	if err == nil && len(found.Candidates) == 0 {
		found.Note = "no push in the trail brought it, by the history of " + q.repository
	}
	return found, err
}

// brings reports whether a push moved a ref from a commit outside of commits to one of them. A
// push of many refs has the rest of them in events beside its row, which are looked at, too.
func (q *inquiry) brings(ctx context.Context, x *audit.Exchange, commits map[string]bool) (bool, error) {
	var events []audit.EventRow
	if x.Details[audit.DetailRefsTotal] != nil || x.Outcome.Details[audit.DetailRejectedTotal] != nil {
		var err error
		if _, events, err = q.reader.Show(ctx, x.ID); err != nil {
			return false, err
		}
	}
	return x.Moved(events, func(from, to string) bool { return commits[to] && !commits[from] }), nil
}

// descendants are a commit and all that come after it in a clone.
func descendants(ctx context.Context, repository, commit string) (map[string]bool, error) {
	if _, err := exec.LookPath("git"); err != nil {
		return nil, fmt.Errorf("--repo needs git: %w", err)
	}
	// The value is 40 hexadecimal digits, so it is no flag.
	// Whose clones may be read is what the user's configuration of git says (safe.directory).
	own := []string{"HOME=" + os.Getenv("HOME"), "XDG_CONFIG_HOME=" + os.Getenv("XDG_CONFIG_HOME")}
	cmd := git.Command(ctx, repository, own, "rev-list", "--all", "--reflog", "--ancestry-path", "^"+commit)
	var problem bytes.Buffer
	cmd.Stderr = &problem
	out, err := cmd.Output()
	if err != nil {
		return nil, hint.With(fmt.Errorf("%s: %s", repository, strings.TrimSpace(problem.String())), "--repo is a clone that has the commit")
	}
	list := map[string]bool{commit: true}
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		list[lines.Text()] = true
	}
	return list, nil
}
