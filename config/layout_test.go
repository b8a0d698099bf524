package config_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/config"
)

// Other programs open these files by name: backups, log shippers, whoever watches a certificate.
func TestWhereThingsAreKept(t *testing.T) {
	t.Parallel()
	l := config.Layout{Dir: "/home"}
	agentCert, agentKey := l.AgentCA()
	interceptionCert, interceptionKey := l.InterceptionCA()
	for want, got := range map[string]string{
		"sallyport.yaml": l.Config(), "owners.yaml": l.Owners(), "credentials.yaml": l.Credentials(),
		"policies": l.Policies(), "policies/a.yaml": l.Policy("a"),
		"state": l.State(), "state/audit.db": l.Trail(), "state/identity.db": l.Registry(), "state/admin.sock": l.Socket(), "state/lock": l.Lock(),
		"state/trail.key": l.TrailKey(), "state/trail.key.pub": l.TrailPublicKey(), "state/fingerprint.key": l.FingerprintKey(),
		"state/ca": l.CAs(), "state/ca/agent-ca.crt": agentCert, "state/ca/agent-ca.key": agentKey,
		"state/ca/interception-ca.crt": interceptionCert, "state/ca/interception-ca.key": interceptionKey,
		".restoring": l.Staging(),
	} {
		assert.Equal(t, "/home/"+want, got)
	}
	assert.Equal(t, "/a/.home.restoring", config.Layout{Dir: "/a/home"}.StagingBeside())
}

// The state folder and the one of the authorities are private folders, or nothing is opened.
func TestAStateFolderThatIsNone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		make func(*testing.T, config.Layout)
		want string
	}{
		"a file in its place": {
			func(t *testing.T, l config.Layout) { write(t, l, "state", "") },
			"state: not a folder; move it away and run `sallyport init`",
		},
		"authorities in a file": {
			func(t *testing.T, l config.Layout) {
				require.NoError(t, os.Mkdir(l.State(), 0o700))
				write(t, l, "state/ca", "")
			},
			"state/ca: not a folder",
		},
		"without authorities": {
			func(t *testing.T, l config.Layout) { require.NoError(t, os.Mkdir(l.State(), 0o700)) },
			"state/ca: no such folder; run `sallyport init`",
		},
		"open to read": {
			func(t *testing.T, l config.Layout) {
				require.NoError(t, os.MkdirAll(l.CAs(), 0o700))
				require.NoError(t, os.Chmod(l.State(), 0o704))
			},
			"state: other users may enter it (mode 0704); chmod 700 ",
		},
		"a link that leads in a circle": {
			func(t *testing.T, l config.Layout) { require.NoError(t, os.Symlink("state", l.State())) },
			"look at ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := config.Layout{Dir: t.TempDir()}
			c.make(t, l)
			require.ErrorContains(t, l.CheckState(), c.want)
		})
	}
}

// A home on a volume is reached by a link, and is private all the same.
func TestAStateFolderBehindALink(t *testing.T) {
	t.Parallel()
	l := config.Layout{Dir: t.TempDir()}
	volume := filepath.Join(t.TempDir(), "volume")
	require.NoError(t, os.MkdirAll(filepath.Join(volume, "ca"), 0o700))
	require.NoError(t, os.Symlink(volume, l.State()))
	require.NoError(t, l.CheckState())
	require.NoError(t, os.Chmod(volume, 0o750))
	require.ErrorContains(t, l.CheckState(), "other users may enter it (mode 0750)")
}

// A file where HOME should be is for whoever opens it to refuse, not half a home.
func TestAFileIsNotHalfAHome(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "home")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.NoError(t, config.Layout{Dir: file}.CheckWhole())
}

func TestNamesOfTheListener(t *testing.T) {
	t.Parallel()
	for listen, want := range map[string][]string{
		"127.0.0.1:8443":                  {"localhost", "127.0.0.1", "::1", "gw.example"},
		":8443":                           {"localhost", "127.0.0.1", "::1", "gw.example"},
		"0.0.0.0:8443":                    {"localhost", "127.0.0.1", "::1", "gw.example"},
		"\"[::]:8443\"":                   {"localhost", "127.0.0.1", "::1", "gw.example"},
		"10.0.0.7:8443":                   {"localhost", "127.0.0.1", "::1", "gw.example", "10.0.0.7"},
		"GW.example:8443":                 {"localhost", "127.0.0.1", "::1", "gw.example"},
		"other.example:0":                 {"localhost", "127.0.0.1", "::1", "gw.example", "other.example"},
		"\"[2001:db8:0:0:0:0:0:1]:8443\"": {"localhost", "127.0.0.1", "::1", "gw.example", "2001:db8::1"},
	} {
		l := config.Layout{Dir: t.TempDir()}
		write(t, l, "sallyport.yaml", "trust_domain: a.example\nnames: [gw.example]\nlisten: "+listen+"\n")
		c, err := config.LoadConfig(l)
		require.NoError(t, err, listen)
		assert.Equal(t, want, c.ListenerNames(), listen)
	}
}
