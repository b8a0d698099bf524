package audit_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
)

// termsOf are those by which an exchange is found.
func termsOf(t *testing.T, x *audit.Exchange) map[audit.Term]bool {
	t.Helper()
	terms := map[audit.Term]bool{}
	put := func(one audit.Term) { terms[one] = true }
	require.NoError(t, audit.IntentTerms(audit.EncodeIntent(&x.Intent, "i"), false, put))
	require.NoError(t, audit.OutcomeTerms(audit.EncodeOutcome(&x.Outcome), put))
	return terms
}

// finds reports whether what a filter looks for is among the terms: each in one of its forms.
func finds(q audit.Sought, terms map[audit.Term]bool) bool {
	for _, forms := range q.Terms {
		if !slices.ContainsFunc(forms, func(one audit.Term) bool { return terms[one] }) {
			return false
		}
	}
	return !q.Never
}

func seek(t *testing.T, f audit.Filter, operations ...string) audit.Sought {
	t.Helper()
	q, err := f.Seek(func() ([]string, error) { return operations, nil })
	require.NoError(t, err)
	return q
}

// TestWhatMatchesIsFound: a search by the index misses nothing that the filter itself would take.
func TestWhatMatchesIsFound(t *testing.T) {
	t.Parallel()
	x := full()
	terms := termsOf(t, x)
	for name, f := range filters() {
		require.True(t, f.Matches(x), name)
		assert.True(t, finds(seek(t, f, x.Operation), terms), name)
	}
	assert.Empty(t, seek(t, audit.Filter{}).Terms, "everything is wanted")
}

// TestWhatDoesNotMatchIsRarelyLookedAt: an index that found all would be of no use.
func TestWhatDoesNotMatchIsRarelyLookedAt(t *testing.T) {
	t.Parallel()
	terms := termsOf(t, &audit.Exchange{Intent: audit.Intent{Path: "/other"}, Outcome: audit.Outcome{Outcome: audit.OutcomeRefused, Status: 403}})
	for name, f := range filters() {
		if name != "since" && name != "until" && name != "before" { // told by columns
			assert.False(t, finds(seek(t, f, f.Operation), terms), name)
		}
	}
}

// TestNeedlesStandInThePayload: what is looked for in the bytes themselves is there as it is.
func TestNeedlesStandInThePayload(t *testing.T) {
	t.Parallel()
	x := full()
	payload := string(audit.EncodeIntent(&x.Intent, "i"))
	n := 0
	for name, f := range filters() {
		for _, needle := range seek(t, f, x.Operation).Needles {
			assert.Contains(t, payload, string(needle), name)
			n++
		}
	}
	assert.Greater(t, n, 8)
	assert.Empty(t, seek(t, audit.Filter{Outcome: "completed", Status: 200}).Needles, "those are the outcome's")
}

// TestMarksAreFound: every mark that an exchange has, as another system shows it.
func TestMarksAreFound(t *testing.T) {
	t.Parallel()
	sum := sha256.Sum256([]byte("ghs_example"))
	x := pushed(ref("refs/heads/main", commitA, commitB), ref("refs/heads/new", none, strings.Repeat("c", 40)))
	x.Details[audit.DetailKey], x.Details[audit.DetailSession] = "ASIAEXAMPLE", "sallyport-worker"
	x.Outcome.Details = map[string]any{audit.DetailSource: "agent-1", audit.DetailToken: base64.StdEncoding.EncodeToString(sum[:])}
	terms := termsOf(t, x)
	for _, mark := range []string{
		x.CredentialFingerprint, x.Outcome.UpstreamRequestID, "ASIAEXAMPLE", "sallyport-worker", "agent-1", hex.EncodeToString(sum[:]),
		commitA, commitB, strings.Repeat("c", 40),
	} {
		require.True(t, x.HasMark(mark, nil), mark)
		assert.True(t, finds(seek(t, audit.Filter{Mark: mark}), terms), mark)
	}
	assert.False(t, finds(seek(t, audit.Filter{Mark: none}), terms))
	beside := map[audit.Term]bool{}
	audit.MarkTerms(map[string]any{audit.DetailRefs: []any{ref("refs/heads/z", commitA, commitB)}}, func(one audit.Term) { beside[one] = true })
	assert.True(t, finds(seek(t, audit.Filter{Mark: commitB}), beside), "an event beside a push has terms too")
}

// TestAnyThreeBytesAreFound: of path, resource and error, in whatever language.
func TestAnyThreeBytesAreFound(t *testing.T) {
	t.Parallel()
	x := full()
	x.Path, x.Resource, x.Outcome.Error = "/größe/\xff\xfe/日本", "acme/ﬀ", "dial: é"
	terms := termsOf(t, x)
	for _, text := range []string{x.Path, x.Resource, x.Outcome.Error} {
		for from := range text {
			for to := from + audit.MinText; to <= len(text); to++ {
				require.True(t, finds(seek(t, audit.Filter{Text: text[from:to]}), terms), "%q", text[from:to])
			}
		}
	}
	assert.False(t, finds(seek(t, audit.Filter{Text: "größer"}), terms))
}

