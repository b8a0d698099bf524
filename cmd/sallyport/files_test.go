package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	sallyport "sallyport/cmd/sallyport"
)

func text(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(data)
}

// A secret that is typed goes into a file of its own, which only its user can read, and is
// shown nowhere.
func TestASecretFromStandardInput(t *testing.T) {
	t.Parallel()
	home := newHome(t)
	got := typeWith(t, home, "s3cret-4711\n", "credential", "add", "model", "--kind", "header", "--set", "header=x-api-key", "--secret", "-", "--host", "api.example.com", "--host", "*.example.org")
	out := got.done(t)
	assert.Contains(t, out, "`sallyport credential check model` tries it")
	file := filepath.Join(home, "secrets", "model")
	assert.Equal(t, "s3cret-4711\n", text(t, file))
	for path, mode := range map[string]os.FileMode{file: 0o600, filepath.Dir(file): 0o700, filepath.Join(home, "credentials.yaml"): 0o600} {
		info, err := os.Stat(path)
		require.NoError(t, err)
		assert.Equal(t, mode, info.Mode().Perm(), path)
	}
	written := text(t, filepath.Join(home, "credentials.yaml"))
	assert.Contains(t, written, "secret: {file: secrets/model}")
	assert.NotContains(t, written+out+got.err, "s3cret")
	var check struct {
		OK          bool
		Fingerprint string
	}
	checked := typeLine(t, home, "credential", "check", "model", "-o", "json")
	checked.into(t, &check)
	assert.True(t, check.OK)
	assert.Len(t, check.Fingerprint, 64)
	assert.NotContains(t, checked.out+checked.err, "s3cret")
}

// What would not load is not written: neither the entry nor the secret that came with it.
func TestACredentialThatWouldBeWrongIsNotAdded(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"model --kind header --secret - --host api.example.com":                     "header",
		"model --kind bearer --secret -":                                            "hosts",
		"model --kind bearer --secret - --host https://api.example.com":             "host",
		"model --kind nonsense --secret - --host api.example.com":                   "nonsense",
		"Model! --kind bearer --secret - --host api.example.com":                    "Model!",
		"../model --kind bearer --secret - --host api.example.com":                  "../model",
		"model --kind bearer --secret - --host api.example.com --set username=dana": "username",
	} {
		home := newHome(t)
		before := tree(t, home)
		got := typeWith(t, home, "s3cret", append([]string{"credential", "add"}, strings.Fields(line)...)...)
		assert.NotZero(t, got.code, line)
		assert.Contains(t, got.err, want, line)
		assert.NotContains(t, got.err+got.out, "s3cret", line)
		after := tree(t, home)
		delete(after, filepath.Join(home, "secrets"))
		before[home], after[home] = "", ""
		assert.Equal(t, before, after, line)
	}
}

// The rest of the file, its mode and where it lies stay: it may be a link into a checkout.
func TestACredentialIsAddedWhereTheFileIs(t *testing.T) {
	t.Parallel()
	home := newHome(t)
	checkout := filepath.Join(t.TempDir(), "credentials.yaml")
	before := "# ours\ncredentials:\n  first: {kind: bearer, secret: {env: FIRST}, hosts: [a.example]} # the first\n"
	require.NoError(t, os.WriteFile(checkout, []byte(before), 0o640))
	require.NoError(t, os.Remove(filepath.Join(home, "credentials.yaml")))
	require.NoError(t, os.Symlink(checkout, filepath.Join(home, "credentials.yaml")))
	typeLine(t, home, "credential", "add", "second", "--kind", "basic", "--set", "username=#da na", "--secret", "exec:pass show second", "--host", "b.example").done(t)
	after := text(t, checkout)
	assert.True(t, strings.HasPrefix(after, before), after)
	assert.Contains(t, after, `username: "#da na"`)
	assert.Contains(t, after, "secret: {exec: [pass, show, second]}")
	info, err := os.Lstat(filepath.Join(home, "credentials.yaml"))
	require.NoError(t, err)
	assert.NotZero(t, info.Mode()&os.ModeSymlink)
	info, err = os.Stat(checkout)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o640), info.Mode().Perm())

	again := typeLine(t, home, "credential", "add", "second", "--kind", "bearer", "--secret", "env:X", "--host", "b.example")
	assert.Equal(t, 1, again.code)
	assert.Contains(t, again.err, "second")
	assert.Equal(t, after, text(t, checkout))
}

