package audit

import (
	"context"
	"database/sql"
	"fmt"
)

// storedBlock is a row of blocks with its rows of block_kinds and
// block_results.
type storedBlock struct {
	block

	exchanges int64
	badIDs    bool
	listed    block // its kinds and results as stored
}

// blockWalk compares blocks with the exchanges in them: what a block does not
// list, queries do not find.
type blockWalk struct {
	ctx    context.Context //nolint:containedctx // it lives as long as one verification
	blocks []*storedBlock  // by first seq
	i      int             // the block that rows are in now; -1 before the first
}

// walkBlocks reads all blocks; kinds are those there are.
func (v *verifier) walkBlocks(ctx context.Context, kinds map[int64]string) (*blockWalk, error) {
	w := &blockWalk{ctx: ctx, i: -1}
	byID := make(map[int64]*storedBlock)
	err := v.scan(ctx, "projection: blocks", "SELECT id, first_seq, last_seq, exchanges, min_started, max_started, min_id, max_id FROM blocks ORDER BY id", func(rows *sql.Rows) error {
		b := &storedBlock{block: newBlock(), listed: newBlock()}
		var minID, maxID []byte
		if err := rows.Scan(&b.id, &b.first, &b.last, &b.exchanges, &b.minStarted, &b.maxStarted, &minID, &maxID); err != nil {
			return err
		}
		b.badIDs = len(minID) != len(b.minID) || len(maxID) != len(b.maxID)
		copy(b.minID[:], minID)
		copy(b.maxID[:], maxID)
		byID[b.id] = b
		if n := len(w.blocks); n > 0 && w.blocks[n-1].last >= b.first {
			return v.later("projection: block %d begins before block %d ends", b.id, w.blocks[n-1].id)
		}
		w.blocks = append(w.blocks, b)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return w, v.readLists(ctx, byID, kinds)
}

// readLists reads what blocks list, and names lists of what is not there.
func (v *verifier) readLists(ctx context.Context, byID map[int64]*storedBlock, kinds map[int64]string) error {
	used := make(map[int64]bool, len(kinds))
	err := v.scan(ctx, "projection: block_kinds", "SELECT kind, block FROM block_kinds", func(rows *sql.Rows) error {
		var kind, id int64
		if err := rows.Scan(&kind, &id); err != nil {
			return err
		}
		b := byID[id]
		if _, ok := kinds[kind]; !ok || b == nil {
			return v.later("projection: block %d, or its kind %d, is listed and not there", id, kind)
		}
		b.listed.kinds[kind], used[kind] = true, true
		return nil
	})
	if err != nil {
		return err
	}
	for kind := range kinds {
		if !used[kind] {
			_ = v.later("projection: kind %d is in no block", kind)
		}
	}
	return v.scan(ctx, "projection: block_results", "SELECT outcome, status, block FROM block_results", func(rows *sql.Rows) error {
		var r blockResult
		var id int64
		if err := rows.Scan(&r.outcome, &r.status, &id); err != nil {
			return err
		}
		b := byID[id]
		if b == nil {
			return v.later("projection: block %d lists a result and is not there", id)
		}
		b.listed.results[r] = true
		return nil
	})
}

// scan calls fn for each row; what cannot be read is a finding.
func (v *verifier) scan(ctx context.Context, table, query string, fn func(*sql.Rows) error) error {
	rows, err := v.snapshot.conn.QueryContext(ctx, query)
	if err != nil {
		return fmt.Errorf("%s: %w", table, err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := fn(rows); err != nil {
			return fmt.Errorf("%s: %w", table, err)
		}
	}
	return rows.Err()
}

// row checks that r is found by its block, and adds it to what is in there.
func (w *blockWalk) row(v *verifier, r *projectedRow) error {
	for w.i+1 < len(w.blocks) && w.blocks[w.i+1].first <= r.seq {
		if err := w.leave(v); err != nil {
			return err
		}
		w.i++
	}
	if w.i < 0 {
		return v.problem("projection: event %d is not found by its block", r.seq)
	}
	b := w.blocks[w.i]
	b.count(r)
	found := r.seq <= b.last && b.listed.kinds[r.kind] &&
		b.minStarted <= r.started && r.started <= b.maxStarted && !less(r.id, b.minID) && !less(b.maxID, r.id)
	if r.outcome.Valid {
		found = found && b.listed.results[blockResult{r.outcome.String, r.status.Int64}]
	}
	if !found {
		return v.problem("projection: event %d is not found by its block", r.seq)
	}
	return nil
}

// count adds r to what is in the block.
func (b *storedBlock) count(r *projectedRow) {
	b.n++
	b.kinds[r.kind] = true
	if r.outcome.Valid {
		b.results[blockResult{r.outcome.String, r.status.Int64}] = true
	}
	in := &b.listed // its times and ids are what is in the block
	if b.n == 1 {
		in.first, in.minStarted, in.maxStarted, in.minID, in.maxID = r.seq, r.started, r.started, r.id, r.id
	}
	in.last = r.seq
	in.minStarted, in.maxStarted = min(in.minStarted, r.started), max(in.maxStarted, r.started)
	if less(r.id, in.minID) {
		in.minID = r.id
	}
	if less(in.maxID, r.id) {
		in.maxID = r.id
	}
}

// leave compares the block that rows have left. It says nothing else than they
// do, unless retention has removed some of them.
func (w *blockWalk) leave(v *verifier) error {
	if w.i < 0 {
		return nil
	}
	b := w.blocks[w.i]
	in := &b.listed
	same := b.n == b.exchanges && len(b.kinds) == len(in.kinds) && len(b.results) == len(in.results) &&
		b.first == in.first && b.last == in.last && b.minStarted == in.minStarted && b.maxStarted == in.maxStarted &&
		b.minID == in.minID && b.maxID == in.maxID && !b.badIDs
	if same {
		return nil
	}
	var removed bool
	err := v.snapshot.conn.QueryRowContext(w.ctx, "SELECT EXISTS (SELECT 1 FROM removed WHERE seq BETWEEN ? AND ?)", b.first, b.last).Scan(&removed)
	if err != nil {
		return fmt.Errorf("removed: %w", err)
	}
	if removed && !b.badIDs {
		return nil
	}
	return v.problem("projection: block %d says otherwise than the exchanges in it", b.id)
}

// finish compares the rest of the blocks.
func (w *blockWalk) finish(v *verifier) error {
	for ; w.i < len(w.blocks); w.i++ {
		if err := w.leave(v); err != nil {
			return err
		}
	}
	return nil
}

// verifySchema names what guards the tables and is not there, or not as it was
// made.
func (v *verifier) verifySchema(ctx context.Context) error {
	var version int
	if err := v.snapshot.conn.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return fmt.Errorf("verify schema: %w", err)
	}
	want, err := schemaAt(ctx, version)
	if err != nil {
		return fmt.Errorf("verify schema: %w", err)
	}
	have, err := readSchema(ctx, v.snapshot.conn)
	if err != nil {
		return fmt.Errorf("verify schema: %w", err)
	}
	for name, sql := range want {
		if have[name] != sql {
			if err := v.problem("schema: %s is not as it was made", name); err != nil {
				return err
			}
		}
		delete(have, name)
	}
	for name := range have {
		if err := v.problem("schema: %s was added", name); err != nil {
			return err
		}
	}
	return nil
}
