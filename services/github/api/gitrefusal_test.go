package api_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	github "sallyport/services/github/api"
)

func TestWhatGitIsToldOfARefusal(t *testing.T) {
	t.Parallel()
	g, ok := github.NewGitRefusal("GET", "/acme/web.git/info/refs", "service=git-upload-pack")
	require.True(t, ok)
	assert.Equal(t, "application/x-git-upload-pack-advertisement", g.Media)
	assert.Equal(t, "001e# service=git-upload-pack\n0000000fERR no way\n", string(g.Body("no\n way")))
	g, ok = github.NewGitRefusal("POST", "/acme/web/git-upload-pack", "")
	require.True(t, ok)
	assert.Equal(t, "000fERR no way\n", string(g.Body("no way")))
	assert.Less(t, len(g.Body(strings.Repeat("é ", 60_000))), 5000, "a line has a bound")
	for _, none := range [][3]string{
		{"GET", "/acme/web/info/refs", ""},
		{"GET", "/acme/web/info/refs", "service=git-upload-pack&x=1"},
		{"POST", "/acme/web/git-receive-pack", ""},
		{"POST", "/acme/web/info/lfs/objects/batch", ""},
		{"GET", "/acme/web/git-upload-pack", ""},
	} {
		_, ok := github.NewGitRefusal(none[0], none[1], none[2])
		assert.False(t, ok, none)
	}
}