// A value is kept as it was typed, whatever YAML would take it for.
func TestValuesAreKeptAsTheyAreTyped(t *testing.T) {
	t.Parallel()
	home := newHome(t)
	for typed, written := range map[string]string{
		"dana": "dana", "007": "007", "1e3": "1e3", "true": "true", "no": "no", "2026-01-01": "2026-01-01", "null": `"null"`, "Null": `"Null"`, "~": `"~"`,
		".5": `".5"`, "-x": `"-x"`, "a b": `"a b"`, "# a": `"# a"`, "a #b": `"a #b"`, "x'y": `"x'y"`, `x"y`: `"x\"y"`, "{a}": `"{a}"`, "*a": `"*a"`, "&a": `"&a"`, "!a": `"!a"`,
		`a\b`: `"a\\b"`, "ü": `"ü"`,
	} {
		name := strings.ToLower(fmt.Sprintf("c%x", typed))
		typeLine(t, home, "credential", "add", name, "--kind", "basic", "--set", "username="+typed, "--secret", "env:USER", "--host", "a.example").done(t)
		_, entry, found := strings.Cut(text(t, filepath.Join(home, "credentials.yaml")), "\n  "+name+":\n")
		require.True(t, found)
		assert.Contains(t, strings.SplitN(entry, "\n", 3)[1], "username: "+written, typed)
		var read map[string]map[string]map[string]any
		require.NoError(t, yaml.Unmarshal([]byte(text(t, filepath.Join(home, "credentials.yaml"))), &read))
		if strings.HasPrefix(written, `"`) {
			assert.Equal(t, typed, read["credentials"][name]["username"])
		}
		assert.Contains(t, typeLine(t, home, "credential", "check", name).done(t), "works")
	}
}

// A new policy passes its own tests; where a template needs a credential, the command that adds
// it is told, and does.
func TestEveryTemplateCanBeUsed(t *testing.T) {
	t.Parallel()
	var all []struct {
		Name  string
		Needs []string
	}
	typeLine(t, t.TempDir(), "policy", "new", "--list", "-o", "json").into(t, &all)
	require.NotEmpty(t, all)
	for _, template := range all {
		t.Run(template.Name, func(t *testing.T) {
			t.Parallel()
			home := newHome(t)
			file := filepath.Join(home, "policies", "mine.yaml")
			first := typeLine(t, home, "policy", "new", "mine", "--from", template.Name)
			if len(template.Needs) > 0 {
				assert.Equal(t, 1, first.code)
				assert.Contains(t, first.err, "\nhint: add it first, with your own values: "+template.Needs[0])
				assert.NoFileExists(t, file)
				for _, need := range template.Needs {
					args := strings.Fields(strings.TrimPrefix(need, "sallyport "))
					typeWith(t, home, "secret-of-a-template", args...).done(t)
				}
				first = typeLine(t, home, "policy", "new", "mine", "--from", template.Name)
			}
			assert.Contains(t, first.done(t), "edit it, then `sallyport policy check`")
			assert.Contains(t, typeLine(t, home, "policy", "check").done(t), "policy mine is well-formed")
			before := text(t, file)
			again := typeLine(t, home, "policy", "new", "mine", "--from", template.Name)
			assert.Equal(t, 1, again.code)
			assert.Contains(t, again.err, "mine.yaml is there already")
			assert.Equal(t, before, text(t, file))
		})
	}
}

