package audit_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
)

// fillAll sets every field of a struct, those of structs within it too, to a value that no
// other field has.
func fillAll(t *testing.T, v reflect.Value, n *int) {
	t.Helper()
	for _, f := range v.Fields() {
		*n++
		switch at := f.Addr().Interface().(type) {
		case *string:
			*at = fmt.Sprintf("%04x", *n)
		case *uuid.UUID:
			*at = uuid.New()
		case *time.Time:
			*at = minute(*n)
		case *uint16:
			*at = uint16(*n)
		case *int:
			*at = *n
		case *int64:
			*at = int64(*n)
		case *float64:
			*at = float64(*n)
		case *map[string]any:
			*at = map[string]any{"n": int64(*n)}
		default:
			require.Equal(t, reflect.Struct, f.Kind(), "a field of a type that this test does not know")
			fillAll(t, f, n)
		}
	}
}

// TestEveryFieldIsStoredAndTold: whatever an intent and an outcome can say comes back from
// their payloads, and stands in the row's JSON; a field that the table lacks does not.
func TestEveryFieldIsStoredAndTold(t *testing.T) {
	t.Parallel()
	var in audit.Intent
	var out audit.Outcome
	n := 0
	fillAll(t, reflect.ValueOf(&in).Elem(), &n)
	fillAll(t, reflect.ValueOf(&out).Elem(), &n)
	stored, err := audit.DecodedIntent(audit.EncodeIntent(&in, in.Instance))
	require.NoError(t, err)
	stored.ID, stored.StartedAt = in.ID, in.StartedAt // columns of their own
	assert.Equal(t, in, stored)
	ended, err := audit.DecodedOutcome(audit.EncodeOutcome(&out))
	require.NoError(t, err)
	ended.EndedAt = out.EndedAt
	assert.Equal(t, out, ended)

	x := audit.Exchange{Intent: in, Seq: 7, Ended: true, Outcome: out}
	var row map[string]any
	require.NoError(t, json.Unmarshal(x.AppendJSON(nil), &row))
	for name, value := range row {
		assert.NotNil(t, value, "%s is not told", name)
	}
}

// TestOneFieldAloneIsOneField: a value is stored under its own tag only, and everything else
// reads as unknown.
func TestOneFieldAloneIsOneField(t *testing.T) {
	t.Parallel()
	seen := map[byte]string{}
	whole := reflect.TypeFor[audit.Intent]()
	for _, field := range reflect.VisibleFields(whole) {
		if field.Anonymous || field.Name == "ID" || field.Name == "StartedAt" {
			continue
		}
		var all, one audit.Intent
		n := 0
		fillAll(t, reflect.ValueOf(&all).Elem(), &n)
		reflect.ValueOf(&one).Elem().FieldByIndex(field.Index).Set(reflect.ValueOf(all).FieldByIndex(field.Index))
		payload := audit.EncodeIntent(&one, one.Instance)
		require.NotEmpty(t, payload, "%s is not stored", field.Name)
		assert.Empty(t, seen[payload[0]], "%s has the tag of another", field.Name)
		seen[payload[0]] = field.Name
		back, err := audit.DecodedIntent(payload)
		require.NoError(t, err)
		assert.Equal(t, one, back, field.Name)
	}
}
