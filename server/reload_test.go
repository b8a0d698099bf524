package server_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/admin"
	"sallyport/audit"
	"sallyport/server"
)

// A reload by a person says whether other files are in force, and the trail says who asked;
// what is wrong leaves those before in force.
func TestReloadsAreOnRecord(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.serve(t, server.ServeOptions{})
	c := w.client(t)
	same, err := c.Reload(t.Context())
	require.NoError(t, err)
	assert.False(t, same.Changed)
	assert.EqualValues(t, 1, same.Generation)

	w.write(t, "policies/p.yaml", "policy: p\nrulez: []\n")
	_, err = c.Reload(t.Context())
	refused, ok := errors.AsType[*admin.Error](err)
	require.True(t, ok, "%v", err)
	assert.Equal(t, admin.Invalid, refused.Kind)
	assert.Contains(t, refused.Msg, "p.yaml:2: rulez: unknown key")
	assert.Equal(t, "generation 1 stays in force until this is mended", refused.Try)
	w.agent(t, "a").served(t)

	w.write(t, "policies/p.yaml", denyingFile)
	next, err := c.Reload(t.Context())
	require.NoError(t, err)
	assert.EqualValues(t, 2, next.Generation)
	var files []string
	for _, f := range next.Files {
		files = append(files, f.Path)
	}
	assert.Contains(t, files, "policies/p.yaml")

	kept := w.events(t, audit.TypeConfigurationKept)
	require.NotEmpty(t, kept)
	assert.Equal(t, "command", kept[0].Payload["source"])
	assert.Equal(t, "socket", kept[0].Payload["via"])
	assert.EqualValues(t, os.Geteuid(), kept[0].Payload["uid"])
	assert.Nil(t, kept[0].Payload["error"], "nothing was wrong")
	said := false
	for _, e := range kept {
		text, _ := e.Payload["error"].(string)
		said = said || text != ""
	}
	assert.True(t, said, "what was wrong is on record")
	loaded := w.events(t, audit.TypeConfigurationLoaded)
	require.Len(t, loaded, 2)
	assert.EqualValues(t, 2, loaded[1].Payload["generation"])
}

// Files that are saved come into force without a command.
func TestFilesThatChangeComeIntoForce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	r := w.serve(t, server.ServeOptions{})
	a := w.agent(t, "a")
	w.write(t, "policies/p.yaml", denyingFile)
	r.log.until(t, `msg="configuration loaded" source=change generation=2`)
	status, _ := a.get(t, "/")
	assert.Equal(t, http.StatusForbidden, status)
	w.write(t, "policies/p.yaml", "no policy")
	r.log.until(t, `msg="configuration not loaded; the last good one stays in force" source=change generation=2`)
	w.write(t, "policies/p.yaml", denyingFile)
	r.log.until(t, `msg="configuration is again what is in force" source=change generation=2`)
}

func TestAReloadCutsWhatIsNotAllowedAnyMore(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.serve(t, server.ServeOptions{})
	end := w.agent(t, "a").hold(t, "/held")
	w.write(t, "policies/p.yaml", denyingFile)
	begun := time.Now()
	_, err := w.client(t).Reload(t.Context())
	require.NoError(t, err)
	_, err = end()
	require.Error(t, err)
	assert.Less(t, time.Since(begun), 2*time.Second)
	assert.Equal(t, audit.OutcomeRevoked, w.ended(t, "/held").Outcome.Outcome)
}

// listens is the certificate that agents see.
func listens(t *testing.T, a *agent) *x509.Certificate {
	t.Helper()
	conn, err := tls.Dial("tcp", a.Proxy, a.trip.TLSClientConfig)
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	return conn.ConnectionState().PeerCertificates[0]
}

// The listener's certificate has the names that the file says, and is issued anew at half of
// its life, whichever reload comes then.
func TestTheListenersCertificateFollowsTheFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.serve(t, server.ServeOptions{})
	a := w.agent(t, "a")
	first := listens(t, a)
	require.NoError(t, first.VerifyHostname("127.0.0.1"))
	require.Error(t, first.VerifyHostname("gateway.test"))
	assert.Equal(t, "spiffe://agents.test/sallyport", first.URIs[0].String())
	reload := func() {
		t.Helper()
		w.write(t, "policies/p.yaml", fmt.Sprintf("%s# %d\n", policyFile, time.Now().UnixNano()))
		_, err := w.client(t).Reload(t.Context())
		require.NoError(t, err)
	}
	reload()
	assert.Equal(t, first.SerialNumber, listens(t, a).SerialNumber)
	w.configure(t, "listen: 127.0.0.1:0\nnames: [gateway.test]\n")
	reload()
	named := listens(t, a)
	require.NoError(t, named.VerifyHostname("gateway.test"))
	w.later.Store(int64(first.NotAfter.Sub(first.NotBefore)/2 + time.Hour))
	reload()
	renewed := leaf(t, a)
	assert.NotEqual(t, named.SerialNumber, renewed.SerialNumber)
	assert.True(t, renewed.NotAfter.After(named.NotAfter))
}

