package e2e_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/test/rig"
)

// client is one agent with its own sidecar, home folder and environment.
type client struct {
	t     *testing.T
	agent rig.Agent
	proxy string   // the sidecar's URL
	dir   string   // working and home folder
	env   []string // what its programs get, whole
}

// full skips what does not belong into every go test.
func full(t *testing.T) {
	t.Helper()
	if os.Getenv("E2E") != "full" {
		t.Skip("E2E=full runs this (make e2e)")
	}
}

// find returns the program's path; a missing one skips or fails. Programs that
// install-clients.sh has put beside the checkout come first.
func find(t *testing.T, program string) string {
	t.Helper()
	installed, err := filepath.Glob(filepath.Join("..", "..", ".cache", "clients", "node_modules", "*", "bin", program))
	require.NoError(t, err)
	harness := filepath.Join("..", "..", ".cache", "clients", "node_modules", ".bin", program)
	for _, candidate := range append(installed, harness, program) {
		if path, err := exec.LookPath(candidate); err == nil {
			path, err = filepath.Abs(path)
			require.NoError(t, err)
			return path
		}
	}
	missing(t, program)
	return ""
}

func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("REQUIRE_CLIENTS") == "1" {
		t.Fatalf("%s is not installed: run test/e2e/install-clients.sh", what)
	}
	t.Skipf("%s is not installed", what)
}

// newClient enrols an agent named after the test and starts its sidecar.
func newClient(t *testing.T, sidecarFlags ...string) *client {
	t.Helper()
	return newClientOf(t, "e2e", sidecarFlags...)
}

// newClientOf is newClient under another policy.
func newClientOf(t *testing.T, policy string, sidecarFlags ...string) *client {
	t.Helper()
	return newClientNamed(t, policy, strings.TrimPrefix(t.Name(), "Test"), sidecarFlags...)
}

// newClientNamed is newClientOf for a test with several agents.
func newClientNamed(t *testing.T, policy, name string, sidecarFlags ...string) *client {
	t.Helper()
	name = strings.ToLower(strings.NewReplacer("/", "-", "_", "-", " ", "-").Replace(name))
	agent, err := shared.home.CreateAgent(t.Context(), policy, "person:dana", name)
	require.NoError(t, err)
	c := &client{t: t, agent: agent, dir: filepath.Join(agent.Dir, "home of client")}
	require.NoError(t, os.Mkdir(c.dir, 0o700))
	c.proxy = startSidecar(t, append([]string{"--proxy", shared.address, "--identity", agent.Dir}, sidecarFlags...)...)
	variables, err := shared.home.Environment(t.Context(), agent, c.proxy)
	require.NoError(t, err)
	c.env = append(variables, "PATH="+os.Getenv("PATH"), "HOME="+c.dir, "TMPDIR="+c.dir, "LANG=C.UTF-8")
	return c
}

// run runs a program and returns what it wrote; it must succeed.
func (c *client) run(program string, args ...string) string {
	c.t.Helper()
	out, err := c.try(program, args...)
	require.NoError(c.t, err, "%s %v\n%s\nserver: %s", program, args, out, shared.server.Log())
	return out
}

// try runs a program and returns what it wrote to both streams, in which no
// secret may be.
func (c *client) try(program string, args ...string) (string, error) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 90*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Env, cmd.WaitDelay = c.dir, c.env, 5*time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	holdsNoSecret(c.t, out.Bytes())
	return out.String(), err
}

// holdsNoSecret searches what an agent got for everything that it must not see.
func holdsNoSecret(t *testing.T, got []byte) {
	t.Helper()
	for _, secret := range shared.forbidden() {
		assert.Empty(t, rig.Find(got, secret), "the agent sees a secret")
	}
}

// goClient runs this test binary as a client.
func (c *client) goClient(mode, target string) string {
	c.t.Helper()
	binary, err := os.Executable()
	require.NoError(c.t, err)
	c.env = append(c.env, goClientMode+"="+mode)
	return c.run(binary, target)
}

// row is what the trail must say of a request.
type row struct {
	method, host, path, rule, credential string
	status                               int
}

// recorded waits until the agent's trail holds each row, with the expected end.
func (c *client) recorded(want ...row) {
	c.t.Helper()
	for _, w := range want {
		require.Eventually(c.t, func() bool {
			rows, err := shared.home.Trail(c.t.Context())
			require.NoError(c.t, err)
			for _, x := range rows {
				if x.Agent == c.agent.ID && w == rowOf(x) {
					return true
				}
			}
			return false
		}, 10*time.Second, 50*time.Millisecond, "the trail lacks %+v of agent %s", w, c.agent.Name)
	}
}

func rowOf(x rig.Exchange) row {
	r := row{method: x.Method, host: x.Host, path: x.Path}
	if x.Rule != nil {
		r.rule = *x.Rule
	}
	if x.Credential != nil {
		r.credential = *x.Credential
	}
	if x.Status != nil && x.Outcome != nil {
		r.status = *x.Status
	}
	return r
}

// startSidecar runs a sidecar with the flags and returns its URL.
func startSidecar(t *testing.T, flags ...string) string {
	t.Helper()
	cmd := exec.CommandContext(context.Background(), shared.home.Binary, append([]string{"sidecar"}, flags...)...)
	log := &rig.Log{}
	cmd.Stderr = log
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	cmd.Stdout = w
	require.NoError(t, cmd.Start())
	w.Close()
	t.Cleanup(func() {
		assert.NoError(t, cmd.Process.Signal(os.Interrupt))
		assert.NoError(t, cmd.Wait(), "the sidecar ends in order: %s", log)
	})
	line := make([]byte, 256)
	require.NoError(t, r.SetReadDeadline(time.Now().Add(10*time.Second)))
	n, err := r.Read(line)
	require.NoError(t, err, "the sidecar printed no address: %s", log)
	return strings.TrimSpace(string(line[:n]))
}
