package identity

// schemaJoin adds what agents need that make their own keys: invites, who came by which, and
// what tells the copy of an agent from the agent.
const schemaJoin = `
CREATE TABLE invites (
	id         TEXT PRIMARY KEY CHECK (length(id) = 36 AND id = lower(id)),
	secret     TEXT NOT NULL CHECK (length(secret) = 64),
	policy     TEXT NOT NULL,
	owner      TEXT NOT NULL,
	name       TEXT NOT NULL,
	uses       INTEGER NOT NULL CHECK (uses > 0),
	used       INTEGER NOT NULL DEFAULT 0 CHECK (used BETWEEN 0 AND uses),
	agent_ttl  INTEGER NOT NULL CHECK (agent_ttl > 0),
	sources    TEXT NOT NULL,
	created_at INTEGER NOT NULL,
	expires_at INTEGER NOT NULL,
	stopped    INTEGER NOT NULL DEFAULT 0, -- agents that came by it and are suspended or revoked
	ended_at   INTEGER NOT NULL DEFAULT 0,
	reason     TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;

CREATE TABLE joins (
	invite TEXT NOT NULL REFERENCES invites (id),
	agent  TEXT NOT NULL UNIQUE REFERENCES agents (id),
	key    TEXT NOT NULL,
	at     INTEGER NOT NULL,
	PRIMARY KEY (invite, agent)
) STRICT, WITHOUT ROWID;

CREATE INDEX joins_by_key ON joins (invite, key);

CREATE TRIGGER stopped_agents_bar_their_invite AFTER UPDATE OF status ON agents WHEN (OLD.status = 'active') <> (NEW.status = 'active')
BEGIN UPDATE invites SET stopped = stopped + (NEW.status <> 'active') - (OLD.status <> 'active')
	WHERE id = (SELECT invite FROM joins WHERE agent = NEW.id) AND ended_at = 0; END;

CREATE TRIGGER ended_invites_stay BEFORE UPDATE ON invites WHEN OLD.ended_at <> 0
BEGIN SELECT RAISE(ABORT, 'an invite that was ended does not change'); END;

ALTER TABLE certificates ADD COLUMN key TEXT NOT NULL DEFAULT '';
ALTER TABLE certificates ADD COLUMN parent INTEGER NOT NULL DEFAULT 0;
ALTER TABLE certificates ADD COLUMN used INTEGER NOT NULL DEFAULT 0 CHECK (used IN (0, 1));
`
