package aws_test

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

// client is one agent with its own sidecar, folder and environment.
type client struct {
	t     *testing.T
	agent rig.Agent
	dir   string
	env   []string
}

// newClient enrols an agent under the policy, and starts its sidecar.
func newClient(t *testing.T, policy string) *client {
	t.Helper()
	name := strings.ToLower(strings.NewReplacer("/", "-", "_", "-", " ", "-").Replace(strings.TrimPrefix(t.Name(), "Test")))
	agent, err := shared.home.CreateAgent(t.Context(), policy, "person:dana", name)
	require.NoError(t, err)
	c := &client{t: t, agent: agent, dir: filepath.Join(agent.Dir, "home of client")}
	require.NoError(t, os.Mkdir(c.dir, 0o700))
	sidecar, err := shared.home.Sidecar(context.WithoutCancel(t.Context()), agent, shared.address)
	require.NoError(t, err)
	t.Cleanup(sidecar.Close)
	variables, err := shared.home.Environment(t.Context(), agent, sidecar.URL)
	require.NoError(t, err)
	c.env = append(variables, "PATH="+os.Getenv("PATH"), "HOME="+c.dir, "TMPDIR="+c.dir, "LANG=C.UTF-8", "AWS_REGION="+region, "AWS_DEFAULT_REGION="+region)
	return c
}

// run runs a program, which must succeed.
func (c *client) run(program string, args ...string) string {
	c.t.Helper()
	out, err := c.try(program, args...)
	log := shared.server.Log()
	require.NoError(c.t, err, "%s %q\n%s\nserver: %s", program, args, out, log[max(0, len(log)-4000):])
	return out
}

// try runs a program; no secret may be in what it writes.
func (c *client) try(program string, args ...string) (string, error) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Env, cmd.WaitDelay = c.dir, c.env, 5*time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	for _, s := range shared.servers {
		assert.Empty(c.t, rig.Find(out.Bytes(), s.secret), "the agent sees a secret")
	}
	return out.String(), err
}

// exchanges are the agent's rows, once all are ended.
func (c *client) exchanges() []rig.Exchange {
	c.t.Helper()
	var mine []rig.Exchange
	require.Eventually(c.t, func() bool {
		all, err := shared.home.Trail(c.t.Context())
		require.NoError(c.t, err)
		mine = nil
		for _, e := range all {
			if e.Agent == c.agent.ID {
				mine = append(mine, e)
			}
			if e.EndedAt == nil {
				return false
			}
		}
		return true
	}, 20*time.Second, 200*time.Millisecond)
	return mine
}

// injected sees that every request of the agent left with the credential, and was
// answered.
func (c *client) injected(credential string) {
	c.t.Helper()
	rows := c.exchanges()
	require.NotEmpty(c.t, rows)
	for _, row := range rows {
		require.NotNil(c.t, row.Credential, row.Path)
		assert.Equal(c.t, credential, *row.Credential)
		require.NotNil(c.t, row.Outcome)
		assert.Equal(c.t, "completed", *row.Outcome, row.Path)
	}
}

// find returns the program's path.
func find(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err := missing(program, err); err != nil {
		notInstalled(t, err)
	}
	return path
}

func notInstalled(t *testing.T, err error) {
	t.Helper()
	if os.Getenv("REQUIRE_CLIENTS") == "1" {
		t.Fatal(err)
	}
	t.Skip(err)
}

// need returns the server of that name.
func need(t *testing.T, name string) *server {
	t.Helper()
	s := shared.servers[name]
	if s == nil {
		notInstalled(t, errMissing)
	}
	return s
}