// An agent whose folder could not be written was given to nobody, and is revoked at once.
func TestAnAgentWhoseFolderFailsIsRevoked(t *testing.T) {
	t.Parallel()
	home := newHome(t)
	folder := filepath.Join(t.TempDir(), "builder")
	require.NoError(t, os.MkdirAll(filepath.Join(folder, "agent.key", "in the way"), 0o700))
	got := typeLine(t, home, "agent", "create", "--policy", "example", "--owner", "person:dana", "--name", "builder", "--out", folder, "--force")
	assert.Equal(t, 1, got.code)
	assert.Contains(t, got.err, "write identity: ")
	assert.NotContains(t, got.out, "created")
	var agents []struct{ Name, Status, Reason string }
	typeLine(t, home, "agent", "list", "-o", "json").into(t, &agents)
	require.Len(t, agents, 1)
	assert.Equal(t, "revoked", agents[0].Status)
	assert.Equal(t, "its identity folder could not be written", agents[0].Reason)
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	for _, e := range entries {
		assert.False(t, strings.HasPrefix(e.Name(), ".identity.new"), "nothing is left of what was staged: %s", e.Name())
	}
}

// The person who makes a home is its first owner, whatever their system calls them.
func TestTheFirstOwnerHasAName(t *testing.T) {
	t.Parallel()
	for user, want := range map[string]string{
		"dana": "dana", "Dana.Ito": "dana.ito", `ACME\dana`: "acme-dana", "dana@acme.example": "dana-acme.example", "_svc": "svc", "-x": "x", "..": "me", "名": "me", "d_1-2.3": "d_1-2.3",
	} {
		home := filepath.Join(t.TempDir(), "home")
		var out, complaints strings.Builder
		getenv := func(name string) string { return map[string]string{"SALLYPORT_HOME": home, "USER": user}[name] }
		require.Zero(t, sallyport.Run(t.Context(), []string{"init"}, getenv, strings.NewReader(""), &out, &complaints), complaints.String())
		typeLine(t, home, "policy", "check").done(t)
		typeLine(t, home, "agent", "create", "--policy", "example", "--owner", "person:"+want, "--out", filepath.Join(t.TempDir(), "a")).done(t)
	}
}

// A certificate, and the agent with it, ends when it was said to, by the clock of who looks.
func TestAnAgentEnds(t *testing.T) {
	t.Parallel()
	home := newHome(t)
	folder := newAgent(t, home, "builder")
	status := func(later time.Duration) string {
		var agent struct{ Status string }
		typeAt(t, time.Now().Add(later), home, "", "agent", "show", "builder", "-o", "json").into(t, &agent)
		return agent.Status
	}
	assert.Equal(t, "active", status(23*time.Hour))
	assert.Equal(t, "expired", status(25*time.Hour))
	resumed := typeAt(t, time.Now().Add(25*time.Hour), home, "", "agent", "resume", "builder")
	assert.Equal(t, 1, resumed.code)
	typeAt(t, time.Now().Add(25*time.Hour), home, "", "agent", "renew", "builder", "--out", folder, "--ttl", "1h").done(t)
	assert.Equal(t, "active", status(25*time.Hour+30*time.Minute))
	assert.Equal(t, "expired", status(27*time.Hour))
	typeAt(t, time.Now().Add(27*time.Hour), home, "", "agent", "renew", "builder", "--out", folder, "--ttl", "2d12h").done(t)
	assert.Equal(t, "active", status(86*time.Hour))
	assert.Equal(t, "expired", status(88*time.Hour))
	assert.Contains(t, text(t, filepath.Join(folder, "agent.json")), `"name": "builder"`)
}

// Every command has a page, and two runs write the same.
func TestManualPages(t *testing.T) {
	t.Parallel()
	one, two := filepath.Join(t.TempDir(), "man"), filepath.Join(t.TempDir(), "man")
	for _, dir := range []string{one, two} {
		assert.Empty(t, typeLine(t, t.TempDir(), "man", dir).err)
	}
	for _, c := range commands() {
		page := filepath.Join(one, strings.ReplaceAll(c.CommandPath(), " ", "-")+".1")
		assert.Contains(t, text(t, page), ".TH", c.CommandPath())
		assert.Equal(t, text(t, page), text(t, filepath.Join(two, filepath.Base(page))))
	}
}
