package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"sallyport/audit"
	"sallyport/audit/trail"
	"sallyport/internal/hint"
)

// verifyFlags say what to verify, and against what.
type verifyFlags struct{ database, checkpoint, key string }

func newAuditVerifyCommand(a *app) *cobra.Command {
	var f verifyFlags
	cmd := &cobra.Command{
		Use:   "verify [--checkpoint FILE] [--db FILE]",
		Short: "Recompute the trail and say how far its evidence reaches",
		Long: `Recomputes every hash of the log, checks the signed checkpoints, that every intent has an
outcome or is live, and that the tables that queries use agree with the log. Names the
first event that was altered, removed, moved or inserted; exit code 1 if there is one.

A copy of a trail that was being written is whole as far as it goes, and is said to have
been open. A copy of its database file without the write-ahead log beside it (-wal) lacks
the end, and is said to be incomplete; exit code 1 too.

A trail that is whole by itself could still have been rewritten by somebody who holds its
signing key. Only a checkpoint that was kept elsewhere (--checkpoint) shows that it was
not, and that nothing was cut off or rolled back since.

With --db another file is verified, an archive for example, and no home is needed; its
public key is read from FILE.pub unless --key names one.`,
		Example: "  sallyport audit verify --checkpoint /mnt/elsewhere/checkpoint\n" +
			"  sallyport audit verify --db trail-2026-01.db --key trail.key.pub",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return verifyTrail(cmd.Context(), a, f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.checkpoint, "checkpoint", "", "signed checkpoint that was kept elsewhere")
	flags.StringVar(&f.database, "db", "", "verify this trail instead of HOME's")
	flags.StringVar(&f.key, "key", "", "public key of the checkpoints (default HOME/state/trail.key.pub, or FILE.pub with --db)")
	return cmd
}

func verifyTrail(ctx context.Context, a *app, f verifyFlags) error {
	options, err := verifyOptions(a, f)
	if err != nil {
		return err
	}
	var report audit.Report
	read := func(r *trail.Reader) error {
		report, err = r.VerifyWith(ctx, options)
		return err
	}
	if f.database != "" {
		err = readTrailAt(f.database, read)
	} else {
		err = a.readTrail(read)
	}
	if err != nil {
		return err
	}
	return printReport(a, report, f, options.PublicKey != "")
}

func readTrailAt(path string, read func(*trail.Reader) error) error {
	r, err := trail.OpenReader(path)
	if err != nil {
		return err
	}
	return errors.Join(read(r), r.Close())
}

// verifyOptions reads the public key and the checkpoint. A key that is not
// there by default is no error as long as nothing needs it.
func verifyOptions(a *app, f verifyFlags) (audit.VerifyOptions, error) {
	o := audit.VerifyOptions{Progress: a.progress("verified")}
	key, needed := f.key, f.key != "" || f.checkpoint != ""
	if key == "" {
		key = f.database + ".pub"
	}
	if f.key == "" && f.database == "" {
		l, err := a.env().Layout()
		if err != nil {
			return o, err
		}
		key = l.TrailPublicKey()
	}
	text, err := os.ReadFile(key)
	if err != nil && (needed || !errors.Is(err, fs.ErrNotExist)) {
		return o, hint.With(fmt.Errorf("read the public key: %w", err), "give --key FILE; `serve` writes it to state/trail.key.pub")
	}
	o.PublicKey = string(text)
	if f.checkpoint == "" {
		return o, nil
	}
	if o.Checkpoint, err = os.ReadFile(f.checkpoint); err != nil {
		return o, fmt.Errorf("read the checkpoint: %w", err)
	}
	return o, nil
}

// progress tells once a second how far something long has come.
func (a *app) progress(done string) func(events, total uint64) {
	next := a.now().Add(time.Second)
	return func(events, total uint64) {
		if now := a.now(); now.After(next) {
			next = now.Add(time.Second)
			fmt.Fprintf(a.stderr, "%s %d of %d events\n", done, events, total)
		}
	}
}

// evidence is how far a report reaches, in words.
func evidence(a *app, r *audit.Report, f verifyFlags, keyed bool) []string {
	var lines []string
	switch {
	case r.Checkpoint == 0:
		lines = append(lines, "signed: nothing, there is no checkpoint in it, although a server signs one within a second")
	case !keyed:
		lines = append(lines, fmt.Sprintf("signed: up to event %d, but there was no public key to check the signatures with (--key FILE)", r.Checkpoint))
	default:
		lines = append(lines, fmt.Sprintf("signed: up to event %d of %d, which is of %s", r.Checkpoint, r.Events, a.moment(*r.CheckpointAt)))
	}
	if 0 < r.Checkpoint && r.Checkpoint < r.Events {
		// Who has no key cannot sign what he has rewritten, but can take away
		// the checkpoints that contradict it.
		lines = append(lines, fmt.Sprintf("not signed: %d events after it, up to %s; a server signs within a second, after a crash when it starts again", r.Events-r.Checkpoint, a.moment(*r.LastAt)))
	}
	for _, c := range r.Continued {
		line := fmt.Sprintf("restored: from event %d on it is the log %s, which continues %s", c.Event, c.Log, c.WasLog)
		if keyed && !c.Vouched {
			line += "; the key that was given is the one before, and does not say so"
		}
		lines = append(lines, line)
	}
	switch {
	case f.checkpoint != "" && r.Outside == 0:
		return append(lines, fmt.Sprintf("held elsewhere: nothing that agrees with %s", f.checkpoint))
	case r.Outside == 0:
		return append(lines, "held elsewhere: nothing was given; whoever holds the signing key could have rewritten all of it (--checkpoint FILE)")
	}
	return append(lines, fmt.Sprintf("held elsewhere: up to event %d, which is of %s, by %s; what came later rests on this machine alone", r.Outside, a.moment(*r.OutsideAt), f.checkpoint))
}

func verdict(s audit.State) string {
	switch s {
	case audit.StateWhole:
		return "the trail is whole"
	case audit.StateOpen:
		return "the trail is whole, and was open when it was copied or its process died"
	case audit.StateIncomplete:
		return "the trail is INCOMPLETE"
	case audit.StateDamaged:
	}
	return "the trail is DAMAGED"
}

func printReport(a *app, r audit.Report, f verifyFlags, keyed bool) error {
	if a.json() {
		if err := writeJSON(a.stdout, r); err != nil {
			return err
		}
	} else {
		lines := slices.Clone(r.Problems)
		lines = append(lines, fmt.Sprintf("%s: %d events, %d exchanges, %d of them open", verdict(r.State), r.Events, r.Exchanges, r.Live))
		if err := writeLines(a.stdout, append(lines, evidence(a, &r, f, keyed)...)); err != nil {
			return err
		}
	}
	if !r.OK {
		return exitCode(exitFailed)
	}
	return nil
}

func newAuditCheckpointCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "checkpoint",
		Short: "Print the newest signed checkpoint, to keep it elsewhere",
		Long: `Prints the newest signed checkpoint: how many events there are, and the hash of the tree
over all of them. Kept where nobody on this machine can change it, it proves later, with
audit verify --checkpoint, that nothing up to it was rewritten.`,
		Example: "  sallyport audit checkpoint | ssh elsewhere 'cat > checkpoint'",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.readTrail(func(r *trail.Reader) error {
				c, err := r.Checkpoint(cmd.Context())
				if err != nil {
					return hint.With(err, "a server signs one within a second of the first event")
				}
				if a.json() {
					return writeJSON(a.stdout, map[string]any{"size": c.Size, "at": c.At, "note": c.Note})
				}
				_, err = fmt.Fprint(a.stdout, c.Note)
				return err
			})
		},
	}
}