// TestLongPathsAreLookedAtThemselves: an agent could otherwise make the index as long as it likes.
func TestLongPathsAreLookedAtThemselves(t *testing.T) {
	t.Parallel()
	x := full()
	x.Path = "/" + strings.Repeat("a", 255) + "/needle"
	terms := termsOf(t, x)
	assert.True(t, terms[audit.LongPath])
	assert.True(t, finds(seek(t, audit.Filter{Text: "needle"}), terms))
	whole := map[audit.Term]bool{}
	require.NoError(t, audit.IntentTerms(audit.EncodeIntent(&x.Intent, "i"), true, func(one audit.Term) { whole[one] = true }))
	assert.False(t, whole[audit.LongPath], "a segment of an older program has all of the path")
	assert.True(t, whole['d'<<16|'l'<<8|'e'], "its end too")
	assert.False(t, terms['d'<<16|'l'<<8|'e'])
	x.Path = x.Path[:256]
	assert.False(t, termsOf(t, x)[audit.LongPath], "it is not longer than is indexed")
}

// TestAPatternIsLookedForByWhatItMeans: by the operations that there are, or by what they begin with.
func TestAPatternIsLookedForByWhatItMeans(t *testing.T) {
	t.Parallel()
	x := full()
	terms := termsOf(t, x)
	f := audit.Filter{Operation: "github:pulls/*"}
	assert.True(t, finds(seek(t, f, "github:pulls/merge", "github:pulls/create"), terms))
	assert.False(t, finds(seek(t, f, "github:pulls/merge"), terms))
	assert.True(t, seek(t, f).Never, "there is no such operation")
	var many []string
	for i := range 17 {
		many = append(many, fmt.Sprintf("github:pulls/n%d", i))
	}
	assert.True(t, finds(seek(t, f, many...), terms), "too many to be looked for one by one")
	assert.True(t, finds(seek(t, audit.Filter{Operation: "github:*"}, many...), terms))
	assert.False(t, finds(seek(t, audit.Filter{Operation: "aws:s3/*"}, many...), terms))
	assert.Empty(t, seek(t, audit.Filter{Operation: "*create"}, many...).Terms, "it may begin with anything")
	gone := errors.New("disk gone")
	_, err := f.Seek(func() ([]string, error) { return nil, gone })
	require.ErrorIs(t, err, gone)
	_, err = (&audit.Filter{Operation: "github:pulls/create"}).Seek(func() ([]string, error) { return nil, gone })
	require.NoError(t, err, "no pattern: nobody is asked")
}

// TestRareThingsAreLookedForFirst: the first list is gone through, the others only narrow it.
func TestRareThingsAreLookedForFirst(t *testing.T) {
	t.Parallel()
	x := full()
	alone := func(f audit.Filter) audit.Term { return seek(t, f).Terms[0][0] }
	q := seek(t, audit.Filter{
		Decision: x.Decision, Status: 200, Outcome: x.Outcome.Outcome, Policy: x.Policy, Host: x.Host, Resource: x.Resource, Mark: "m",
	})
	var order []audit.Term
	for _, forms := range q.Terms {
		order = append(order, forms[0])
	}
	assert.Equal(t, []audit.Term{
		alone(audit.Filter{Mark: "m"}), alone(audit.Filter{Resource: x.Resource}), alone(audit.Filter{Host: x.Host}), alone(audit.Filter{Policy: x.Policy}),
		alone(audit.Filter{Outcome: x.Outcome.Outcome}), alone(audit.Filter{Decision: x.Decision}), alone(audit.Filter{Status: 200}),
	}, order)
}

func TestTermsOfADamagedPayloadAreRefused(t *testing.T) {
	t.Parallel()
	put := func(audit.Term) {}
	for _, payload := range [][]byte{{1}, {2, 0}, {2, 9, 'x'}, {35, 1, 7}, {42, 2, 7, 9}} {
		require.Error(t, audit.IntentTerms(payload, false, put), "%v", payload)
	}
	for _, payload := range [][]byte{{3, 1, 0}, {3, 9, 1, 1, 1, 1, 1, 1, 1, 1, 1}, {9, 1, 0}} {
		require.Error(t, audit.OutcomeTerms(payload, put), "%v", payload)
	}
}

// TestTermsStayWhatTheyWere: segments of years ago are searched by what is computed here.
func TestTermsStayWhatTheyWere(t *testing.T) {
	t.Parallel()
	for f, want := range map[audit.Filter]audit.Term{
		{Text: "abc"}:        'a'<<16 | 'b'<<8 | 'c',
		{Status: 404}:        42<<40 | 404,
		{AgentName: ""}:      0,
		{Host: "github.com"}: 11<<40 | fnv("github.com"),
		{Outcome: "refused"}: 41<<40 | fnv("refused"),
		{Mark: "req_1"}:      43<<40 | fnv("req_1"),
		{Owner: "team:web"}:  3<<40 | fnv("team:web"),
	} {
		if want != 0 {
			assert.Equal(t, want, seek(t, f).Terms[0][0])
		}
	}
}

// fnv is what the form of terms says: the upper 40 bits of the 64 of FNV-1a.
func fnv(s string) audit.Term {
	h := uint64(0xcbf29ce484222325)
	for _, c := range []byte(s) {
		h = (h ^ uint64(c)) * 0x100000001b3
	}
	return audit.Term(h >> 24)
}
