package rig_test

import (
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"

	"sallyport/test/rig"
)

// A search that finds nothing proves something only if it can find.
func TestFindSeesEveryForm(t *testing.T) {
	t.Parallel()
	const secret = "canary+secret/4711="
	for _, prefix := range []string{"", "a", "ab", "abc", "user:"} {
		text := prefix + secret + "tail"
		assert.NotEmpty(t, rig.Find([]byte(text), secret))
		assert.NotEmpty(t, rig.Find([]byte(base64.StdEncoding.EncodeToString([]byte(text))), secret), prefix)
		assert.NotEmpty(t, rig.Find([]byte(base64.RawURLEncoding.EncodeToString([]byte(text))), secret), prefix)
		assert.NotEmpty(t, rig.Find([]byte(hex.EncodeToString([]byte(text))), secret))
		assert.NotEmpty(t, rig.Find([]byte(url.QueryEscape(text)), secret))
	}
	assert.Empty(t, rig.Find([]byte("nothing of the kind"), secret))
}
