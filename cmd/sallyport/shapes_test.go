package main_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	sallyport "sallyport/cmd/sallyport"
)

// shape is what a program can rely on of a value: its keys, and of which kind each is.
func shape(v any) any {
	switch v := v.(type) {
	case map[string]any:
		keys := make(map[string]any, len(v))
		for name, value := range v {
			keys[name] = shape(value)
		}
		return keys
	case []any:
		if len(v) == 0 {
			return []any{}
		}
		return []any{shape(v[0])}
	case string:
		if _, err := time.Parse(time.RFC3339, v); err == nil {
			return "time"
		}
		if _, err := uuid.Parse(v); err == nil && len(v) == 36 {
			return "uuid"
		}
		return "text"
	case float64:
		return "number"
	case bool:
		return "true or false"
	}
	return nil
}

// The JSON of every command is a contract with scripts: no key goes and none changes its kind
// without a change of testdata/shapes.json, which -update writes.
func TestShapesOfJSON(t *testing.T) {
	t.Parallel()
	home := newHome(t)
	folder := newAgent(t, home, "builder")
	copied := filepath.Join(t.TempDir(), "copy")
	proof := filepath.Join(t.TempDir(), "proof.json")
	kept := keptHome(t, "v8")
	got := map[string]any{}
	record := func(home, line string) {
		t.Helper()
		var v any
		typeLine(t, home, append(strings.Fields(line), "-o", "json")...).into(t, &v)
		command, _, err := sallyport.Root().Find(strings.Fields(line))
		require.NoError(t, err)
		got[strings.Join(words(command), " ")] = shape(v)
	}
	typeWith(t, home, "s3cret", "credential", "add", "model", "--kind", "bearer", "--secret", "-", "--host", "api.example.com").done(t)
	for _, line := range []string{
		"version", "init", "agent create --policy example --owner person:dana --name other --out " + filepath.Join(t.TempDir(), "other"),
		"agent list", "agent renew builder --out " + folder, "agent suspend builder --reason x", "agent resume builder",
		"agent show builder", "policy check", "policy explain --policy example https://docs.python.org/3/", "policy new --list",
		"credential list", "credential check model", "env --proxy http://127.0.0.1:1 --identity " + folder, "backup " + copied,
		"agent revoke other",
	} {
		record(home, line)
	}
	record(filepath.Join(t.TempDir(), "restored"), "restore "+copied)
	for _, line := range []string{
		"audit list --limit 2", "audit show 0198d000-0000-7000-8000-000000002329", "audit events --limit 1", "audit stats --by agent", "audit verify",
		"audit checkpoint", "audit whodid ASIAIOSFODNN7EXAMPLE", "audit policy --at 2026-11-20T08:01:00Z",
	} {
		record(kept, line)
	}
	typeLine(t, kept, "audit", "prove", "150", "--out", proof).done(t)
	record(kept, "audit check-proof "+proof+" --key "+filepath.Join(kept, "state", "trail.key.pub"))
	var findings any
	require.NoError(t, json.Unmarshal([]byte(typeLine(t, home, "doctor", "-o", "json").out), &findings))
	got["doctor"] = shape(findings)
	if env, ok := got["env"].(map[string]any); ok {
		delete(env, "NODE_OPTIONS") // is there where this machine's Node is an old one
	}

	assertShapes(t, got)
}

// assertShapes holds them to testdata/shapes.json, which has a line for each command.
func assertShapes(t *testing.T, got map[string]any) {
	t.Helper()
	const golden = "testdata/shapes.json"
	line := func(v any) string {
		text, err := json.Marshal(v)
		require.NoError(t, err)
		return string(text)
	}
	if *update {
		var lines []string
		for _, name := range slices.Sorted(maps.Keys(got)) {
			lines = append(lines, line(name)+": "+line(got[name]))
		}
		require.NoError(t, os.WriteFile(golden, []byte("{\n"+strings.Join(lines, ",\n")+"\n}\n"), 0o644)) //nolint:gosec // for everybody to read
		return
	}
	text, err := os.ReadFile(golden)
	require.NoError(t, err)
	var want map[string]any
	require.NoError(t, json.Unmarshal(text, &want))
	assert.Equal(t, slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got)))
	for name := range want {
		assert.Equal(t, line(want[name]), line(got[name]), name)
	}
}

// What people read and what scripts read are the same facts.
func TestPeopleAndScriptsAreToldTheSame(t *testing.T) {
	t.Parallel()
	home := newHome(t)
	newAgent(t, home, "builder")
	newAgent(t, home, "reader")
	var agents []struct{ ID, Name, Policy, Owner, Status string }
	typeLine(t, home, "agent", "list", "-o", "json").into(t, &agents)
	require.Len(t, agents, 2)
	lines := strings.Split(strings.TrimSpace(typeLine(t, home, "agent", "list").done(t)), "\n")
	require.Len(t, lines, 3, "a heading, and a line each")
	for i, a := range agents {
		for _, cell := range []string{a.ID, a.Name, a.Policy, a.Owner, a.Status} {
			assert.Contains(t, lines[i+1], cell)
		}
	}
	var none []any
	typeLine(t, home, "credential", "list", "-o", "json").into(t, &none)
	assert.NotNil(t, none, "nothing is an empty list, not null")
	assert.Empty(t, none)
	typeLine(t, home, "audit", "list", "-o", "json").into(t, &none)
	assert.NotNil(t, none)
}
