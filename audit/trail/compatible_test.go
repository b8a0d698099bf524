package trail_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
	"sallyport/audit/trail"
)

// answersOf asks a trail everything that the fixtures were asked when they were made.
func answersOf(t *testing.T, r *trail.Reader) *bytes.Buffer {
	t.Helper()
	var all bytes.Buffer
	say := func(name string, v any) {
		data, err := json.Marshal(v)
		require.NoError(t, err)
		_, _ = fmt.Fprintf(&all, "%s %s\n", name, data)
	}
	for name, f := range []audit.Filter{
		{},
		{Text: "/number/4"},
		{Mark: fmt.Sprintf("%040x", 1013)},
		{Operation: "github:*", Limit: 3},
		{Outcome: audit.OutcomeRevoked},
		{Status: 403, Since: minute(40), Until: minute(90)},
		{Resource: "acme/web", Before: 200},
	} {
		list, err := r.List(t.Context(), f)
		require.NoError(t, err)
		for i := range list {
			say(fmt.Sprintf("list %d", name), &list[i])
		}
	}
	err := r.Events(t.Context(), audit.EventFilter{}, func(e audit.EventRow) error {
		say("event", e)
		return nil
	})
	require.NoError(t, err)
	for _, by := range audit.Groups() {
		counts, err := r.Stats(t.Context(), by, audit.Filter{})
		require.NoError(t, err)
		say("stats "+string(by), counts)
	}
	return &all
}

// TestOlderTrails opens trails that earlier versions wrote, each with the answers that
// it gave then: as they are, and after this version has written to them.
func TestOlderTrails(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob("../testdata/trails/*.db.gz")
	require.NoError(t, err)
	require.NotEmpty(t, names)
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			base := name[:len(name)-len(".db.gz")]
			public, err := os.ReadFile(base + ".pub")
			require.NoError(t, err)
			checkpoint, err := os.ReadFile(base + ".checkpoint")
			require.NoError(t, err)
			answers := string(unzip(t, base+".json.gz"))
			path := filepath.Join(t.TempDir(), "audit.db")
			require.NoError(t, os.WriteFile(path, unzip(t, name), 0o600))
			check := func() {
				r := reader(t, path)
				report, err := r.VerifyWith(t.Context(), audit.VerifyOptions{PublicKey: string(public), Checkpoint: checkpoint})
				require.NoError(t, err)
				require.Empty(t, report.Problems)
				assert.Equal(t, values(t, answers), values(t, answersOf(t, r).String()))
			}
			check()
			writer, err := trail.Open(t.Context(), trail.Config{Path: path, Instance: "test"})
			require.NoError(t, err)
			require.Eventually(t, func() bool { return writer.Stats().Lag == 0 }, 10*time.Second, time.Millisecond)
			check()
			require.NoError(t, writer.Close(context.Background()))
			check()
			require.NoError(t, trail.Rebuild(t.Context(), path))
			check()
		})
	}
}

// values are the lines of answers with their JSON in one form: what it escapes may differ.
func values(t *testing.T, answers string) string {
	t.Helper()
	var all strings.Builder
	for line := range strings.Lines(answers) {
		at := strings.IndexAny(line, "[{")
		var v any
		require.NoError(t, json.Unmarshal([]byte(line[at:]), &v))
		data, err := json.Marshal(v)
		require.NoError(t, err)
		all.WriteString(line[:at] + string(data) + "\n")
	}
	return all.String()
}

func unzip(t *testing.T, name string) []byte {
	t.Helper()
	f, err := os.Open(name)
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	data, err := io.ReadAll(z)
	require.NoError(t, err)
	return data
}
