package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sallyport/audit"
	"sallyport/audit/trail"
	"sallyport/internal/hint"
)

func newAuditPolicyCommand(a *app) *cobra.Command {
	var at, diff, policy string
	cmd := &cobra.Command{
		Use:   "policy --at T [--diff T]",
		Short: "Print the files that were in force at a time, or what changed since",
		Long: `Prints the files that were in force at a time, as the trail keeps them: policies, owners, and what
credentials and settings said, with who put them in force. With --diff, how those of that time differ from them.`,
		Example: `  sallyport audit policy --at 2026-11-30 --policy operator
  sallyport audit policy --at 2d --diff 1h`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			from, err := parseMoment("--at", at, a.here())
			if err != nil {
				return err
			}
			to, err := parseMoment("--diff", diff, a.here())
			if err != nil {
				return err
			}
			if from.After(a.now()) || to.After(a.now()) {
				return usagef("--at and --diff must be times that have passed: nobody knows what will be in force")
			}
			return a.readTrail(func(r *trail.Reader) error {
				was, err := inForce(cmd.Context(), a, r, from, policy)
				if err != nil {
					return err
				}
				if diff == "" {
					return printInForce(a, was)
				}
				is, err := inForce(cmd.Context(), a, r, to, policy)
				if err != nil {
					return err
				}
				return printChanges(a, was, is)
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&at, "at", "", "the time: '2026-01-31 09:00', 2026-01-31, or 2h for two hours ago (required)")
	flags.StringVar(&diff, "diff", "", "compare with this time, written as for --at")
	flags.StringVar(&policy, "policy", "", "only this policy's file")
	require(cmd, "at")
	return cmd
}

// fileThen is a file as it was in force.
type fileThen struct {
	Path   string `json:"path"`
	SHA256 string `json:"sha256"`
	Text   string `json:"text"`
}

// configurationThen is what was in force at a time.
type configurationThen struct {
	At         time.Time      `json:"at"`
	Since      time.Time      `json:"since"`
	Seq        uint64         `json:"seq"` // of the event that says so
	Generation int64          `json:"generation"`
	Running    bool           `json:"running"` // false: no server ran then, and nothing left
	Loaded     map[string]any `json:"loaded"`
	Files      []fileThen     `json:"files"`
}

// inForce finds the configuration of a time: the last one that was loaded until then.
func inForce(ctx context.Context, a *app, r *trail.Reader, at time.Time, policy string) (*configurationThen, error) {
	loaded, err := lastUntil(ctx, r, at, audit.TypeConfigurationLoaded)
	if err != nil {
		return nil, err
	}
	if loaded == nil {
		return nil, hint.With(fmt.Errorf("the trail knows of no configuration that was in force at %s", a.moment(at)), "it begins later; `sallyport audit events --limit 1` says when")
	}
	c := &configurationThen{At: at.UTC(), Since: loaded.At, Seq: loaded.Seq, Loaded: loaded.Payload, Files: []fileThen{}}
	c.Generation, _ = loaded.Payload["generation"].(int64)
	life, err := lastUntil(ctx, r, at, audit.TypeServerStarted, audit.TypeServerStopped)
	if err != nil {
		return nil, err
	}
	c.Running = life != nil && life.Type == audit.TypeServerStarted
	hashes, err := filesOf(ctx, r, loaded)
	if err != nil {
		return nil, err
	}
	for _, path := range slices.Sorted(maps.Keys(hashes)) {
		if policy != "" && path != filepath.Join("policies", policy+".yaml") {
			continue
		}
		hash, _ := hashes[path].(string)
		text, err := r.Document(ctx, hash)
		if err != nil && !errors.Is(err, audit.ErrNoDocument) {
			return nil, err
		}
		c.Files = append(c.Files, fileThen{path, hash, string(text)})
	}
	if policy != "" && len(c.Files) == 0 {
		return nil, usagef("--policy %q: there was no such policy at %s", policy, a.moment(at))
	}
	return c, nil
}

// lastUntil is the last event of one of these types until a time, nil for none.
func lastUntil(ctx context.Context, r *trail.Reader, at time.Time, types ...string) (*audit.EventRow, error) {
	var last *audit.EventRow
	for _, kind := range types {
		err := r.Events(ctx, audit.EventFilter{Type: kind}, func(e audit.EventRow) error {
			if !e.At.After(at) && (last == nil || e.Seq > last.Seq) {
				last = &e
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return last, nil
}

// filesOf are the hashes of the files by path, those among them that stand in events
// before because they are so many.
func filesOf(ctx context.Context, r *trail.Reader, loaded *audit.EventRow) (map[string]any, error) {
	files, _ := loaded.Payload["files"].(map[string]any)
	total, more := loaded.Payload["files_total"].(int64)
	if !more {
		return files, nil
	}
	var parts []map[string]any
	err := r.Events(ctx, audit.EventFilter{Type: audit.TypeConfigurationFiles}, func(e audit.EventRow) error {
		if part, ok := e.Payload["files"].(map[string]any); ok && e.Seq < loaded.Seq && e.Payload["generation"] == loaded.Payload["generation"] {
			parts = append(parts, part)
		}
		return nil
	})
	all := maps.Clone(files)
	if all == nil {
		all = map[string]any{}
	}
	for _, part := range slices.Backward(parts) { // the newest that belong to it
		if int64(len(all)) >= total {
			break
		}
		maps.Copy(all, part)
	}
	return all, err
}

func printInForce(a *app, c *configurationThen) error {
	if a.json() {
		return writeJSON(a.stdout, c)
	}
	if err := fields(a.stdout, c.describe(a)...); err != nil {
		return err
	}
	for _, f := range c.Files {
		fmt.Fprintf(a.stdout, "\n# %s, sha256 %s\n", printable(f.Path), f.SHA256)
		for line := range strings.Lines(f.Text) {
			fmt.Fprintln(a.stdout, printable(strings.TrimRight(line, "\r\n")))
		}
	}
	return nil
}

func (c *configurationThen) describe(a *app) []string {
	pairs := []string{"in force at", a.moment(c.At), "since", a.moment(c.Since) + " (event " + strconv.FormatUint(c.Seq, 10) + ")", "generation", strconv.FormatInt(c.Generation, 10)}
	if !c.Running {
		pairs = append(pairs, "server", "none was running then")
	}
	for _, key := range []string{"source", "user", "login_user", "sudo_user"} {
		if s, ok := c.Loaded[key].(string); ok && s != "" {
			pairs = append(pairs, strings.ReplaceAll(key, "_", " "), s)
		}
	}
	if git, ok := c.Loaded["git"].(map[string]any); ok {
		pairs = append(pairs, "commit", fmt.Sprint(git["commit"]))
		if author, ok := git["author"].(string); ok {
			pairs = append(pairs, "author", author)
		}
	}
	return pairs
}

// fileChange is how one file differs between two times; a hash is null where there was none.
type fileChange struct {
	Path string  `json:"path"`
	From *string `json:"from"`
	To   *string `json:"to"`
	Diff string  `json:"diff"`
}

func changesOf(was, is *configurationThen) []fileChange {
	before, after := map[string]*fileThen{}, map[string]*fileThen{}
	for i := range was.Files {
		before[was.Files[i].Path] = &was.Files[i]
	}
	for i := range is.Files {
		after[is.Files[i].Path] = &is.Files[i]
	}
	paths := maps.Clone(before)
	maps.Copy(paths, after)
	changes := []fileChange{}
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		c := fileChange{Path: path}
		var from, to string
		if f := before[path]; f != nil {
			c.From, from = &f.SHA256, f.Text
		}
		if f := after[path]; f != nil {
			c.To, to = &f.SHA256, f.Text
		}
		if c.From != nil && c.To != nil && *c.From == *c.To {
			continue
		}
		c.Diff = diffLines(from, to)
		changes = append(changes, c)
	}
	return changes
}

func printChanges(a *app, was, is *configurationThen) error {
	changes := changesOf(was, is)
	if a.json() {
		return writeJSON(a.stdout, map[string]any{"from": was.head(), "to": is.head(), "changed": changes})
	}
	if len(changes) == 0 {
		_, err := fmt.Fprintf(a.stdout, "the same was in force at %s and at %s\n", a.moment(was.At), a.moment(is.At))
		return err
	}
	for i, c := range changes {
		if i > 0 {
			fmt.Fprintln(a.stdout)
		}
		fmt.Fprintf(a.stdout, "--- %s\t%s\n+++ %s\t%s\n", sideOf(c.Path, c.From), a.moment(was.At), sideOf(c.Path, c.To), a.moment(is.At))
		for line := range strings.Lines(c.Diff) {
			fmt.Fprintln(a.stdout, printable(strings.TrimRight(line, "\r\n")))
		}
	}
	return nil
}

// head is c without the files' texts, which the changes tell.
func (c *configurationThen) head() map[string]any {
	return map[string]any{"at": c.At, "since": c.Since, "seq": c.Seq, "generation": c.Generation, "running": c.Running, "loaded": c.Loaded}
}

func sideOf(path string, hash *string) string {
	if hash == nil {
		return "/dev/null"
	}
	return printable(path)
}
