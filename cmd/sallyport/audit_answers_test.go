package main_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit/trail"
	sallyport "sallyport/cmd/sallyport"
	"sallyport/internal/sqlite"
)

// update writes the answers anew: go test ./cmd/sallyport -run TestAnswersOfAKeptTrail -update.
var update = flag.Bool("update", false, "write golden files anew")

// trailFolder has trails that earlier versions wrote, and what was answered from them.
const trailFolder = "../../audit/testdata/trails"

// keptHome is a HOME whose trail is the one of a dump.
func keptHome(t *testing.T, name string) string {
	t.Helper()
	home := t.TempDir()
	state := filepath.Join(home, "state")
	require.NoError(t, os.Mkdir(state, 0o700))
	statements, err := os.ReadFile(filepath.Join(trailFolder, name+".sql"))
	require.NoError(t, err)
	db, err := sqlite.Open(filepath.Join(state, "audit.db"), sqlite.Options{Connections: 1})
	require.NoError(t, err)
	_, err = db.Exec(string(statements))
	require.NoError(t, err)
	require.NoError(t, db.Close())
	public, err := os.ReadFile(filepath.Join(trailFolder, name+".pub"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(state, "trail.key.pub"), public, 0o600))
	return home
}

// cloudTrailEvent names a session by several of its marks.
const cloudTrailEvent = `{"eventTime": "2026-11-20T08:03:29Z", "requestID": "NOBODYS",
	"userIdentity": {"accessKeyId": "ASIAIOSFODNN7EXAMPLE", "arn": "arn:aws:sts::123456789012:assumed-role/agents/builder-3"}}`

// questions are command lines of audit by the names of their golden files.
func questions(event string) map[string]string {
	return map[string]string{
		"list":             "list --limit 0",
		"list-json":        "list -o json --limit 5",
		"list-agent":       "list --agent builder --status 200 --limit 3",
		"list-uuid":        "list --agent 0198c5f2-6f5e-7c3a-9b1a-000000000002 --decision deny",
		"list-who":         "list --owner team:ops --accountable person:ola --outcome completed --limit 3",
		"list-operation":   "list --operation github:git/* --resource acme/api",
		"list-text":        "list --text refused",
		"list-path":        "list --text pulls/2 --before 200",
		"list-time":        "list --since 2026-11-20T08:03:00Z --until 2026-11-20T08:03:30Z",
		"list-rule":        "list --rule artifacts --credential acme-aws --host artifacts.s3.eu-west-1.amazonaws.com --policy builder",
		"show-push":        "show 0198d000-0000-7000-8000-000000002329",
		"show-push-json":   "show -o json 0198d000-0000-7000-8000-000000002329",
		"show-calls":       "show 0198d000-0000-7000-8000-00000000232a",
		"show-odd":         "show 0198d000-0000-7000-8000-0000000007da",
		"show-cut":         "show 0198d000-0000-7000-8000-0000000007db",
		"show-refused":     "show 0198d000-0000-7000-8000-0000000007d1",
		"show-unknown":     "show 0198d000-0000-7000-8000-0000000007d2",
		"show-interrupted": "show -o json 0198d000-0000-7000-8000-0000000007dd",
		"show-pruned":      "show 0198d000-0000-7000-8000-0000000003e8",
		"events":           "events --limit 60",
		"events-json":      "events -o json --after 140 --limit 70",
		"events-type":      "events --type trail.continued",
		"tail":             "tail",
		"export-jsonl":     "export --format jsonl --after 30",
		"export-csv":       "export --format csv --after 80 --limit 120",
		"export-ocsf":      "export --format ocsf --after 160 --limit 60",
		"export-events":    "export --format ocsf --only events",
		"export-filtered":  "export --format csv --agent builder --since 2026-11-20T08:02:00Z",
		"verify":           "verify --checkpoint " + trailFolder + "/v8.checkpoint",
		"verify-json":      "verify -o json",
		"checkpoint":       "checkpoint",
		"prove":            "prove 150",
		"whodid-token":     "whodid BAOSujPYTqWKDGcqdOMRhpNLuaNnIyKkvHNTyEOA7rU= --limit 3",
		"whodid-key":       "whodid ASIAIOSFODNN7EXAMPLE --limit 2",
		"whodid-session":   "whodid builder-3",
		"whodid-source":    "whodid agent-0198c5f2-6f5e-7c3a-9b1a-3f0e7c1d2a4b --limit 2",
		"whodid-request":   "whodid F00D:2:443 --limit 2 -o json",
		"whodid-commit":    "whodid d293c438bfb500f2ff4a8388d3627d5f94437114",
		"whodid-pushed":    "whodid acbfca7972017c98b4be2b2ff728b4e511445bbb",
		"whodid-event":     "whodid --event " + event,
		"stats-agent":      "stats --by agent",
		"stats-owner":      "stats --by owner",
		"stats-answers":    "stats --by accountable -o json",
		"stats-host":       "stats --by host --status 200",
		"stats-operation":  "stats --by operation",
		"stats-credential": "stats --by credential",
		"stats-policy":     "stats --by policy",
		"stats-rule":       "stats --by rule --since 2026-11-20T08:03:00Z",
		"policy":           "policy --at 2026-11-20T08:01:00Z -o json",
	}
}

// TestAnswersOfAKeptTrail asks a trail that an earlier version wrote, with exchanges and
// events of every kind, and holds each answer to the one that was given then, to the byte:
// as the trail is, after this version has written to it, and after a rebuild.
func TestAnswersOfAKeptTrail(t *testing.T) {
	t.Parallel()
	home := keptHome(t, "v8")
	path := filepath.Join(home, "state", "audit.db")
	event := filepath.Join(t.TempDir(), "event.json")
	require.NoError(t, os.WriteFile(event, []byte(cloudTrailEvent), 0o600))
	ask := func() {
		for name, line := range questions(event) {
			got := said(t, home, line)
			golden := filepath.Join(trailFolder, "v8", name)
			if *update {
				require.NoError(t, os.WriteFile(golden, []byte(got), 0o644)) //nolint:gosec // for everybody to read
				continue
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			assert.Equal(t, string(want), got, name)
		}
	}
	ask()
	written, err := trail.Open(t.Context(), trail.Config{Path: path})
	require.NoError(t, err)
	require.NoError(t, written.Close(t.Context()))
	ask()
	require.NoError(t, trail.Rebuild(t.Context(), path))
	ask()
}

// said is all that one command line says.
func said(t *testing.T, home, line string) string {
	t.Helper()
	var out, complaints bytes.Buffer
	args := append([]string{"--home", home, "audit"}, strings.Fields(line)...)
	code := sallyport.RunAt(t.Context(), time.Now().UTC(), args, func(string) string { return "" }, strings.NewReader(""), &out, &complaints)
	if code != 0 {
		out.WriteString("exit code " + string(rune('0'+code)) + "\n")
	}
	return strings.ReplaceAll(out.String(), home, "HOME") + "---\n" + strings.ReplaceAll(complaints.String(), home, "HOME")
}
