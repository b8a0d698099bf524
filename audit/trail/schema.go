package trail

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"sallyport/internal/sqlite"
)

// migrations brings audit.db from each user_version to the next.
//
// events is the truth and is only ever appended to. exchanges, kinds, segments
// and terms are the projection: what queries read, rebuilt from events at will.
// A row of exchanges is narrow: everything it shares with many others (who, by
// which rule, to where) is one row of kinds, and instead of an index entry for
// every exchange and column, a segment of consecutive exchanges has a row of
// terms for each thing found in it (an agent, a status, three bytes of a path),
// which lists the exchanges that have it. Segments are written whole, so that
// their rows come in the order of the table.
func migrations() []string {
	return []string{
		createEvents + createProjection, createCheckpoints, createResults + emptyBlocks, createTypes, createRemoved,
		dropCheckpointTime, createSegments, createRequests,
	}
}

const createEvents = `
CREATE TABLE events (
	seq              INTEGER PRIMARY KEY,
	id               BLOB NOT NULL,
	exchange         BLOB,
	type             TEXT NOT NULL,
	at               INTEGER NOT NULL,
	encoding_version INTEGER NOT NULL,
	payload          BLOB,
	hashes           BLOB NOT NULL
);
CREATE INDEX events_exchange ON events (exchange)
	WHERE type NOT IN ('intent', 'outcome') AND exchange IS NOT NULL;
CREATE TRIGGER events_no_update BEFORE UPDATE ON events
	BEGIN SELECT RAISE (ABORT, 'events are append-only'); END;
CREATE TRIGGER events_no_delete BEFORE DELETE ON events
	BEGIN SELECT RAISE (ABORT, 'events are append-only'); END;

CREATE TABLE documents (
	hash BLOB PRIMARY KEY,
	text BLOB NOT NULL
) WITHOUT ROWID;
CREATE TRIGGER documents_no_update BEFORE UPDATE ON documents
	BEGIN SELECT RAISE (ABORT, 'documents are append-only'); END;
CREATE TRIGGER documents_no_delete BEFORE DELETE ON documents
	BEGIN SELECT RAISE (ABORT, 'documents are append-only'); END;
`

const createProjection = `
CREATE TABLE exchanges (
	seq         INTEGER PRIMARY KEY,
	id          BLOB NOT NULL,
	started_at  INTEGER NOT NULL,
	kind        INTEGER NOT NULL,
	outcome_seq INTEGER,
	outcome     TEXT,
	status      INTEGER
);
CREATE INDEX exchanges_open ON exchanges (id) WHERE outcome_seq IS NULL;
CREATE TABLE kinds (
	id         INTEGER PRIMARY KEY,
	key        BLOB NOT NULL UNIQUE,
	agent      BLOB,
	agent_name TEXT NOT NULL,
	owner      TEXT NOT NULL,
	accountable TEXT NOT NULL,
	policy     TEXT NOT NULL,
	rule       TEXT NOT NULL,
	decision   TEXT NOT NULL,
	refusal    TEXT NOT NULL,
	method     TEXT NOT NULL,
	scheme     TEXT NOT NULL,
	host       TEXT NOT NULL,
	port       INTEGER NOT NULL,
	operation  TEXT NOT NULL,
	credential TEXT NOT NULL
);
CREATE INDEX kinds_agent ON kinds (agent);
CREATE INDEX kinds_owner ON kinds (owner);
CREATE INDEX kinds_host ON kinds (host);
CREATE INDEX kinds_operation ON kinds (operation);
CREATE TABLE blocks (
	id          INTEGER PRIMARY KEY,
	first_seq   INTEGER NOT NULL,
	last_seq    INTEGER NOT NULL,
	exchanges   INTEGER NOT NULL,
	min_started INTEGER NOT NULL,
	max_started INTEGER NOT NULL,
	min_id      BLOB NOT NULL,
	max_id      BLOB NOT NULL
);
CREATE INDEX blocks_first ON blocks (first_seq);
CREATE TABLE block_kinds (
	kind  INTEGER NOT NULL,
	block INTEGER NOT NULL,
	PRIMARY KEY (kind, block)
) WITHOUT ROWID;
CREATE TABLE projection (
	one    INTEGER PRIMARY KEY CHECK (one = 1),
	cursor INTEGER NOT NULL
);
INSERT INTO projection VALUES (1, 0);
`

const createCheckpoints = `
CREATE TABLE checkpoints (
	size INTEGER PRIMARY KEY,
	at   INTEGER NOT NULL,
	note TEXT NOT NULL
);
CREATE TRIGGER checkpoints_no_update BEFORE UPDATE ON checkpoints
	BEGIN SELECT RAISE (ABORT, 'checkpoints are append-only'); END;
CREATE TRIGGER checkpoints_no_delete BEFORE DELETE ON checkpoints
	BEGIN SELECT RAISE (ABORT, 'checkpoints are append-only'); END;
`

