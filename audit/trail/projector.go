package trail

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/google/uuid"

	"sallyport/audit"
	"sallyport/internal/sqlite"
)

const (
	// projectBatch events are projected at once, however busy the committer is.
	projectBatch = 512
	// projectAfter is how long events may stay unprojected while it is quiet.
	projectAfter = 100 * time.Millisecond
	// projectLatest is how much longer, while it is not: who reads the projection with
	// another program sees what is a second old.
	projectLatest = 400 * time.Millisecond
	// projectRetry is the pause after a projection that failed.
	projectRetry = time.Second
	// maxKinds bounds the kinds remembered, since agents choose hosts.
	maxKinds = 16384
)

// projector turns committed events into the rows that queries read. It runs on
// the committer's goroutine and connection, in transactions of its own, and can
// fail without harm: readers take what it has not reached from the events.
type projector struct {
	pending []*entry // committed and not projected, in order
	// cursor is the last projected seq; state is loaded when loaded is set.
	cursor int64
	loaded bool
	// bare is the last exchange that has no texts yet; 0 for none. See fillNext.
	bare  int64
	index index
	kinds map[string]int64
	stmts []*sqlite.Statement // by the constants below
}

// Indexes of projector.stmts.
const (
	addExchange = iota
	endExchange
	fillExchange
	addKind
	addSegment
	addTerm
	addTerms
	moveCursor
	moveBare
)

func projectorQueries() []string {
	return []string{
		addExchange:  "INSERT INTO exchanges VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		endExchange:  "UPDATE exchanges SET outcome_seq = ?, outcome = ?, status = ?, refusal = ? WHERE seq = ? AND outcome_seq IS NULL",
		fillExchange: "UPDATE exchanges SET path = ?, resource = ?, refusal = ? WHERE seq = ?",
		addKind:      "INSERT INTO kinds VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		addSegment:   "INSERT INTO segments VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
		addTerm:      "INSERT INTO terms VALUES (?, ?, ?, ?)",
		addTerms:     "INSERT INTO terms VALUES " + strings.TrimSuffix(strings.Repeat("(?, ?, ?, ?), ", termsAtOnce), ", "),
		moveCursor:   "UPDATE projection SET cursor = ?",
		moveBare:     "UPDATE projection SET bare = coalesce((SELECT max(seq) FROM exchanges WHERE seq < ?), 0)",
	}
}

// row is an exchange on its way into the projection.
type row struct {
	seq        uint64
	id         uuid.UUID
	started    int64
	payload    []byte
	outcomeSeq uint64
	result     result
	ended      []byte // payload of the outcome
}

func (p *projector) add(e *entry) { p.pending = append(p.pending, e) }

// reset forgets what is in memory; the next run reads it from the database.
func (p *projector) reset() {
	for _, stmt := range p.stmts {
		_ = stmt.Close() // its connection may be gone already
	}
	p.pending, p.loaded, p.kinds, p.stmts = nil, false, nil, nil
}

// projecting is the projector and when its turn is.
type projecting struct {
	projector projector
	pools     *pools
	log       *slog.Logger
	at        time.Time // when the projection is due
	retry     time.Time // when it is tried again after it failed
}

// turn runs the projector when there is enough to do or, in a quiet moment,
// anything that has waited long enough. It returns how many events are not projected.
func (g *projecting) turn(s *store, head int64, quiet, closing bool) (lag int64) {
	p := &g.projector
	if lag = head - p.cursor; lag == 0 {
		g.at = time.Time{}
		g.upgrade(s)
		return 0
	}
	now := time.Now()
	if now.Before(g.retry) && !closing {
		p.pending = nil // read from the table when it works again
		return lag
	}
	if g.at.IsZero() {
		g.at = now.Add(projectAfter)
	}
	due := quiet && !now.Before(g.at) || !now.Before(g.at.Add(projectLatest))
	if !due && !closing && lag < projectBatch {
		return lag
	}
	g.at = time.Time{}
	if err := p.run(s, head, g.pools); err != nil {
		g.failed(err)
	} else if quiet {
		g.upgrade(s)
	}
	return head - p.cursor
}

