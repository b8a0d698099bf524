package trail

import (
	"context"
	"database/sql"
	"math"
	"strings"

	"sallyport/audit"
)

// createRequests lets any SQLite client read who did what, when, and whether: path and
// resource, which only the payloads had, and the refusal of an outcome become columns of
// the projection, and the view requests puts it all together. Exchanges that are there
// already get them while the trail runs, the newest first: bare is the last one that has
// none yet.
const createRequests = `
ALTER TABLE exchanges ADD COLUMN path TEXT;
ALTER TABLE exchanges ADD COLUMN resource TEXT;
ALTER TABLE exchanges ADD COLUMN refusal TEXT;
ALTER TABLE projection ADD COLUMN bare INTEGER NOT NULL DEFAULT 0;
UPDATE projection SET bare = coalesce((SELECT max(seq) FROM exchanges), 0);
CREATE VIEW requests AS SELECT
	x.seq AS seq,
	lower(substr(hex(x.id), 1, 8) || '-' || substr(hex(x.id), 9, 4) || '-' || substr(hex(x.id), 13, 4) || '-' || substr(hex(x.id), 17, 4) || '-' || substr(hex(x.id), 21)) AS id,
	strftime('%Y-%m-%dT%H:%M:%S', x.started_at / 1000000, 'unixepoch') || printf('.%06dZ', x.started_at % 1000000) AS started_at,
	strftime('%Y-%m-%dT%H:%M:%S', o.at / 1000000, 'unixepoch') || printf('.%06dZ', o.at % 1000000) AS ended_at,
	CASE WHEN k.agent IS NOT NULL THEN lower(substr(hex(k.agent), 1, 8) || '-' || substr(hex(k.agent), 9, 4) || '-' || substr(hex(k.agent), 13, 4) || '-' || substr(hex(k.agent), 17, 4) || '-' || substr(hex(k.agent), 21)) END AS agent,
	nullif(k.agent_name, '') AS agent_name,
	nullif(k.owner, '') AS owner,
	nullif(k.accountable, '') AS accountable,
	nullif(k.policy, '') AS policy,
	nullif(k.rule, '') AS rule,
	nullif(k.decision, '') AS decision,
	coalesce(x.refusal, nullif(k.refusal, '')) AS refusal,
	nullif(k.method, '') AS method,
	nullif(k.scheme, '') AS scheme,
	nullif(k.host, '') AS host,
	nullif(k.port, 0) AS port,
	nullif(x.path, '') AS path,
	nullif(k.operation, '') AS operation,
	nullif(x.resource, '') AS resource,
	nullif(k.credential, '') AS credential,
	nullif(x.outcome, '') AS outcome,
	nullif(x.status, 0) AS status
FROM exchanges x JOIN kinds k ON k.id = x.kind LEFT JOIN events o ON o.seq = x.outcome_seq;
`

// sqlText is a stored text as clients of SQLite can read it: as JSON has it, and without
// the zero byte, at which many end a text.
func sqlText(v []byte) string {
	s := string(v)
	if strings.IndexByte(s, 0) < 0 {
		return audit.Printable(s)
	}
	return audit.EscapeBytes(s)
}

// fillAtOnce exchanges are given their texts in one transaction.
const fillAtOnce = 256

// fillNext gives the next exchanges their texts.
func (p *projector) fillNext(s *store) error {
	if err := p.load(s); err != nil || p.bare == 0 {
		return err
	}
	return s.inTx(func() error {
		rows, err := bareRows(s, p.bare)
		if err != nil {
			return err
		}
		first := int64(math.MinInt64) // nothing is left
		for i := range rows {
			if err := rows[i].fill(p); err != nil {
				return atEvent(uint64(rows[i].seq), err)
			}
			first = rows[i].seq
		}
		if _, err := p.stmts[moveBare].Exec(first); err != nil {
			return err
		}
		return s.conn.QueryRowContext(context.Background(), "SELECT bare FROM projection").Scan(&p.bare)
	})
}

// bareRow is an exchange without its texts.
type bareRow struct {
	seq             int64
	intent, outcome []byte
}

// bareRows are the last ones up to seq, the last first.
func bareRows(s *store, seq int64) (list []bareRow, err error) {
	rows, err := s.conn.QueryContext(context.Background(), `SELECT x.seq, i.payload, o.payload FROM exchanges x
		JOIN events i ON i.seq = x.seq LEFT JOIN events o ON o.seq = x.outcome_seq WHERE x.seq <= ? ORDER BY x.seq DESC LIMIT ?`, seq, fillAtOnce)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var r bareRow
		if err := rows.Scan(&r.seq, &r.intent, &r.outcome); err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, rows.Err()
}

func (r *bareRow) fill(p *projector) error {
	key, err := audit.KindBytes(r.intent)
	if err != nil {
		return err
	}
	path, resource, err := textsOf(r.intent[len(key):])
	if err != nil {
		return err
	}
	res, err := resultOf(r.outcome)
	if err != nil {
		return err
	}
	_, err = p.stmts[fillExchange].Exec(path, resource, orNull(res.refusal), r.seq)
	return err
}

// lowerBare has bare name an exchange that is still there when some were removed.
func lowerBare(ctx context.Context, conn execQuerier) error {
	_, err := conn.ExecContext(ctx, "UPDATE projection SET bare = coalesce((SELECT max(seq) FROM exchanges WHERE seq <= bare), 0) WHERE bare > 0")
	return err
}

// textColumns are those of createRequests, as a row of the projection has them.
type textColumns struct{ path, resource, refusal sql.NullString }
