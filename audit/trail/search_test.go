package trail_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
	"sallyport/audit/trail"
)

// shuffled makes a trail in which what queries look for is spread at random,
// and exchanges end long after others have begun.
func shuffled(t *testing.T, n int) (*trail.Writer, string) {
	t.Helper()
	writer, path := open(t)
	rng := rand.New(rand.NewPCG(7, 7))
	var late []uuid.UUID
	end := func(id uuid.UUID) {
		out := outcome()
		out.UpstreamRequestID = "request-" + id.String()
		if rng.IntN(3) == 0 {
			out.Status, out.Outcome, out.Error = 500+rng.IntN(3), audit.OutcomeUpstreamFailed, "broken "+strings.Repeat("pipe", rng.IntN(2))
		}
		writer.End(id, out)
	}
	for i := range n {
		in := intent()
		in.StartedAt = minute(i)
		in.Owner = fmt.Sprintf("person:p%d", rng.IntN(3))
		in.AgentName = fmt.Sprintf("agent-%d", rng.IntN(20))
		in.Resource = fmt.Sprintf("acme/r%d", rng.IntN(40))
		in.Path = fmt.Sprintf("/repos/%s/%x", in.Resource, rng.Uint32())
		in.Operation = fmt.Sprintf("github:%s/o%d", []string{"pulls", "issues"}[rng.IntN(2)], rng.IntN(20))
		in.Details = map[string]any{"access_key_id": fmt.Sprintf("ASIA%d", rng.IntN(50))}
		require.NoError(t, writer.Begin(t.Context(), in))
		switch rng.IntN(4) {
		case 0: // open to the end
		case 1:
			late = append(late, in.ID)
		default:
			end(in.ID)
		}
		if len(late) > 60 {
			end(late[0])
			late = late[1:]
		}
	}
	for _, id := range late {
		end(id)
	}
	require.NoError(t, writer.Record(t.Context(), audit.Event{Type: "note"}))
	return writer, path
}

// TestSearchAgreesWithTheList compares what the index finds with what all
// exchanges say of themselves, before the projection has caught up and after.
func TestSearchAgreesWithTheList(t *testing.T) {
	t.Parallel()
	writer, path := shuffled(t, 900)
	r := reader(t, path)
	check := func() {
		all, err := r.List(t.Context(), audit.Filter{})
		require.NoError(t, err)
		some := all[400]
		for _, f := range []audit.Filter{
			{AgentName: "agent-3"},
			{Resource: some.Resource},
			{Resource: "acme/none"},
			{Text: some.Path[len(some.Path)-5:]},
			{Text: "/acme/r1"},
			{Text: "brokenpipe"},
			{Text: "broken pipe"},
			{Text: "pipepipe"},
			{Mark: "request-" + some.ID.String()},
			{Mark: "ASIA7"},
			{Mark: "ASIA77"},
			{Status: 501},
			{Outcome: audit.OutcomeUpstreamFailed, Owner: "person:p1"},
			{Outcome: audit.OutcomeInterrupted},
			{Operation: "github:pulls/*", Status: 502},
			{Operation: "*/o1*", AgentName: "agent-4"},
			{Operation: "*nothing*"},
			{Text: "broken", Resource: some.Resource},
			{Text: "broken", Since: minute(100), Until: minute(500)},
			{Resource: some.Resource, Before: some.Seq},
			{Mark: "ASIA7", Status: 200},
		} {
			want := []uint64{}
			for _, x := range all {
				if says(&x, f) {
					want = append(want, x.Seq)
				}
			}
			assertListed(t, r, f, want)
			f.Limit = 3
			assertListed(t, r, f, want[:min(3, len(want))])
		}
	}
	check()
	require.Eventually(t, func() bool { return writer.Stats().Lag == 0 }, 10*time.Second, time.Millisecond)
	check()
	require.NoError(t, writer.Close(context.Background()))
	check()
	verified(t, r)
}

