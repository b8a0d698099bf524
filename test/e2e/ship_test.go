package e2e_test

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
	"sallyport/audit/trail"
	"sallyport/test/rig"
)

// rsyslogConfig takes messages over TLS and keeps what is in them, a line each.
const rsyslogConfig = `
global(workDirectory="%[1]s" maxMessageSize="64k" DefaultNetstreamDriver="gtls" DefaultNetstreamDriverCAFile="%[2]s"
	DefaultNetstreamDriverCertFile="%[1]s/cert.pem" DefaultNetstreamDriverKeyFile="%[1]s/key.pem")
module(load="imtcp" StreamDriver.Name="gtls" StreamDriver.Mode="1" StreamDriver.AuthMode="anon")
input(type="imtcp" address="127.0.0.1" port="%[3]s")
template(name="lines" type="string" string="%%syslogfacility-text%% %%syslogseverity-text%% %%app-name%% %%msgid%%\t%%msg%%\n")
*.* action(type="omfile" file="%[1]s/messages" template="lines")
`

// TestShipToRsyslog ships a trail to a real syslog server over TLS.
func TestShipToRsyslog(t *testing.T) {
	full(t)
	t.Parallel()
	program, err := exec.LookPath("/usr/sbin/rsyslogd")
	if err != nil {
		missing(t, "rsyslogd (Debian: rsyslog, rsyslog-gnutls)")
	}
	dir := t.TempDir()
	binary, err := rig.Build(t.Context(), dir)
	require.NoError(t, err)
	home := &rig.Home{Binary: binary, Dir: filepath.Join(dir, "home")}
	_, err = home.Run(t.Context(), "init")
	require.NoError(t, err)
	const n = 1500
	writer, err := trail.Open(t.Context(), trail.Config{Path: filepath.Join(home.Dir, "state", "audit.db")})
	require.NoError(t, err)
	ids := map[string]bool{}
	for range n {
		in := &audit.Intent{ID: audit.NewID(), Who: audit.Who{AgentName: "größe"}, Path: "/a\nb"}
		ids[in.ID.String()] = true
		require.NoError(t, writer.Refused(t.Context(), in, &audit.Outcome{Outcome: audit.OutcomeRefused, Status: 403}))
	}
	require.NoError(t, writer.Close(context.Background()))

	roots, port := rsyslog(t, program, dir)
	_, err = home.Run(t.Context(), "audit", "ship", "--once", "--to", "syslog+tls://localhost:"+port, "--ca", roots)
	require.NoError(t, err)
	require.Eventually(t, func() bool { // it has read everything, and writes when it likes
		data, err := os.ReadFile(filepath.Join(dir, "messages"))
		return err == nil && strings.Count(string(data), `"id"`) >= n
	}, 20*time.Second, 50*time.Millisecond)
	data, err := os.ReadFile(filepath.Join(dir, "messages"))
	require.NoError(t, err)
	checkMessages(t, string(data), ids)
}

// checkMessages wants each exchange among the lines that rsyslog has written.
func checkMessages(t *testing.T, data string, ids map[string]bool) {
	t.Helper()
	for line := range strings.Lines(data) {
		header, message, _ := strings.Cut(line, "\t")
		if !strings.Contains(header, "sallyport") {
			continue // rsyslog's own
		}
		require.Regexp(t, "^[a-z0-9]+ warning sallyport exchange$", header)
		var x struct {
			ID        string `json:"id"`
			AgentName string `json:"agent_name"`
			Path      string `json:"path"`
		}
		require.NoError(t, json.Unmarshal([]byte(message), &x), message)
		assert.Equal(t, "größe", x.AgentName)
		assert.Equal(t, "/a\nb", x.Path)
		delete(ids, x.ID)
	}
	assert.Empty(t, ids, "every exchange has come")
}

// rsyslog starts the server and waits until it takes connections.
func rsyslog(t *testing.T, program, dir string) (roots, port string) {
	t.Helper()
	certificate, roots, err := rig.Certificate(dir, []string{"localhost"})
	require.NoError(t, err)
	key, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	require.NoError(t, err)
	var chain []byte
	for _, der := range certificate.Certificate {
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, data, 0o600))
		return path
	}
	write("cert.pem", chain)
	write("key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))
	address, err := rig.FreeAddress()
	require.NoError(t, err)
	_, port, err = net.SplitHostPort(address)
	require.NoError(t, err)
	config := write("rsyslog.conf", fmt.Appendf(nil, rsyslogConfig, dir, roots, port))
	cmd := exec.CommandContext(t.Context(), program, "-n", "-f", config, "-i", filepath.Join(dir, "pid")) //nolint:gosec // the server to test against
	cmd.Stderr = os.Stderr
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	require.Eventually(t, func() bool {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
		if err != nil {
			return false
		}
		return conn.Close() == nil
	}, 20*time.Second, 50*time.Millisecond)
	return roots, port
}
