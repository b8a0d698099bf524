package e2e_test

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/test/rig"
)

// echoed is what the service saw of a request.
type echoed struct {
	Method, Protocol, Query, SHA256 string
	Bytes                           int64
}

func readEcho(t *testing.T, text string) echoed {
	t.Helper()
	var e echoed
	require.NoError(t, json.Unmarshal([]byte(text), &e), text)
	return e
}

// randomFile writes n random bytes and returns the path and their hash.
func (c *client) randomFile(n int) (path, sum string) {
	c.t.Helper()
	data := make([]byte, n)
	_, _ = rand.Read(data)
	path = filepath.Join(c.dir, "random file")
	require.NoError(c.t, os.WriteFile(path, data, 0o600))
	hash := sha256.Sum256(data)
	return path, hex.EncodeToString(hash[:])
}

func TestCurl(t *testing.T) {
	t.Parallel()
	curl := find(t, "curl")
	c := newClient(t)
	url := "https://" + apiHost

	got := readEcho(t, c.run(curl, "-sS", "--fail-with-body", url+"/echo?a=%2F;b&a"))
	assert.Equal(t, echoed{Method: "GET", Protocol: "HTTP/2.0", Query: "a=%2F;b&a", SHA256: hex.EncodeToString(sha256.New().Sum(nil))}, got)
	got = readEcho(t, c.run(curl, "-sS", "--fail-with-body", "--http1.1", "-d", "{}", "-H", "Authorization: Bearer sallyport-placeholder", url+"/echo"))
	assert.Equal(t, "POST", got.Method)
	assert.EqualValues(t, 2, got.Bytes)
	c.recorded(row{"GET", apiHost, "/echo", "api", "api", 200}, row{"POST", apiHost, "/echo", "api", "api", 200})

	file, sum := c.randomFile(3 << 20)
	for _, protocol := range []string{"--http1.1", "--http2"} {
		// On HTTP/1.1 curl asks with Expect: 100-continue before it sends so much.
		got = readEcho(t, c.run(curl, "-sS", "--fail-with-body", protocol, "-T", file, url+"/echo"))
		assert.Equal(t, sum, got.SHA256)
		got = readEcho(t, c.run(curl, "-sS", "--fail-with-body", protocol, "-X", "POST", "-H", "Transfer-Encoding: chunked", "-T", file, url+"/echo"))
		assert.Equal(t, sum, got.SHA256, "without a length")
	}
	assert.Equal(t, "data: 0\n\ndata: 1\n\ndata: 2\n\n", c.run(curl, "-sS", "-N", url+"/events"))
	assert.Equal(t, "8388608", c.run(curl, "-sS", "-o", os.DevNull, "-w", "%{size_download}", url+"/large"))
	assert.Equal(t, "moved", readEcho(t, c.run(curl, "-sS", "-L", url+"/moved")).Query)
}

func TestCurlIsRefused(t *testing.T) {
	t.Parallel()
	curl := find(t, "curl")
	c := newClient(t)
	out := c.run(curl, "-sS", "-w", "%{http_code}", "https://"+apiHost+"/closed/door")
	assert.Contains(t, out, "urn:sallyport:refusal:policy")
	assert.Contains(t, out, "403")
	out = c.run(curl, "-sS", "-w", "%{http_code}", "https://elsewhere.test/")
	assert.Contains(t, out, "urn:sallyport:refusal:policy")
	c.recorded(row{"GET", apiHost, "/closed/door", "closed", "", 403}, row{"GET", "elsewhere.test", "/", "", "", 403})
}

func TestCurlPlain(t *testing.T) {
	t.Parallel()
	curl := find(t, "curl")
	c := newClient(t)
	out := c.run(curl, "-sS", "--fail-with-body", "-H", "Authorization: Bearer mine", "http://"+plainHost+"/a", "http://"+plainHost+"/b")
	assert.Equal(t, "plain /a credential=\"\"\nplain /b credential=\"\"\n", out, "no credential, not even the agent's own")
	c.recorded(row{"GET", plainHost, "/a", "plain", "", 200}, row{"GET", plainHost, "/b", "plain", "", 200})
}

// A sidecar with a password is of no use to another process of the host.
func TestCurlWithoutPassword(t *testing.T) {
	t.Parallel()
	curl := find(t, "curl")
	c := newClient(t)
	bare := "http://" + c.proxy[len("http://agent:xxxxxxxxxxxxxxxxxxxxxxxxxx@"):]
	out, err := c.try(curl, "-sS", "-x", bare, "https://"+apiHost+"/echo")
	require.Error(t, err)
	assert.Contains(t, out, "407")
}