const createResults = `
CREATE TABLE block_results (
	outcome TEXT NOT NULL,
	status  INTEGER NOT NULL,
	block   INTEGER NOT NULL,
	PRIMARY KEY (outcome, status, block)
) WITHOUT ROWID;
`

// createTypes finds the events that are not exchanges by their type. It leaves
// exchanges out, which are nearly all events and none of its business.
const createTypes = `
CREATE INDEX events_type ON events (type)
	WHERE type NOT IN ('intent', 'outcome');
`

// createRemoved lets retention take a payload out of an event, and nothing
// else, once the payload's hash is kept here: with it the event's leaf can still
// be computed.
const createRemoved = `
CREATE TABLE removed (
	seq  INTEGER PRIMARY KEY,
	hash BLOB NOT NULL
);
CREATE TRIGGER removed_no_update BEFORE UPDATE ON removed
	BEGIN SELECT RAISE (ABORT, 'removals are append-only'); END;
CREATE TRIGGER removed_no_delete BEFORE DELETE ON removed
	BEGIN SELECT RAISE (ABORT, 'removals are append-only'); END;
DROP TRIGGER events_no_update;
CREATE TRIGGER events_no_update BEFORE UPDATE ON events
	WHEN NOT (new.payload IS NULL AND new.seq = old.seq AND new.id = old.id AND new.exchange IS old.exchange
		AND new.type = old.type AND new.at = old.at AND new.encoding_version = old.encoding_version
		AND new.hashes = old.hashes AND EXISTS (SELECT 1 FROM removed WHERE seq = old.seq))
	BEGIN SELECT RAISE (ABORT, 'events are append-only'); END;
`

// dropCheckpointTime takes away what no signature covers: when a checkpoint was
// signed. The time of the last event under it is in the tree.
const dropCheckpointTime = `
ALTER TABLE checkpoints DROP COLUMN at;
`

// emptyBlocks made the next start project all events anew.
const emptyBlocks = `
DELETE FROM exchanges;
DELETE FROM kinds;
DELETE FROM blocks;
DELETE FROM block_kinds;
DELETE FROM block_results;
UPDATE projection SET cursor = 0;
`

// createSegments replaces the blocks, which told in what run of exchanges
// something is, by segments, which tell which of them it is. Exchanges that are
// there already are put into segments while the trail runs.
const createSegments = `
DROP TABLE blocks;
DROP TABLE block_kinds;
DROP TABLE block_results;
DROP INDEX kinds_agent;
DROP INDEX kinds_owner;
DROP INDEX kinds_host;
CREATE TABLE segments (
	id          INTEGER PRIMARY KEY,
	first_seq   INTEGER NOT NULL,
	last_seq    INTEGER NOT NULL,
	exchanges   INTEGER NOT NULL,
	min_started INTEGER NOT NULL,
	max_started INTEGER NOT NULL,
	min_id      BLOB NOT NULL,
	max_id      BLOB NOT NULL
);
CREATE INDEX segments_first ON segments (first_seq);
CREATE TABLE terms (
	segment INTEGER NOT NULL,
	term    INTEGER NOT NULL,
	part    INTEGER NOT NULL,
	rows    BLOB NOT NULL,
	PRIMARY KEY (segment, term, part)
) WITHOUT ROWID;
`

// emptyProjection makes the next run of the projector project all events anew.
const emptyProjection = `
DELETE FROM exchanges;
DELETE FROM kinds;
DELETE FROM segments;
DELETE FROM terms;
UPDATE projection SET cursor = 0, bare = 0;
`

// schemaAt is every table, index and trigger of a version, by what it is, with
// the text that makes it.
func schemaAt(ctx context.Context, version int) (map[string]string, error) {
	all := migrations()
	if version > len(all) {
		return nil, fmt.Errorf("schema version %d is not known: use the newer program", version)
	}
	db, err := sqlite.OpenMemory()
	if err != nil {
		return nil, err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if err = sqlite.MigrateConn(ctx, conn, all[:version]); err != nil {
		return nil, errors.Join(err, conn.Close(), db.Close())
	}
	schema, err := readSchema(ctx, conn)
	return schema, errors.Join(err, conn.Close(), db.Close())
}

func readSchema(ctx context.Context, conn *sql.Conn) (map[string]string, error) {
	rows, err := conn.QueryContext(ctx, "SELECT type || ' ' || name, coalesce(sql, '') FROM sqlite_schema")
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	schema := make(map[string]string)
	for rows.Next() {
		var name, text string
		if err := rows.Scan(&name, &text); err != nil {
			return nil, err
		}
		schema[name] = text
	}
	return schema, rows.Err()
}
