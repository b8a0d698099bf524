package trail_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
)

// TestNobodyIsNamedByWhatWasRejected: a commit that a push did not bring names nobody, be it
// that we refused the push, that the server did, or that it rejected the ref.
func TestNobodyIsNamedByWhatWasRejected(t *testing.T) {
	t.Parallel()
	writer, path := open(t)
	refs := func(names ...string) (list []any) {
		for _, name := range names {
			list = append(list, map[string]any{"ref": "refs/heads/" + name, "old": "old-" + name, "new": "new-" + name, "update": "update"})
		}
		return list
	}
	for _, c := range []struct {
		name   string
		change func(in *audit.Intent, out *audit.Outcome)
	}{
		{"taken", func(*audit.Intent, *audit.Outcome) {}},
		{"partly", func(in *audit.Intent, out *audit.Outcome) {
			in.Details["refs_total"] = 4
			out.Details = map[string]any{"rejected": []any{map[string]any{"ref": "refs/heads/partly-b", "reason": "no"}}, "rejected_total": 2}
		}},
		{"all", func(_ *audit.Intent, out *audit.Outcome) { out.Outcome = audit.OutcomeRejected }},
		{"refused", func(_ *audit.Intent, out *audit.Outcome) { out.Outcome, out.Status = audit.OutcomeRefused, 403 }},
		{"status", func(_ *audit.Intent, out *audit.Outcome) { out.Status = 401 }},
	} {
		in, out := intent(), outcome()
		in.Operation, in.Details = "github:git/push", map[string]any{"refs": refs(c.name+"-a", c.name+"-b")}
		out.Outcome, out.Status = audit.OutcomeCompleted, 200
		c.change(in, out)
		require.NoError(t, writer.Begin(t.Context(), in))
		if c.name == "partly" {
			more := map[string]any{"refs": refs("partly-c", "partly-d")}
			require.NoError(t, writer.Record(t.Context(), audit.Event{Type: "push.refs", Exchange: in.ID, Payload: more}))
			rest := map[string]any{"rejected": []any{"refs/heads/partly-d"}}
			require.NoError(t, writer.Record(t.Context(), audit.Event{Type: audit.TypePushRejected, Exchange: in.ID, Payload: rest}))
		}
		writer.End(in.ID, out)
	}
	require.NoError(t, writer.Record(t.Context(), audit.Event{Type: "note"}))
	for mark, want := range map[string]int{
		"new-taken-a": 1, "old-taken-b": 1, "new-partly-a": 1, "new-partly-c": 1,
		"new-partly-b": 0, "old-partly-b": 0, "new-partly-d": 0,
		"new-all-a": 0, "old-all-b": 0, "new-refused-a": 0, "new-status-a": 0,
	} {
		list, err := reader(t, path).List(t.Context(), audit.Filter{Mark: mark})
		require.NoError(t, err)
		assert.Len(t, list, want, mark)
	}
}