func TestCurlOfASuspendedAgent(t *testing.T) {
	t.Parallel()
	curl := find(t, "curl")
	c := newClient(t)
	c.run(curl, "-sS", "--fail-with-body", "https://"+apiHost+"/echo")
	_, err := shared.home.Run(t.Context(), "agent", "suspend", c.agent.ID, "--reason", "a test")
	require.NoError(t, err)
	out, err := c.try(curl, "-sS", "https://"+apiHost+"/echo")
	require.Error(t, err)
	assert.Contains(t, out, "403", "the proxy's refusal of CONNECT comes through")
}

func TestGit(t *testing.T) {
	t.Parallel()
	git := find(t, "git")
	c := newClient(t)
	c.env = append(c.env, "GIT_AUTHOR_NAME=agent", "GIT_AUTHOR_EMAIL=agent@example.com", "GIT_COMMITTER_NAME=agent", "GIT_COMMITTER_EMAIL=agent@example.com", "GIT_TERMINAL_PROMPT=0")
	url := "https://" + gitHost + "/work/web.git"
	c.run(git, "clone", "-q", url, "first")
	file, _ := c.randomFile(6 << 20) // more than fits one request with a length
	require.NoError(t, os.Rename(file, filepath.Join(c.dir, "first", "file")))
	c.run(git, "-C", "first", "add", "file")
	c.run(git, "-C", "first", "commit", "-q", "-m", "a large file")
	c.run(git, "-C", "first", "push", "-q", "origin", "HEAD:refs/heads/agent/work")
	c.run(git, "clone", "-q", "-b", "agent/work", url, "second")
	c.run(git, "-C", "second", "diff", "--quiet", "HEAD", "origin/agent/work")
	assert.FileExists(t, filepath.Join(c.dir, "second", "file"))
	c.recorded(
		row{"GET", gitHost, "/work/web.git/info/refs", "git", "git", 200},
		row{"POST", gitHost, "/work/web.git/git-receive-pack", "git", "git", 200},
		row{"POST", gitHost, "/work/web.git/git-upload-pack", "git", "git", 200},
	)
	out, err := c.try(git, "clone", "-q", "https://"+gitHost+"/other/secret.git")
	require.Error(t, err)
	assert.Contains(t, out, "403")
}

// Without a sidecar, git presents the agent's certificate to the listener itself.
func TestGitWithItsOwnCertificate(t *testing.T) {
	t.Parallel()
	git := find(t, "git")
	c := newClient(t)
	out, err := shared.home.Run(t.Context(), "env", "--identity", c.agent.Dir, "--format", "json")
	require.NoError(t, err)
	var variables map[string]string
	require.NoError(t, json.Unmarshal([]byte(out), &variables))
	for name, value := range variables {
		c.env = append(c.env, name+"="+value)
	}
	assert.Equal(t, "https://"+shared.address, variables["HTTPS_PROXY"])
	c.run(git, "ls-remote", "https://"+gitHost+"/work/web.git")
	c.recorded(row{"GET", gitHost, "/work/web.git/info/refs", "git", "git", 200})
}

func TestPythonURLLib(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	got := readEcho(t, c.run(find(t, "python3"), "-c", `
import sys, urllib.request
sys.stdout.write(urllib.request.urlopen(sys.argv[1], data=b"x" * 100000).read().decode())
`, "https://"+apiHost+"/echo?python"))
	assert.EqualValues(t, 100000, got.Bytes)
	c.recorded(row{"POST", apiHost, "/echo", "api", "api", 200})
}

func TestGoPrograms(t *testing.T) {
	t.Parallel()
	for mode, test := range map[string]struct {
		target, want string
		rows         []row
	}{
		"http":      {"https://" + apiHost + "/echo", "HTTP/2.0 200 OK", []row{{"GET", apiHost, "/echo", "api", "api", 200}}},
		"websocket": {"wss://" + apiHost + "/socket", "echo one\necho two\n", []row{{"WEBSOCKET", apiHost, "/socket", "api", "api", 101}}},
		"grpc": {
			"dns:///" + grpcHost + ":443",
			"unary SERVING\nstream SERVING\ntrailers rpc error: code = NotFound desc = unknown service\nboth ways 3 services\nboth ways 3 services\n",
			[]row{
				{"POST", grpcHost, "/grpc.health.v1.Health/Check", "grpc", "api", 200},
				{"POST", grpcHost, "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "grpc", "api", 200},
			},
		},
	} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			c := newClient(t)
			assert.Contains(t, c.goClient(mode, test.target), test.want)
			c.recorded(test.rows...)
		})
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	curl := find(t, "curl")
	out, err := shared.home.Run(t.Context(), "run", "--policy", "e2e", "--owner", "person:dana", "--name", "one-run", "--",
		curl, "-sS", "--fail-with-body", "https://"+apiHost+"/echo?run")
	require.NoError(t, err)
	assert.Equal(t, "run", readEcho(t, out).Query)
	var agent rig.Agent
	require.NoError(t, shared.home.RunJSON(t.Context(), &agent, "agent", "show", "one-run"))
	c := &client{t: t, agent: agent}
	c.recorded(row{"GET", apiHost, "/echo", "api", "api", 200})
}
