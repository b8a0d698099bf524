package config_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/config"
)

func TestCollect(t *testing.T) {
	t.Parallel()
	l := config.Layout{Dir: filepath.Join(t.TempDir(), "a [home]*")}
	outside := filepath.Join(t.TempDir(), "outside.key")
	for path, text := range map[string]string{
		l.Config(): "trust_domain: agents.test\nupstream: {roots: [root.pem, {file: more/root.pem, hosts: [a.example]}, /etc/no-such-root.pem]}\n",
		l.Owners(): "people: {}\n",
		l.Credentials(): "credentials:\n  a: {kind: bearer, secret: &s {file: a.key}, hosts: [a.example]}\n  b: {kind: github_app, private_key: {file: keys/b.pem}}\n" +
			"  c: {kind: bearer, secret: {file: " + outside + "}}\n  d: {kind: bearer, secret: {env: D_KEY}}\n  e: {kind: bearer, secret: *s}\n" +
			"  f: {kind: bearer, secret: {file: gone.key}, unknown: key}\n",
		l.Policy("one"):                             "policy: one\n",
		filepath.Join(l.Policies(), ".hidden"):      "x",
		filepath.Join(l.Dir, "root.pem"):            "root",
		filepath.Join(l.Dir, "more", "root.pem"):    "more",
		filepath.Join(l.Dir, "a.key"):               "a",
		filepath.Join(l.Dir, "keys", "b.pem"):       "b",
		filepath.Join(l.Dir, "notes.txt"):           "nobody refers to it",
		filepath.Join(l.CAs(), "agent-ca.key"):      "ca",
		l.FingerprintKey():                          "fingerprint",
		l.TrailKey():                                "never copied",
		filepath.Join(l.State(), "ship-siem.json"):  "{}",
		filepath.Join(l.State(), "audit.db"):        "copied as a database",
		filepath.Join(l.State(), "audit.db-writer"): "",
		outside: "c",
	} {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	b, err := config.Collect(l)
	require.NoError(t, err)
	names := func(list []config.Belonging) (names []string) {
		for _, one := range list {
			names = append(names, one.Path)
		}
		return names
	}
	assert.ElementsMatch(t, []string{"sallyport.yaml", "owners.yaml", "credentials.yaml", "policies/one.yaml", "root.pem", "more/root.pem", "state/ship-siem.json"}, names(b.Files))
	assert.ElementsMatch(t, []string{"a.key", "keys/b.pem", "state/fingerprint.key", "state/ca/agent-ca.key"}, names(b.Secrets))
	assert.ElementsMatch(t, []string{
		"file of roots /etc/no-such-root.pem", "secret file " + outside, "environment variable D_KEY",
		"secret file " + filepath.Join(l.Dir, "gone.key") + " (no such file or directory)",
	}, b.Outside)

	require.NoError(t, os.WriteFile(l.Credentials(), []byte("credentials: [\n"), 0o600))
	_, err = config.Collect(l)
	require.ErrorContains(t, err, l.Credentials()+": what it refers to is not known")
}
