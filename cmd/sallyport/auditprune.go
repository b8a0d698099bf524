package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sallyport/admin"
	"sallyport/audit"
	"sallyport/audit/trail"
	"sallyport/internal/hint"
	"sallyport/server"
)

func newAuditPruneCommand(a *app) *cobra.Command {
	var before string
	cmd := &cobra.Command{
		Use:   "prune --before T",
		Short: "Remove the payloads of old exchanges, for good",
		Long: `Removes what exchanges said that began and ended before a time: they are not listed any more,
and the bytes are gone from the file. Their hashes stay, so that the trail still verifies,
and the removal is itself an event, with your name. Other events stay as they are. The file
does not shrink. Where the exchanges may be asked for later, archive them instead.`,
		Example: "  sallyport audit prune --before 90d",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			t, err := pastMoment(a, before)
			if err != nil {
				return err
			}
			pruned, err := pruneTrail(cmd.Context(), a, admin.PruneRequest{Before: t})
			if err != nil {
				return err
			}
			if a.json() {
				return writeJSON(a.stdout, pruned)
			}
			_, err = fmt.Fprintf(a.stdout, "removed the payloads of %d exchanges\n", pruned.Exchanges)
			return err
		},
	}
	cmd.Flags().StringVar(&before, "before", "", "remove what was over before this time: 2026-01-31, or 90d for 90 days ago (required)")
	require(cmd, "before")
	return cmd
}

func pastMoment(a *app, s string) (time.Time, error) {
	t, err := parseMoment("--before", s, a.here())
	switch {
	case err != nil:
		return t, err
	case s == "" || t.After(a.now()):
		return t, usagef("--before must be a time that has passed")
	}
	return t, nil
}

// pruneTrail asks until all is done: the running server does a bounded part each time.
func pruneTrail(ctx context.Context, a *app, r admin.PruneRequest) (audit.Pruned, error) {
	var total audit.Pruned
	err := a.administer(ctx, func(service server.Administration) error {
		for !total.Done {
			pruned, err := service.PruneTrail(ctx, r)
			if err != nil {
				return err
			}
			total.Exchanges += pruned.Exchanges
			total.UpTo, total.Done = max(total.UpTo, pruned.UpTo), pruned.Done
		}
		return nil
	})
	return total, err
}

func newAuditArchiveCommand(a *app) *cobra.Command {
	var before, out string
	var keep bool
	cmd := &cobra.Command{
		Use:   "archive --before T --out FILE",
		Short: "Move old exchanges into a file that verifies by itself",
		Long: `Copies the trail's beginning, up to the last signed checkpoint before a time, into FILE, with
the checkpoint in FILE.checkpoint and the public key in FILE.pub; verifies what it has
written; and then prunes from the trail what is in it, unless --keep is given. The archive is
read and verified anywhere: audit verify --db FILE.`,
		Example: "  sallyport audit archive --before 2026-01-01 --out trail-2025.db\n" +
			"  sallyport audit verify --db trail-2025.db --checkpoint trail-2025.db.checkpoint",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			t, err := pastMoment(a, before)
			if err != nil {
				return err
			}
			archived, err := archiveTrail(cmd.Context(), a, t, out)
			if err != nil {
				return err
			}
			var pruned audit.Pruned
			if !keep {
				if pruned, err = pruneTrail(cmd.Context(), a, admin.PruneRequest{Before: t, UpTo: archived.Events}); err != nil {
					return fmt.Errorf("%s is written, but: %w", out, err)
				}
			}
			if a.json() {
				return writeJSON(a.stdout, map[string]any{"file": out, "events": archived.Events, "pruned": pruned.Exchanges})
			}
			_, err = fmt.Fprintf(a.stdout, "%s holds events 1 to %d and verifies; pruned %d exchanges\n", printable(out), archived.Events, pruned.Exchanges)
			return err
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&before, "before", "", "archive what began before this time, written as for prune (required)")
	flags.StringVar(&out, "out", "", "file to write, which must not be there yet (required)")
	flags.BoolVar(&keep, "keep", false, "do not prune afterwards")
	require(cmd, "before", "out")
	return cmd
}

// archiveTrail writes the three files and verifies them as a stranger would.
func archiveTrail(ctx context.Context, a *app, before time.Time, out string) (trail.Archived, error) {
	var archived trail.Archived
	l, err := a.env().Layout()
	if err != nil {
		return archived, err
	}
	public, err := os.ReadFile(l.TrailPublicKey())
	if err != nil {
		return archived, fmt.Errorf("read the public key: %w", err)
	}
	err = a.readTrail(func(r *trail.Reader) error {
		if archived, err = r.Archive(ctx, before, out); err != nil {
			return err
		}
		key, err := r.KeyOf(ctx, archived.Events, string(public))
		public = []byte(key)
		return err
	})
	if errors.Is(err, audit.ErrNoCheckpoint) {
		return archived, hint.With(fmt.Errorf("archive: no signed checkpoint is older than that"), "there is nothing to archive yet; give a later time")
	}
	if err != nil {
		return archived, err
	}
	note := []byte(archived.Checkpoint.Note)
	err = errors.Join(replaceFile(out+".checkpoint", note, 0o600), replaceFile(out+".pub", public, 0o644)) // 0644: it is public
	if err != nil {
		return archived, fmt.Errorf("write beside the archive: %w", err)
	}
	return archived, readTrailAt(out, func(r *trail.Reader) error {
		report, err := r.VerifyWith(ctx, audit.VerifyOptions{PublicKey: string(public), Checkpoint: note, Progress: a.progress("verified")})
		if err == nil && !report.OK {
			err = fmt.Errorf("%s does not verify, nothing was pruned:\n%s", out, strings.Join(report.Problems, "\n"))
		}
		return err
	})
}