// says is what a filter means, in the plainest words.
func says(x *audit.Exchange, f audit.Filter) bool {
	text := func(want, have string) bool { return want == "" || want == have }
	mark := f.Mark == "" || x.Outcome.UpstreamRequestID == f.Mark || x.Details["access_key_id"] == f.Mark
	operation := true
	for part := range strings.SplitSeq(f.Operation, "*") {
		operation = operation && strings.Contains(x.Operation, part)
	}
	return text(f.AgentName, x.AgentName) && text(f.Owner, x.Owner) && text(f.Resource, x.Resource) && text(f.Outcome, x.Outcome.Outcome) &&
		(f.Status == 0 || f.Status == x.Outcome.Status) && operation && mark &&
		strings.Contains(x.Path+"\n"+x.Resource+"\n"+x.Outcome.Error, f.Text) &&
		(f.Since.IsZero() || !x.StartedAt.Before(f.Since)) && (f.Until.IsZero() || x.StartedAt.Before(f.Until)) &&
		(f.Before == 0 || x.Seq < f.Before)
}

func TestEveryMarkIsFound(t *testing.T) {
	t.Parallel()
	writer, path := open(t)
	sum := sha256.Sum256([]byte("token"))
	token := hex.EncodeToString(sum[:])
	hashed := base64.StdEncoding.EncodeToString(sum[:])
	zero := strings.Repeat("0", 40)
	in := intent()
	in.CredentialFingerprint, in.Operation = token, "github:git/push"
	in.Details = map[string]any{
		"refs":            []any{map[string]any{"ref": "refs/heads/a", "old": zero, "new": "c0ffee", "update": "create"}},
		"refs_total":      2,
		"source_identity": "agent-1", "session_name": "session-1", "access_key_id": "ASIA1",
	}
	require.NoError(t, writer.Begin(t.Context(), in))
	more := map[string]any{"refs": []any{map[string]any{"ref": "refs/heads/b", "old": "beef", "new": "f00d"}}}
	require.NoError(t, writer.Record(t.Context(), audit.Event{Type: "push.refs", Exchange: in.ID, Payload: more}))
	out := outcome()
	out.UpstreamRequestID = "AAAA:1"
	writer.End(in.ID, out)
	mint, minted := intent(), outcome()
	mint.CredentialFingerprint = ""
	minted.Details = map[string]any{"hashed_token": hashed}
	minted.UpstreamRequestID = "AAAA:1" // as any server can write, whose requests have no names
	require.NoError(t, writer.Begin(t.Context(), mint))
	writer.End(mint.ID, minted)
	both := []uuid.UUID{mint.ID, in.ID}
	check := func() {
		for mark, want := range map[string][]uuid.UUID{
			token: both, "AAAA:1": both[1:], "c0ffee": both[1:], "beef": both[1:], "f00d": both[1:], "ASIA1": both[1:],
			"agent-1": both[1:], "session-1": both[1:], zero: nil, "c0ffe": nil,
		} {
			list, err := reader(t, path).List(t.Context(), audit.Filter{Mark: mark})
			require.NoError(t, err)
			var have []uuid.UUID
			for _, x := range list {
				have = append(have, x.ID)
			}
			assert.Equal(t, want, have, mark)
		}
	}
	require.NoError(t, writer.Record(t.Context(), audit.Event{Type: "note"}))
	check()
	for range 120 { // two segments
		begun(t, writer)
	}
	require.NoError(t, writer.Close(context.Background()))
	check()
	verified(t, reader(t, path))
}

// asBefore makes a trail what an older program left, without segments.
const asBefore = `
DROP VIEW requests;
ALTER TABLE exchanges DROP COLUMN path;
ALTER TABLE exchanges DROP COLUMN resource;
ALTER TABLE exchanges DROP COLUMN refusal;
ALTER TABLE projection DROP COLUMN bare;
DROP TABLE segments; DROP TABLE terms;
CREATE TABLE blocks (id INTEGER PRIMARY KEY, first_seq INTEGER NOT NULL);
CREATE TABLE block_kinds (kind INTEGER NOT NULL);
CREATE TABLE block_results (outcome TEXT NOT NULL);
CREATE INDEX kinds_agent ON kinds (agent);
CREATE INDEX kinds_owner ON kinds (owner);
CREATE INDEX kinds_host ON kinds (host);
PRAGMA user_version = 6;
`

