package config_test

import (
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/certs"
	"sallyport/config"
)

// A file that cannot be read as one says why, beside all that is wrong with the others.
func TestFilesThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(*testing.T, config.Layout)
		want  string
	}{
		"no folder of policies": {
			func(t *testing.T, l config.Layout) { require.NoError(t, os.RemoveAll(l.Policies())) },
			"policies: no such file; run `sallyport init` to get an example",
		},
		"policies is a file": {
			func(t *testing.T, l config.Layout) {
				require.NoError(t, os.RemoveAll(l.Policies()))
				write(t, l, "policies", "policy: p\n")
			},
			"read HOME/policies: not a directory",
		},
		"a link to nowhere": {
			func(t *testing.T, l config.Layout) { require.NoError(t, os.Symlink("gone.yaml", l.Policy("q"))) },
			"policies/q.yaml: no such file; remove the dangling link",
		},
		"a pipe": {
			func(t *testing.T, l config.Layout) {
				require.NoError(t, os.Remove(l.Owners()))
				require.NoError(t, syscall.Mkfifo(l.Owners(), 0o600))
			},
			"owners.yaml: not a regular file",
		},
		"without an end": {
			func(t *testing.T, l config.Layout) { require.NoError(t, os.Truncate(l.Policy("p"), 1<<40)) },
			"policies/p.yaml: larger than 16 MiB",
		},
		"an endless device": {
			func(t *testing.T, l config.Layout) {
				require.NoError(t, os.Remove(l.Credentials()))
				require.NoError(t, os.Symlink("/dev/zero", l.Credentials()))
			},
			"credentials.yaml: not a regular file",
		},
		"roots in a folder": {
			func(t *testing.T, l config.Layout) {
				write(t, l, "sallyport.yaml", "trust_domain: agents.example.com\nupstream: {roots: [policies]}\n")
			},
			"sallyport.yaml:2: upstream.roots[0]: HOME/policies: not a regular file",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := files(t, nil)
			c.spoil(t, l)
			_, err := config.Load(l, options())
			require.Error(t, err)
			assert.Contains(t, strings.ReplaceAll(err.Error(), l.Dir, "HOME"), c.want)
		})
	}
}

func TestAHomeThatIsEmptySaysWhatToDo(t *testing.T) {
	t.Parallel()
	l := config.Layout{Dir: t.TempDir()}
	_, err := config.Load(l, options())
	require.EqualError(t, err, strings.ReplaceAll("HOME/sallyport.yaml: no such file; run `sallyport init`, or check --home\n"+
		"HOME/owners.yaml: no such file; run `sallyport init` to get an example\n"+
		"HOME/credentials.yaml: no such file; run `sallyport init` to get an example; `credentials: {}` is enough\n"+
		"HOME/policies: no such file; run `sallyport init` to get an example", "HOME", l.Dir))
	_, err = config.LoadConfig(l)
	require.ErrorContains(t, err, "run `sallyport init`, or check --home")
	_, err = config.OpenStore(l, options())
	require.ErrorContains(t, err, "owners.yaml: no such file", "a store begins with files that are right")
	_, err = config.Collect(l)
	require.ErrorContains(t, err, "policies: no such file")
}