// upgrade goes on with what a trail of an older program lacks, when nobody waits.
func (g *projecting) upgrade(s *store) {
	g.step(s, func(p *projector) bool { return p.index.behind }, (*projector).sealNext)
	g.step(s, func(p *projector) bool { return p.bare != 0 }, (*projector).fillNext)
}

// step does one step of what is missing, and comes back soon if there are more.
func (g *projecting) step(s *store, missing func(*projector) bool, do func(*projector, *store) error) {
	if !missing(&g.projector) || time.Now().Before(g.retry) {
		return
	}
	if err := do(&g.projector, s); err != nil {
		g.failed(err)
		return
	}
	if missing(&g.projector) {
		g.at = time.Now()
	}
}

func (g *projecting) failed(err error) {
	g.projector.reset()
	g.retry = time.Now().Add(projectRetry)
	g.at = g.retry
	g.log.Warn("audit trail: projection failed, queries read events instead", "error", err)
}

// run projects everything up to head.
func (p *projector) run(s *store, head int64, pools *pools) error {
	if err := p.load(s); err != nil {
		return err
	}
	if !p.follows(head) {
		return p.catchUp(s, head)
	}
	err := s.inTx(func() error {
		batch := newBatch(p, s)
		for _, e := range p.pending {
			for i := range e.list() {
				if err := batch.add(&e.events[i], e.closes(i)); err != nil {
					return err
				}
			}
		}
		return batch.flush(head)
	})
	if err != nil {
		return err
	}
	p.cursor = head
	for _, e := range p.pending {
		pools.release(e)
	}
	clear(p.pending)
	p.pending = p.pending[:0]
	return nil
}

// follows reports whether pending is exactly what lies between cursor and head.
func (p *projector) follows(head int64) bool {
	return len(p.pending) > 0 && p.pending[0].events[0].Seq == uint64(p.cursor+1) && int64(p.pending[len(p.pending)-1].lastSeq()) == head
}

// closes is the seq of the intent that event i closes, 0 when it is none or
// not known.
func (e *entry) closes(i int) uint64 {
	if i == 0 {
		return e.intentSeq
	}
	return e.events[0].Seq
}

func (e *entry) lastSeq() uint64 { return e.events[e.n-1].Seq }

// catchUp projects from the table what is not in memory any more.
func (p *projector) catchUp(s *store, head int64) error {
	clear(p.pending)
	p.pending = p.pending[:0]
	for p.cursor < head {
		to := min(p.cursor+4*projectBatch, head)
		err := s.inTx(func() error {
			batch := newBatch(p, s)
			query := selectEvents + " WHERE seq > ? AND seq <= ? ORDER BY seq"
			err := eachEvent(context.Background(), s.conn, query, []any{p.cursor, to}, func(e *audit.Encoded) error {
				return batch.add(e, 0)
			})
			if err != nil {
				return err
			}
			return batch.flush(to)
		})
		if err != nil {
			return err
		}
		p.cursor = to
	}
	return nil
}

// load reads the cursor and the last block.
func (p *projector) load(s *store) error {
	if p.loaded {
		return nil
	}
	ctx := context.Background()
	if err := s.conn.QueryRowContext(ctx, "SELECT cursor, bare FROM projection").Scan(&p.cursor, &p.bare); err != nil {
		return fmt.Errorf("read the projection's cursor: %w", err)
	}
	if err := p.prepare(s); err != nil {
		return err
	}
	p.kinds = make(map[string]int64)
	if err := p.loadIndex(ctx, s); err != nil {
		return fmt.Errorf("read the projection's last segment: %w", err)
	}
	p.loaded = true
	return nil
}

func (p *projector) prepare(s *store) error {
	for _, query := range projectorQueries() {
		stmt, err := sqlite.Prepare(s.conn, query, strings.Count(query, "?"))
		if err != nil {
			return err
		}
		p.stmts = append(p.stmts, stmt)
	}
	return nil
}

// less orders ids as SQLite orders blobs.
func less(a, b uuid.UUID) bool { return bytes.Compare(a[:], b[:]) < 0 }