func TestOldTrailsAreIndexedWhileTheyRun(t *testing.T) {
	t.Parallel()
	writer, path := shuffled(t, 400)
	require.NoError(t, writer.Close(context.Background()))
	query := func(statement string) (n int) {
		db, err := trail.OpenDatabase(path)
		require.NoError(t, err)
		defer func() { require.NoError(t, db.Close()) }()
		require.NoError(t, db.QueryRow(statement).Scan(&n))
		return n
	}
	db, err := trail.OpenDatabase(path)
	require.NoError(t, err)
	_, err = db.Exec(asBefore)
	require.NoError(t, err)
	require.NoError(t, db.Close())

	r := reader(t, path) // a reader comes before the writer
	old, err := r.List(t.Context(), audit.Filter{Text: "acme/r1"})
	require.NoError(t, err)
	require.NotEmpty(t, old)
	c := trail.Config{Path: path}
	trail.SmallSegments(&c)
	writer, err = trail.Open(t.Context(), c)
	require.NoError(t, err)
	defer func() { _ = writer.Close(context.Background()) }()
	require.Eventually(t, func() bool { return query("SELECT count(*) FROM segments") >= 6 }, 20*time.Second, 10*time.Millisecond)
	have, err := r.List(t.Context(), audit.Filter{Text: "acme/r1"})
	require.NoError(t, err)
	assert.Equal(t, old, have)
	for range 120 {
		begun(t, writer)
	}
	require.NoError(t, writer.Close(context.Background()))
	verified(t, r)
	assert.GreaterOrEqual(t, query("SELECT count(*) FROM segments"), 9)
}

// TestPrunedIsNotInTheIndex looks for three bytes of a path that was removed.
func TestPrunedIsNotInTheIndex(t *testing.T) {
	t.Parallel()
	writer, path := open(t)
	for i := range 130 {
		in, out := intent(), outcome()
		in.StartedAt, out.EndedAt = minute(i), minute(i)
		if i == 70 || i == 10 {
			in.Path, in.Host = "/~Qz", "removed.example"
		}
		require.NoError(t, writer.Begin(t.Context(), in))
		writer.End(in.ID, out)
	}
	require.NoError(t, writer.Record(t.Context(), audit.Event{Type: "note"}))
	require.Eventually(t, func() bool { return writer.Stats().Lag == 0 }, 10*time.Second, time.Millisecond)
	db, err := trail.OpenDatabase(path)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	count := func(query string, args ...any) (n int) {
		require.NoError(t, db.QueryRow(query, args...).Scan(&n))
		return n
	}
	gram := int('~')<<16 | int('Q')<<8 | int('z')
	require.Equal(t, 2, count("SELECT count(*) FROM terms WHERE term = ?", gram))
	_, err = writer.Prune(t.Context(), audit.PruneRequest{Before: minute(80)})
	require.NoError(t, err)
	assert.Zero(t, count("SELECT count(*) FROM terms WHERE term = ?", gram))
	assert.Zero(t, count("SELECT count(*) FROM kinds WHERE host = 'removed.example'"))
	assert.Equal(t, 1, count("SELECT count(*) FROM segments"), "one is gone, one has lost a part")
	list, err := reader(t, path).List(t.Context(), audit.Filter{Host: "api.anthropic.com"})
	require.NoError(t, err)
	assert.InDelta(t, 50, len(list), 1, "the last outcome may have shared a commit with a later intent")
	require.NoError(t, writer.Close(context.Background()))
	verified(t, reader(t, path))
}
