package audit_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
)

func TestEveryEventTypeIsOnce(t *testing.T) {
	t.Parallel()
	types := audit.EventTypes()
	slices.Sort(types)
	assert.Equal(t, types, slices.Compact(slices.Clone(types)))
}

// TestEveryEventTypeIsToldToOthers: as JSON, as CSV's cells and as an event of OCSF that meets
// the schema, with all keys that its payload has.
func TestEveryEventTypeIsToldToOthers(t *testing.T) {
	t.Parallel()
	schema := readOCSF(t)
	for _, name := range audit.EventTypes() {
		payload := map[string]any{"uid": int64(1000), "user": "dana", "via": "socket"}
		for _, key := range audit.EventKeys(name) {
			payload[key] = "the " + key
		}
		r := audit.Record{Event: &audit.EventRow{Seq: 7, ID: audit.NewID(), Type: name, At: time.Now(), Payload: payload}}
		event := unmarshal(t, r.AppendJSON(nil))
		assert.Equal(t, name, event["type"])
		assert.Len(t, event["payload"], len(payload), name)
		cells := map[string]string{}
		r.EachField(func(name string, value []byte) { cells[name] = string(value) })
		assert.Equal(t, `"`+name+`"`, cells["type"])

		data, err := r.AppendOCSF(nil, "1.2.3")
		require.NoError(t, err)
		told := unmarshal(t, data)
		class := map[any]string{"Account Change": "account_change", "Entity Management": "entity_management"}[told["class_name"]]
		assert.Empty(t, schema.check("event", schema.Events[class], told, nil), name)
		assert.Contains(t, []any{told["activity_name"], told["message"]}, name, "its activity or its message is the type")
	}
}

func unmarshal(t *testing.T, data []byte) (m map[string]any) {
	t.Helper()
	require.NoError(t, json.Unmarshal(data, &m))
	return m
}