// leaf is the listener's certificate as it is shown, to whoever asks.
func leaf(t *testing.T, a *agent) *x509.Certificate {
	t.Helper()
	var shown *x509.Certificate
	c := a.trip.TLSClientConfig.Clone()
	c.InsecureSkipVerify = true // the agent's clock is not the server's, which was put forward
	c.VerifyConnection = func(s tls.ConnectionState) error {
		shown = s.PeerCertificates[0]
		return nil
	}
	conn, err := tls.Dial("tcp", a.Proxy, c)
	if err == nil {
		_ = conn.Close()
	}
	require.NotNil(t, shown, "%v", err)
	return shown
}

// An agent without an owner goes on for the grace that the file gives, by the server's clock.
func TestAnAgentOutlivesItsOwnerByAGrace(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "owners: {grace: 1h}\n")
	r := w.serve(t, server.ServeOptions{})
	w.agent(t, "a")
	status := func() string {
		got, err := w.client(t).Agent(t.Context(), "a")
		require.NoError(t, err)
		return got.Status
	}
	w.write(t, "owners.yaml", "people: {eve: {name: Eve Lo}}\n")
	got, err := w.client(t).Reload(t.Context())
	require.NoError(t, err)
	require.Len(t, got.Warnings, 1)
	assert.Contains(t, got.Warnings[0], "person:dana is not there and owns 1 live agent (a)")
	require.Eventually(t, func() bool { return len(w.events(t, audit.TypeOwnerMissing)) == 1 }, patience, time.Millisecond)
	assert.Equal(t, "active", status())
	r.shut(t)

	w.later.Store(int64(30 * time.Minute)) // the grace goes on where it was
	r = w.serve(t, server.ServeOptions{})
	assert.Equal(t, "active", status())
	assert.Len(t, w.events(t, audit.TypeOwnerMissing), 1)
	r.shut(t)
	w.later.Store(int64(time.Hour))
	w.serve(t, server.ServeOptions{})
	require.Eventually(t, func() bool { return len(w.events(t, audit.TypeAgentSuspended)) == 1 }, patience, time.Millisecond)
	assert.Equal(t, "suspended", status())
	assert.Equal(t, "server", w.events(t, audit.TypeAgentSuspended)[0].Payload["via"])
}

// A home that is a checkout says which commit decides, and whether it is all of that commit.
func TestTheCommitOfTheFilesIsOnRecord(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	git := func(args ...string) {
		cmd := exec.CommandContext(t.Context(), "git", append([]string{"-C", w.layout.Dir, "-c", "user.name=Dana Ito", "-c", "user.email=dana@example.com"}, args...)...)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
	}
	git("init", "-q")
	git("add", "sallyport.yaml", "owners.yaml", "credentials.yaml", "policies")
	git("commit", "-q", "-m", "first")
	w.serve(t, server.ServeOptions{})
	w.write(t, "policies/p.yaml", denyingFile)
	_, err := w.client(t).Reload(t.Context())
	require.NoError(t, err)
	require.Eventually(t, func() bool { return len(w.events(t, audit.TypeConfigurationLoaded)) == 2 }, patience, time.Millisecond)
	loaded := w.events(t, audit.TypeConfigurationLoaded)
	clean, _ := loaded[0].Payload["git"].(map[string]any)
	assert.Equal(t, true, clean["clean"])
	assert.Equal(t, "Dana Ito <dana@example.com>", clean["author"])
	edited, _ := loaded[1].Payload["git"].(map[string]any)
	assert.Equal(t, clean["commit"], edited["commit"])
	assert.Equal(t, false, edited["clean"])
	assert.Equal(t, []any{"policies/p.yaml"}, edited["changed"])
	assert.Nil(t, edited["author"], "nobody has committed what decides")
}

// More files than an event has room for are told in several, before the one that counts them.
func TestManyFilesAreToldInSeveralEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	const more = 250
	for i := range more {
		w.write(t, fmt.Sprintf("policies/n%d.yaml", i), fmt.Sprintf("policy: n%d\nrules: []\n", i))
	}
	w.serve(t, server.ServeOptions{}).shut(t)
	told := map[string]bool{}
	parts := w.events(t, audit.TypeConfigurationFiles)
	require.Len(t, parts, 2)
	for _, e := range parts {
		files, _ := e.Payload["files"].(map[string]any)
		for path := range files {
			told[path] = true
		}
	}
	assert.Len(t, told, more+5, "four more of the home, and the roots of the upstream")
	loaded := w.events(t, audit.TypeConfigurationLoaded)
	require.Len(t, loaded, 1)
	assert.EqualValues(t, more+5, loaded[0].Payload["files_total"])
	assert.Nil(t, loaded[0].Payload["files"])
	assert.Greater(t, loaded[0].Seq, parts[1].Seq)
}
