package trail

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"sallyport/audit"
)

// expectation is a root that the tree must have at a size.
type expectation struct {
	audit.Checkpoint
	name    string
	outside bool // it is the one kept elsewhere
	vouched bool // the given key vouches for who signed it
}

// expect collects the checkpoints to compare with.
func (v *verifier) expect(ctx context.Context) error {
	if err := v.loadLogs(ctx); err != nil {
		return err
	}
	err := scan(ctx, v.snapshot.conn, "checkpoints", "SELECT size, note FROM checkpoints ORDER BY size", func(rows *sql.Rows) error {
		var size int64
		var signed string
		if err := rows.Scan(&size, &signed); err != nil {
			return err
		}
		c, vouched, err := v.openStored(size, signed)
		if err != nil || c.Size != size {
			return v.problem("checkpoint of event %d was altered: %v", size, err)
		}
		v.expected = append(v.expected, expectation{Checkpoint: c, vouched: vouched, name: fmt.Sprintf("checkpoint of event %d", size)})
		return nil
	})
	if err != nil {
		return v.unreadable(err)
	}
	return v.expectOutside()
}

// openStored reads a stored checkpoint, with its signature when there is a key.
func (v *verifier) openStored(size int64, signed string) (c audit.Checkpoint, vouched bool, err error) {
	if v.options.PublicKey == "" {
		text, _, _ := strings.Cut(signed, "\n\n")
		origin, _, _ := strings.Cut(text, "\n")
		c, err = audit.ParseCheckpoint(text+"\n", origin)
		return c, true, err
	}
	log, i := v.logAt(size)
	c, err = audit.OpenCheckpoint([]byte(signed), log.key)
	return c, i <= v.given, err
}

func (v *verifier) expectOutside() error {
	if v.options.Checkpoint == nil {
		return nil
	}
	if v.options.PublicKey == "" {
		return errors.New("verify: a checkpoint is worth nothing without the public key to verify it")
	}
	c, log, err := v.openOutside()
	if err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	if c.Size > log.until {
		v.later("event %d and those up to %d, which %s has signed for and somebody kept elsewhere, are not in this trail: it was restored from a copy that ends before them, as its event %d says",
			log.until+1, c.Size, log.name, log.until+1)
		return nil
	}
	v.outside = c.Size
	v.unstored = !slices.ContainsFunc(v.expected, func(e expectation) bool { return e.Size == c.Size })
	v.expected = append(v.expected, expectation{Checkpoint: c, name: fmt.Sprintf("the checkpoint kept elsewhere, of event %d", c.Size), outside: true, vouched: true})
	slices.SortStableFunc(v.expected, func(a, b expectation) int { return cmp.Compare(a.Size, b.Size) })
	return nil
}

// openOutside finds the log that has signed the checkpoint kept elsewhere.
func (v *verifier) openOutside() (c audit.Checkpoint, signer logIdentity, err error) {
	for _, signer = range v.logs {
		if c, err = audit.OpenCheckpoint(v.options.Checkpoint, signer.key); err == nil {
			return c, signer, nil
		}
	}
	return c, signer, err
}

// compare checks the checkpoints of the size the tree has now.
func (v *verifier) compare(last *audit.Encoded) error {
	for len(v.expected) > 0 && v.expected[0].Size == v.tree.Size {
		e := v.expected[0]
		v.expected = v.expected[1:]
		if v.tree.Root() != e.Root {
			return v.stop("%s has another root: events up to it were altered and all hashes computed anew", e.name)
		}
		at := audit.FromMicros(last.At)
		switch {
		case e.outside:
			v.report.Outside, v.report.OutsideAt = last.Seq, &at
		case e.vouched:
			v.report.Checkpoint, v.report.CheckpointAt = last.Seq, &at
		}
	}
	return nil
}

// compareRest names the checkpoints beyond the last event, and one that was
// signed and is gone.
func (v *verifier) compareRest() error {
	if v.file.stamp == stampArchive && v.report.Checkpoint < v.report.Events {
		err := v.problem("checkpoint of event %d is missing: an archive ends with one", v.report.Events)
		if err != nil {
			return err
		}
	}
	if v.unstored && v.outside <= v.tree.Size {
		err := v.problem("checkpoint of event %d is missing: it was signed, and is kept elsewhere", v.outside)
		if err != nil {
			return err
		}
	}
	for _, e := range v.expected {
		if err := v.problem("event %d is missing: %s goes further", v.tree.Size+1, e.name); err != nil {
			return err
		}
	}
	return nil
}
