package identity

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/google/uuid"

	"sallyport/internal/sqlite"
)

// schema1 leads from an empty database to schema version 1. It is never edited
// after a release; what changes the schema then is the next migration.
//
// Times are microseconds since 1970, UTC. The triggers keep promises that the
// code also keeps, against mistakes of the code and of whoever edits the database.
const schema1 = `
CREATE TABLE agents (
	id         TEXT PRIMARY KEY CHECK (length(id) = 36 AND id = lower(id)),
	name       TEXT NOT NULL,
	policy     TEXT NOT NULL,
	owner      TEXT NOT NULL,
	status     TEXT NOT NULL CHECK (status IN ('active', 'suspended', 'revoked')),
	reason     TEXT NOT NULL,
	created_at INTEGER NOT NULL,
	expires_at INTEGER NOT NULL,
	changed_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE certificates (
	agent      TEXT NOT NULL REFERENCES agents (id),
	generation INTEGER NOT NULL CHECK (generation > 0),
	serial     TEXT NOT NULL UNIQUE,
	not_after  INTEGER NOT NULL,
	revoked    INTEGER NOT NULL CHECK (revoked IN (0, 1)),
	PRIMARY KEY (agent, generation)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER revoked_agents_stay BEFORE UPDATE ON agents WHEN OLD.status = 'revoked'
BEGIN SELECT RAISE(ABORT, 'a revoked agent does not change'); END;

CREATE TRIGGER revoked_certificates_stay BEFORE UPDATE ON certificates WHEN OLD.revoked = 1 AND NEW.revoked = 0
BEGIN SELECT RAISE(ABORT, 'a revoked certificate stays revoked'); END;

CREATE TRIGGER revoked_agents_have_no_certificates AFTER UPDATE OF status ON agents WHEN NEW.status = 'revoked'
BEGIN UPDATE certificates SET revoked = 1 WHERE agent = NEW.id AND revoked = 0; END;

CREATE TRIGGER agents_are_kept BEFORE DELETE ON agents
BEGIN SELECT RAISE(ABORT, 'agents are kept for the trail'); END;

CREATE TRIGGER certificates_are_kept BEFORE DELETE ON certificates
BEGIN SELECT RAISE(ABORT, 'certificates are kept for the trail'); END;
`

// openStore opens the database and brings it to the current schema.
func openStore(ctx context.Context, path string) (*sql.DB, error) {
	// One connection is enough: changes come one at a time, and questions are
	// answered from memory.
	db, err := sqlite.Open(path, sqlite.Options{Synchronous: sqlite.Full, Connections: 1})
	if err != nil {
		return nil, explain(err)
	}
	if err := checkIntegrity(ctx, db); err != nil {
		return nil, errors.Join(fmt.Errorf("check %s: %w", path, explain(err)), db.Close())
	}
	if err := sqlite.Migrate(ctx, db, []string{schema1, schemaMissing, schemaJoin}); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, explain(err)), db.Close())
	}
	return db, nil
}

// errDamaged marks what no retry repairs.
var errDamaged = errors.New("the database is damaged; restore identity.db from a backup, or move it away and create the agents anew")

func checkIntegrity(ctx context.Context, db *sql.DB) error {
	var verdict string
	if err := db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&verdict); err != nil {
		return err
	}
	if verdict != "ok" {
		return fmt.Errorf("%w (%.200q)", errDamaged, verdict)
	}
	return nil
}

// explain adds what to try to the errors that people meet.
func explain(err error) error {
	const codeNotADatabase = 26 // SQLITE_NOTADB
	switch code := sqlite.Code(err); {
	case errors.Is(err, os.ErrPermission), code == sqlite.CodeReadOnly:
		return fmt.Errorf("%w; the folder and the database must be writable by this user", err)
	case code == sqlite.CodeBusy:
		return fmt.Errorf("%w; another process is writing: let the running server make the change", err)
	case code == sqlite.CodeFull:
		return fmt.Errorf("%w; free some space on the disk", err)
	case code == sqlite.CodeCorrupt, code == codeNotADatabase:
		return fmt.Errorf("%w (%w)", errDamaged, err)
	}
	return err
}

const (
	selectAgents       = `SELECT id, name, policy, owner, status, reason, created_at, expires_at, changed_at FROM agents`
	selectCertificates = `SELECT agent, generation, serial, not_after, revoked, key, parent, used FROM certificates`
	certificateOrder   = ` ORDER BY agent, generation`
)