// Roots are certificates alone: a key would be in the wrong place, and where nothing is found
// nobody would be trusted.
func TestFilesOfRoots(t *testing.T) {
	t.Parallel()
	ca, err := certs.CreateAuthority(certs.Template{CommonName: "root"}, time.Now())
	require.NoError(t, err)
	good := string(ca.CertificatePEM())
	key := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("key")}))
	broken := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("no certificate")}))
	for name, c := range map[string]struct{ text, want string }{
		"one":                      {good, ""},
		"two, and words between":   {"the old one\n" + good + "the new one\n" + good, ""},
		"behind a byte order mark": {"\xef\xbb\xbf" + good, ""},
		"a key beside":             {good + key, "holds a PRIVATE KEY; keep only certificates in it"},
		"no certificate in it":     {good + broken, "certificate 2 cannot be read: "},
		"nothing":                  {"", "holds no certificate; it must be PEM"},
		"another form":             {"MIIB", "holds no certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := files(t, map[string]string{"sallyport.yaml": "trust_domain: agents.example.com\nupstream: {roots: [{file: root.pem, hosts: [\"*.example.com\", a.test]}]}\n", "root.pem": c.text})
			if c.text == "" {
				write(t, l, "root.pem", "")
			}
			set, err := config.Load(l, options())
			if c.want != "" {
				require.ErrorContains(t, err, l.Config()+":2: upstream.roots[0]: "+filepath.Join(l.Dir, "root.pem")+": "+c.want)
				return
			}
			require.NoError(t, err)
			require.Len(t, set.Config.Upstream.Roots, 1)
			assert.Len(t, set.Config.Upstream.Roots[0].Hosts, 2)
			assert.True(t, strings.HasSuffix(string(set.Config.Upstream.Roots[0].PEM), good))
		})
	}
}

// Another text of credentials.yaml is tried in its place, before anybody writes it.
func TestCredentialsAreTriedBeforeTheyAreWritten(t *testing.T) {
	t.Parallel()
	l := files(t, nil)
	set, err := config.LoadWith(l, options(), []byte("credentials:\n  key: {kind: bearer, secret: {file: key}, hosts: [api.example.com]}\n  more: {kind: bearer, secret: {file: key}, hosts: [b.example]}\n"))
	require.NoError(t, err)
	assert.Equal(t, []string{"key", "more"}, set.Credentials.Names())
	set, err = config.Load(l, options())
	require.NoError(t, err)
	assert.Equal(t, []string{"key"}, set.Credentials.Names(), "the file is as it was")

	_, err = config.LoadWith(l, options(), []byte("credentials: {}\n"))
	require.ErrorContains(t, err, `rules[r].credential: credentials.yaml has no credential "key"; it has none yet`)
	_, err = config.LoadWith(l, options(), []byte("credentials: [\n"))
	require.ErrorContains(t, err, l.Credentials()+":")
	write(t, l, "sallyport.yaml", "listen: x\n")
	_, err = config.LoadWith(l, options(), []byte("credentials: {}\n"))
	require.ErrorContains(t, err, "sallyport.yaml:1: listen: ")
	require.NoError(t, os.Remove(l.Owners()))
	_, err = config.LoadWith(l, options(), nil)
	require.ErrorContains(t, err, "owners.yaml: no such file")
}

// What is allowed and takes a protection away is said, every time.
func TestSettingsThatAreWarnedOf(t *testing.T) {
	t.Parallel()
	l := files(t, map[string]string{
		"sallyport.yaml": "trust_domain: agents.example.com\nupstream: {allow_networks: [0.0.0.0/0, \"::/0\", 10.0.0.0/8, {network: 0.0.0.0/0, hosts: [a.example]}]}\n",
		"owners.yaml":    "people:\n  dana: {name: Dana}\nteams:\n  web: {members: [dana]}\n",
		"policies/p.yaml": "policy: p\nrules:\n  - {name: one, allow: {host: api.example.com}, credential: key}\n" +
			"  - {name: two, allow: {host: \"*.example.com\"}}\n",
	})
	set, err := config.Load(l, options())
	require.NoError(t, err)
	all := strings.Join(set.Warnings, "\n")
	for _, want := range []string{
		"upstream.allow_networks: 0.0.0.0/0 lets every agent reach every private address, cloud metadata included",
		"upstream.allow_networks: ::/0 lets every agent",
		l.Owners() + ": ", "teams.web has no fallback",
		l.Policy("p") + ":",
	} {
		assert.Contains(t, all, want)
	}
	assert.Equal(t, 2, strings.Count(all, "lets every agent"), "a range for some hosts is no such thing")
}
