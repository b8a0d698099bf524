package audit_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
)

var (
	commitA = strings.Repeat("a", 40)
	commitB = strings.Repeat("b", 40)
	none    = strings.Repeat("0", 40)
)

// ref is how a push's details tell of one that it moved.
func ref(name, from, to string) map[string]any {
	return map[string]any{"ref": name, "old": from, "new": to}
}

// pushed is an exchange that moved refs.
func pushed(refs ...any) *audit.Exchange {
	x := &audit.Exchange{Intent: *intent(), Seq: 7, Ended: true, Outcome: *outcome(), OutcomeSeq: 8}
	x.Operation, x.Details = "github:git/push", map[string]any{audit.DetailRefs: refs}
	return x
}

func TestATokenIsKnownByTheHashThatGitHubShows(t *testing.T) {
	t.Parallel()
	sum := sha256.Sum256([]byte("ghs_example"))
	mark, ok := audit.TokenMark(base64.StdEncoding.EncodeToString(sum[:]))
	require.True(t, ok)
	assert.Equal(t, hex.EncodeToString(sum[:]), mark, "it is the fingerprint of the credential")
	for _, s := range []string{"", "ghs_example", hex.EncodeToString(sum[:]), base64.StdEncoding.EncodeToString(sum[:31]), base64.URLEncoding.EncodeToString(sum[:]) + "="} {
		_, ok = audit.TokenMark(s)
		assert.False(t, ok, "%q", s)
	}
}

// TestAnExchangeIsKnownByItsMarks: each thing by which another system shows it, and nothing like it.
func TestAnExchangeIsKnownByItsMarks(t *testing.T) {
	t.Parallel()
	sum := sha256.Sum256([]byte("ghs_example"))
	x := full()
	x.Details = map[string]any{
		audit.DetailKey: "ASIAEXAMPLE", audit.DetailSession: "sallyport-worker",
		audit.DetailToken: base64.StdEncoding.EncodeToString(sum[:]),
	}
	x.Outcome.Details = map[string]any{audit.DetailSource: "agent-1"}
	for _, mark := range []string{
		x.Outcome.UpstreamRequestID, x.CredentialFingerprint, "ASIAEXAMPLE", "sallyport-worker", "agent-1", hex.EncodeToString(sum[:]),
	} {
		assert.True(t, x.HasMark(mark, nil), mark)
	}
	for _, mark := range []string{"asiaexample", "worker", base64.StdEncoding.EncodeToString(sum[:]), x.ID.String(), commitA} {
		assert.False(t, x.HasMark(mark, nil), mark)
	}
}

// TestOnlyAServiceGivesRequestIDs: any other upstream could answer with the id of somebody else's request.
func TestOnlyAServiceGivesRequestIDs(t *testing.T) {
	t.Parallel()
	x := full()
	id := x.Outcome.UpstreamRequestID
	x.Operation = ""
	assert.False(t, x.HasMark(id, nil))
	x.Details = map[string]any{"unclassified": "no operation has this path"}
	assert.True(t, x.HasMark(id, nil), "it went to a service that could not name it")
}

func TestAPushIsKnownByTheCommitsThatItMoved(t *testing.T) {
	t.Parallel()
	x := pushed(ref("refs/heads/main", commitA, commitB))
	assert.True(t, x.HasMark(commitA, nil))
	assert.True(t, x.HasMark(commitB, nil))
	assert.False(t, x.HasMark(strings.Repeat("c", 40), nil))
	created := pushed(ref("refs/heads/new", none, commitB))
	assert.True(t, created.HasMark(commitB, nil))
	assert.False(t, created.HasMark(none, nil), "the word for no commit is none")
	assert.False(t, created.HasMark("", nil))
}

// TestWhatWasNotMovedIsNoMark: the push was refused, or failed, or the server rejected the ref.
func TestWhatWasNotMovedIsNoMark(t *testing.T) {
	t.Parallel()
	for name, alter := range map[string]func(*audit.Exchange){
		"refused":  func(x *audit.Exchange) { x.Outcome.Outcome = audit.OutcomeRefused },
		"rejected": func(x *audit.Exchange) { x.Outcome.Outcome = audit.OutcomeRejected },
		"status":   func(x *audit.Exchange) { x.Outcome.Status = 403 },
		"this ref": func(x *audit.Exchange) {
			x.Outcome.Details = map[string]any{audit.DetailRejected: []any{"refs/heads/main"}}
		},
		"this ref, and why": func(x *audit.Exchange) {
			x.Outcome.Details = map[string]any{audit.DetailRejected: []any{map[string]any{"ref": "refs/heads/main", "why": "protected"}}}
		},
		"nothing was told": func(x *audit.Exchange) { x.Details = nil },
		"refs of no known form": func(x *audit.Exchange) {
			x.Details = map[string]any{audit.DetailRefs: []any{"refs/heads/main", nil, int64(3)}}
		},
	} {
		x := pushed(ref("refs/heads/main", commitA, commitB))
		alter(x)
		assert.False(t, x.HasMark(commitB, nil), name)
	}
	x := pushed(ref("refs/heads/main", commitA, commitB), ref("refs/heads/dev", none, commitB))
	x.Outcome.Details = map[string]any{audit.DetailRejected: []any{"refs/heads/main"}}
	assert.True(t, x.HasMark(commitB, nil), "another ref of the same push was moved")
	assert.False(t, x.HasMark(commitA, nil))
}

// TestEventsBesideAPushTellTheRest: of refs that the row has no room for.
func TestEventsBesideAPushTellTheRest(t *testing.T) {
	t.Parallel()
	more := []audit.EventRow{
		{Type: audit.TypePushRefs, Payload: map[string]any{audit.DetailRefs: []any{ref("refs/heads/z", commitA, commitB)}}},
		{Type: audit.TypeCalls, Payload: map[string]any{audit.DetailRefs: []any{ref("refs/heads/y", none, strings.Repeat("d", 40))}}},
	}
	x := pushed()
	assert.False(t, x.HasMark(commitB, nil))
	assert.True(t, x.HasMark(commitB, more))
	assert.False(t, x.HasMark(strings.Repeat("d", 40), more), "that event tells of no refs")
	more = append(more, audit.EventRow{Type: audit.TypePushRejected, Payload: map[string]any{audit.DetailRejected: []any{"refs/heads/z"}}})
	assert.False(t, x.HasMark(commitB, more))
	seen := 0
	assert.False(t, pushed(ref("refs/heads/a", none, commitA)).Moved(nil, func(string, string) bool { seen++; return false }))
	assert.Equal(t, 1, seen, "each move is asked about once")
}
