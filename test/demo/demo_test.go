package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/test/rig"
)

// The demo checks each of its own claims; the test says that they hold and
// that a newcomer does not wait for them.
func TestDemo(t *testing.T) {
	t.Parallel()
	binary, err := rig.Build(t.Context(), t.TempDir())
	require.NoError(t, err)
	var out bytes.Buffer
	started := time.Now()
	err = run(t.Context(), binary, &out)
	t.Log(out.String())
	require.NoError(t, err)
	assert.Less(t, time.Since(started), time.Minute)
}
