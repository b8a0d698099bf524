package proxy_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
	"sallyport/audit/trail"
)

// TestMain fails when a goroutine outlives the tests that started it.
func TestMain(m *testing.M) {
	log.SetOutput(io.Discard) // where the transport quotes what upstreams send unasked
	code := m.Run()
	if code == 0 {
		if left := leaked(5 * time.Second); left != "" {
			_, _ = os.Stderr.WriteString("goroutines are left after the tests:\n" + left + "\n")
			code = 1
		}
	}
	os.Exit(code)
}

// leaked waits until no goroutine of ours or of net/http is left, and returns
// those that are when time is up.
func leaked(wait time.Duration) string {
	deadline := time.Now().Add(wait)
	for {
		buffer := make([]byte, 4<<20)
		var left []string
		for stack := range strings.SplitSeq(string(buffer[:runtime.Stack(buffer, true)]), "\n\n") {
			ours := strings.Contains(stack, "sallyport/") || strings.Contains(stack, "net/http.")
			if ours && !strings.Contains(stack, "TestMain") {
				left = append(left, stack)
			}
		}
		if len(left) == 0 || time.Now().After(deadline) {
			return strings.Join(left, "\n\n")
		}
		time.Sleep(10 * time.Millisecond) // there is no event for the end of a goroutine
	}
}

// checkTrail holds after every test, whatever it was about: what began has
// ended, the trail verifies, and the secret is nowhere it must not be.
func (r *rig) checkTrail() {
	t := r.t
	reader, err := trail.OpenReader(r.trailPath)
	require.NoError(t, err)
	report, err := reader.Verify(context.Background())
	require.NoError(t, err)
	assert.Empty(t, report.Problems)
	assert.True(t, report.OK)
	assert.Zero(t, report.Live)
	events := map[string]int{}
	require.NoError(t, reader.Events(context.Background(), audit.EventFilter{}, func(row audit.EventRow) error {
		events[row.Type]++
		return nil
	}))
	require.NoError(t, reader.Close())
	assert.Equal(t, events["intent"], events["outcome"], "begun and ended differ: %v", events)
	page := httptest.NewRecorder()
	r.metrics.Handler().ServeHTTP(page, httptest.NewRequest("GET", "/metrics", nil))
	r.assertNoCanary("metrics", page.Body.Bytes())
	r.assertNoCanary("log", []byte(r.log.String()))
	files, err := filepath.Glob(r.trailPath + "*")
	require.NoError(t, err)
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		r.assertNoCanary(filepath.Base(file), data)
	}
}

func (r *rig) assertNoCanary(where string, data []byte) {
	for _, form := range []string{canary, base64.RawStdEncoding.EncodeToString([]byte("Bearer " + canary))} {
		if i := bytes.Index(data, []byte(form)); i >= 0 {
			r.t.Errorf("the secret is in the %s: %q", where, data[max(0, i-80):min(len(data), i+80)])
		}
	}
}
