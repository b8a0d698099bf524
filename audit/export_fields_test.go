package audit_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
)

// A field read by itself is the member of the JSON object, whatever an agent put in it.
func TestFieldsAreTheMembersOfTheObject(t *testing.T) {
	t.Parallel()
	full := audit.Exchange{Intent: audit.Intent{
		ID: uuid.New(), StartedAt: time.Now(), Path: `/a"b\,{}` + "\n\x00é", Port: 443,
		Details: map[string]any{"refs": []any{map[string]any{"ref": `"},{"`}}},
	}, Ended: true}
	full.Outcome = audit.Outcome{Outcome: audit.OutcomeCompleted, Timings: audit.Timings{Total: 1.5}, Error: "null"}
	for _, x := range []*audit.Exchange{{}, &full} {
		var members map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(x.AppendJSON(nil), &members))
		x.EachField(func(name string, value []byte) {
			assert.Equal(t, string(members[name]), string(value), name)
			delete(members, name)
		})
		assert.Empty(t, members, "fields left out")
	}
}
