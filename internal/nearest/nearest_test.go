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
