package trail_test

import (
	"encoding/json"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
)

// TestEveryFlagFindsWhatRowsTell holds each filter by one field to a scan of all rows.
func TestEveryFlagFindsWhatRowsTell(t *testing.T) {
	t.Parallel()
	_, path := shuffled(t, 240)
	r := reader(t, path)
	all, err := r.List(t.Context(), audit.Filter{})
	require.NoError(t, err)
	for _, flag := range audit.Flags() {
		rows := map[string][]uuid.UUID{}
		for i := range all {
			var value string
			all[i].EachField(func(name string, raw []byte) {
				if name == flag.Name && string(raw) != "null" {
					require.NoError(t, json.Unmarshal(raw, &value))
				}
			})
			rows[value] = append(rows[value], all[i].ID)
		}
		asked := 0
		for value, want := range rows {
			if value == "" || asked == 5 {
				continue
			}
			asked++
			var f audit.Filter
			*flag.Value(&f) = value
			list, err := r.List(t.Context(), f)
			require.NoError(t, err)
			var got []uuid.UUID
			for i := range list {
				got = append(got, list[i].ID)
			}
			assert.Equal(t, want, got, "--%s %s", flag.Name, value)
		}
		assert.NotZero(t, asked, "no row has a %s", flag.Name)
	}
}
