package nearest_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"sallyport/internal/nearest"
)

func TestSlip(t *testing.T) {
	t.Parallel()
	known := []string{"team:platform", "team:web", "person:dana"}
	for word, want := range map[string]string{
		"team:platforn": "team:platform", "person:dane": "person:dana", "team:webb": "team:web",
		"team:wbe": "team:web", "etam:platform": "team:platform", "person:dnaa": "person:dana", "taem:wbe": "team:web",
		"nobody-at-all": "", "x": "", "": "", strings.Repeat("x", 10_000): "",
	} {
		got, ok := nearest.Slip(word, known)
		assert.Equal(t, want != "", ok, word)
		if ok {
			assert.Equal(t, want, got)
		}
	}
	_, ok := nearest.Slip("a", nil)
	assert.False(t, ok)
}

func TestWord(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "pulls/create", nearest.Word("pulls/creat*", []string{"issues/create", "pulls/create"}))
	assert.Empty(t, nearest.Word("x", nil))
}

// What people do wrong at a keyboard is one edit each.
func TestEdits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		typed, meant string
		want         int
	}{
		{"", "", 0},
		{"agent", "agent", 0},
		{"agent", "", 5},
		{"", "agent", 5},
		{"agnet", "agent", 1},  // exchanged
		{"gaent", "agent", 1},  // at the beginning
		{"agetn", "agent", 1},  // at the end
		{"aegnt", "agent", 1},  // in the middle
		{"agen", "agent", 1},   // left out
		{"agentt", "agent", 1}, // twice
		{"agend", "agent", 1},  // beside the key
		{"agnte", "agent", 2},
		{"abcd", "badc", 2},
		{"ca", "abc", 3}, // what was exchanged is not parted again
		{"create", "delete", 4},
	} {
		assert.Equal(t, c.want, nearest.Edits(c.typed, c.meant), "%s, %s", c.typed, c.meant)
		assert.Equal(t, c.want, nearest.Edits(c.meant, c.typed), "%s, %s", c.meant, c.typed)
	}
}
