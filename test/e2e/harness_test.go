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
)

// harness is an agent that people run, under `sallyport run` with a policy from its template
// and nothing set for it.
type harness struct {
	*client
	policy, name string
}

// newHarness makes the harness's home, in which it works too.
func newHarness(t *testing.T, policy string) *harness {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "home of harness")
	require.NoError(t, os.Mkdir(dir, 0o700))
	name := strings.ToLower(strings.NewReplacer("/", "-", "_", "-").Replace(strings.TrimPrefix(t.Name(), "Test")))
	return &harness{
		client: &client{t: t, dir: dir, env: []string{
			"SALLYPORT_HOME=" + shared.home.Dir, "PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + dir, "LANG=C.UTF-8", "TERM=xterm",
		}},
		policy: policy, name: name,
	}
}

// start runs the harness as an agent of this name, and finds who that was.
func (h *harness) start(program string, args ...string) (string, error) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), 3*time.Minute)
	defer cancel()
	argv := append([]string{"run", "--policy", h.policy, "--owner", "person:dana", "--name", h.name, "--", program}, args...)
	cmd := exec.CommandContext(ctx, shared.home.Binary, argv...)
	cmd.Dir, cmd.Env, cmd.WaitDelay = h.dir, h.env, 5*time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	holdsNoSecret(h.t, out.Bytes())
	require.NoError(h.t, shared.home.RunJSON(h.t.Context(), &h.agent, "agent", "show", h.name))
	return out.String(), err
}

// tools is what the model asks for: git, gh and curl go out as the agent, and a refusal says why.
const tools = "<<git clone -q https://github.com/acme/web && ls web; gh api repos/acme/web --jq .full_name; " +
	"curl -sS https://api.service.test/echo?tool; curl -sS https://api.service.test/closed/door>>"

// toolRows is what the trail says of them.
func toolRows() []row {
	return []row{
		{"POST", "github.com", "/acme/web/git-upload-pack", "read", "acme", 200},
		{"GET", "api.github.com", "/repos/acme/web", "read", "acme", 200},
		{"GET", apiHost, "/echo", "api", "api", 200},
		{"GET", apiHost, "/closed/door", "closed", "", 403},
	}
}

func TestClaudeCode(t *testing.T) {
	full(t)
	t.Parallel()
	claude := find(t, "claude")
	h := newHarness(t, "claude-code")
	out, err := h.start(claude, "-p", "Please run "+tools, "--allowedTools", "Bash")
	require.NoError(t, err, out)
	assert.Contains(t, out, "It said: ", "the model's answer arrives")
	assert.Contains(t, out, "acme/web")
	assert.Contains(t, out, `"query":"tool"`)
	assert.Contains(t, out, "rule closed denies this request", "a refusal's reason reaches the model")
	h.recorded(append(toolRows(), row{"POST", anthropicHost, "/v1/messages", "model", "anthropic", 200})...)
}

// Codex speaks to its model by a WebSocket, and by events where the policy has no WEBSOCKET.
func TestCodex(t *testing.T) {
	full(t)
	t.Parallel()
	codex := find(t, "codex")
	for policy, spoken := range map[string]row{
		"codex":        {"WEBSOCKET", openaiHost, "/v1/responses", "model", "openai", 101},
		"codex-events": {"POST", openaiHost, "/v1/responses", "model", "openai", 200},
	} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, policy)
			out, err := h.start(codex, "exec", "-m", "gpt-5", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", "Please run "+tools)
			require.NoError(t, err, out)
			assert.Contains(t, out, "It said: ", "the model's answer arrives")
			assert.Contains(t, out, `"query":"tool"`)
			assert.Contains(t, out, "rule closed denies this request", "a refusal's reason reaches the model")
			h.recorded(append(toolRows(), spoken)...)
		})
	}
}

func TestGemini(t *testing.T) {
	full(t)
	t.Parallel()
	h := newHarness(t, "gemini")
	out, err := h.start(find(t, "gemini"), "--yolo", "--skip-trust", "-p", "Please run "+tools)
	require.NoError(t, err, out)
	assert.Contains(t, out, "It said: ")
	h.recorded(toolRows()...)
	rows, err := shared.home.Trail(t.Context())
	require.NoError(t, err)
	streams := 0
	for _, x := range rows { // of which model, the harness decides
		one := rowOf(x)
		if x.Agent == h.agent.ID && strings.HasSuffix(one.path, ":streamGenerateContent") {
			assert.Equal(t, row{"POST", geminiHost, one.path, "model", "gemini", 200}, one)
			streams++
		}
	}
	assert.Positive(t, streams)
}

func TestOpencode(t *testing.T) {
	full(t)
	t.Parallel()
	h := newHarness(t, "opencode")
	out, err := h.start(find(t, "opencode"), "run", "-m", "anthropic/claude-sonnet-4-5", "Please run "+tools)
	require.NoError(t, err, out)
	assert.Contains(t, out, "It said: ")
	h.recorded(append(toolRows(), row{"POST", anthropicHost, "/v1/messages", "anthropic", "anthropic", 200})...)
}

// What a policy without the model refuses is said once, in words, and not tried again and again.
func TestHarnessesShowWhyTheyAreRefused(t *testing.T) {
	full(t)
	t.Parallel()
	for program, args := range map[string][]string{
		"claude": {"-p", "hi"},
		"codex":  {"exec", "-m", "gpt-5", "--skip-git-repo-check", "hi"},
	} {
		t.Run(program, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, "e2e")
			out, err := h.start(find(t, program), args...)
			require.Error(t, err, out)
			assert.Contains(t, out, "no rule of policy e2e allows this request")
		})
	}
}