// queryer is a *sql.DB or a *sql.Tx.
type queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// readAll reads the whole database.
func readAll(ctx context.Context, db *sql.DB) (map[uuid.UUID]*holder, error) {
	tx, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	defer func() { _ = tx.Rollback() }()
	return read(ctx, tx, selectAgents, selectCertificates+certificateOrder)
}

// readOne reads one agent, nil if there is none.
func readOne(ctx context.Context, q queryer, id uuid.UUID) (*holder, error) {
	holders, err := read(ctx, q, selectAgents+` WHERE id = ?`, selectCertificates+` WHERE agent = ?`+certificateOrder, id.String())
	return holders[id], err
}

func read(ctx context.Context, q queryer, agents, certificates string, args ...any) (map[uuid.UUID]*holder, error) {
	holders := map[uuid.UUID]*holder{}
	err := each(ctx, q, agents, args, func(rows *sql.Rows) error {
		a, err := scanAgent(rows)
		holders[a.ID] = &holder{agent: a}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("agents: %w", err)
	}
	err = each(ctx, q, certificates, args, func(rows *sql.Rows) error {
		c, err := scanCertificate(rows)
		if err != nil {
			return err
		}
		h := holders[c.Agent]
		if h == nil {
			return fmt.Errorf("certificate %s: its agent %s is missing: %w", c.Serial, c.Agent, errDamaged)
		}
		h.certificates = append(h.certificates, c)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("certificates: %w", err)
	}
	return holders, nil
}

func each(ctx context.Context, q queryer, query string, args []any, fn func(*sql.Rows) error) error {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := fn(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func scanAgent(rows *sql.Rows) (Agent, error) {
	var a Agent
	var id string
	var created, expires, changed int64
	if err := rows.Scan(&id, &a.Name, &a.Policy, &a.Owner, &a.Status, &a.Reason, &created, &expires, &changed); err != nil {
		return Agent{}, err
	}
	var err error
	if a.ID, err = uuid.Parse(id); err != nil {
		return Agent{}, fmt.Errorf("id %.40q: %w", id, errDamaged)
	}
	a.CreatedAt, a.ExpiresAt, a.ChangedAt = fromMicro(created), fromMicro(expires), fromMicro(changed)
	return a, nil
}

func scanCertificate(rows *sql.Rows) (*Certificate, error) {
	var c Certificate
	var agent string
	var notAfter int64
	if err := rows.Scan(&agent, &c.Generation, &c.Serial, &notAfter, &c.Revoked, &c.Key, &c.Parent, &c.used); err != nil {
		return nil, err
	}
	var err error
	if c.Agent, err = uuid.Parse(agent); err != nil {
		return nil, fmt.Errorf("certificate %s: agent %.40q: %w", c.Serial, agent, errDamaged)
	}
	c.NotAfter = fromMicro(notAfter)
	return &c, nil
}

func insertAgent(ctx context.Context, tx *sql.Tx, a Agent) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO agents (id, name, policy, owner, status, reason, created_at, expires_at, changed_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		a.ID.String(), a.Name, a.Policy, a.Owner, a.Status, a.Reason, a.CreatedAt.UnixMicro(), a.ExpiresAt.UnixMicro(), a.ChangedAt.UnixMicro())
	return err
}

// updateAgent writes what may change. That revoking an agent revokes its
// certificates is the trigger's work.
func updateAgent(ctx context.Context, tx *sql.Tx, a Agent) error {
	_, err := tx.ExecContext(ctx, `UPDATE agents SET status = ?, reason = ?, expires_at = ?, changed_at = ? WHERE id = ?`,
		a.Status, a.Reason, a.ExpiresAt.UnixMicro(), a.ChangedAt.UnixMicro(), a.ID.String())
	return err
}

func insertCertificate(ctx context.Context, tx *sql.Tx, c Certificate) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO certificates (agent, generation, serial, not_after, revoked, key, parent)
		SELECT ?1, 1 + coalesce(max(generation), 0), ?2, ?3, 0, ?4, ?5 FROM certificates WHERE agent = ?1`,
		c.Agent.String(), c.Serial, c.NotAfter.UnixMicro(), c.Key, c.Parent)
	return err
}

func revokeCertificate(ctx context.Context, tx *sql.Tx, serial string) error {
	_, err := tx.ExecContext(ctx, `UPDATE certificates SET revoked = 1 WHERE serial = ?`, serial)
	return err
}

func fromMicro(t int64) time.Time { return time.UnixMicro(t).UTC() }
