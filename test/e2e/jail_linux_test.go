package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"sallyport/test/rig"
)

// prisoner is a command in a jail, as an agent of its own.
type prisoner struct {
	t    *testing.T
	name string
	dir  string
	env  []string // beside what the command gets anyway
}

func newPrisoner(t *testing.T) *prisoner {
	t.Helper()
	return &prisoner{t: t, name: strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(t.Name(), "Test"), "/", "-")), dir: t.TempDir()}
}

// blind takes the proxy variables away, so that a client can only be caught.
const blind = `for v in $(env | cut -d= -f1 | grep -i -E '^(https?_proxy|all_proxy|no_proxy|node_use_env_proxy|java_tool_options)$'); do unset $v; done; `

// run runs a script in the jail and returns what it wrote, and its exit code.
func (p *prisoner) run(script string, flags ...string) (string, int) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 90*time.Second)
	defer cancel()
	args := append([]string{"--home", shared.home.Dir, "run", "--jail", "--policy", "e2e", "--owner", "person:dana", "--name", p.name}, flags...)
	cmd := exec.CommandContext(ctx, shared.home.Binary, append(args, "--", "bash", "-c", blind+script)...)
	cmd.Dir, cmd.Env, cmd.WaitDelay = p.dir, append(os.Environ(), p.env...), 5*time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if strings.Contains(out.String(), "make a jail:") && os.Getenv("REQUIRE_CLIENTS") != "1" {
		p.t.Skip("this system forbids jails: " + out.String())
	}
	holdsNoSecret(p.t, out.Bytes())
	if cmd.ProcessState == nil {
		require.NoError(p.t, err)
	}
	return out.String(), cmd.ProcessState.ExitCode()
}

// rows are those of the agent.
func (p *prisoner) rows() []rig.Exchange {
	p.t.Helper()
	rows, err := shared.home.Trail(p.t.Context())
	require.NoError(p.t, err)
	return slices.DeleteFunc(rows, func(row rig.Exchange) bool { return row.AgentName != p.name })
}

func TestAJailCatchesClientsThatReadNoProxyVariable(t *testing.T) {
	t.Parallel()
	for name, one := range map[string]struct{ program, script string }{
		"python-http-client": {"python3", `python3 -c '
import http.client,ssl
c=http.client.HTTPSConnection("` + apiHost + `", context=ssl.create_default_context()); c.request("GET", "/echo"); r=c.getresponse(); print(r.status)'`},
		"curl":                {"curl", `curl -sS --noproxy "*" -o /dev/null -w "%{http_code}" https://` + apiHost + `/echo`},
		"curl-http1":          {"curl", `curl -sS --http1.1 --noproxy "*" -o /dev/null -w "%{http_code}" https://` + apiHost + `/echo`},
		"node":                {"node", `node -e 'require("https").get("https://` + apiHost + `/echo", {agent: new (require("https").Agent)()}, r => console.log(r.statusCode))'`},
		"curl-told-nothing":   {"curl", `env -i PATH="$PATH" curl -sS -o /dev/null -w "%{http_code}" https://` + apiHost + `/echo`},
		"python-told-nothing": {"/usr/bin/python3", `env -i /usr/bin/python3 -c 'import urllib.request; print(urllib.request.urlopen("https://` + apiHost + `/echo").status)'`},
		"curl-plain":          {"curl", `curl -sS --noproxy "*" -o /dev/null -w "%{http_code}" http://` + plainHost + `/echo`},
		"git":                 {"git", `git ls-remote https://` + gitHost + `/work/web.git >/dev/null && echo 200`},
		"java": {"java", `cat >Get.java <<'J'
public class Get { public static void main(String[] a) throws Exception {
	var c = (java.net.HttpURLConnection) new java.net.URL("https://` + apiHost + `/echo").openConnection(); System.out.println(c.getResponseCode()); } }
J
java -Djavax.net.ssl.trustStore="$(dirname "$SSL_CERT_FILE")/truststore.p12" -Djavax.net.ssl.trustStorePassword=changeit Get.java`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if name == "java" {
				full(t)
			}
			find(t, one.program)
			p := newPrisoner(t)
			out, code := p.run(one.script)
			require.Zero(t, code, out)
			assert.Contains(t, out, "200", shared.server.Log())
			rows := p.rows()
			require.NotEmpty(t, rows)
			for _, row := range rows {
				assert.Nil(t, row.Refusal, "%+v", row)
				require.NotNil(t, row.Outcome)
				assert.Equal(t, "completed", *row.Outcome)
				if name == "git" {
					assert.Equal(t, "1.1", *row.HTTPVersion)
				}
			}
		})
	}
}

// unroutable are addresses that are nobody's (RFC 5737, RFC 3849), and the metadata service's.
var unroutable = []netip.Addr{ //nolint:gochecknoglobals // a constant list
	netip.MustParseAddr("192.0.2.77"), netip.MustParseAddr("198.51.100.77"), netip.MustParseAddr("203.0.113.77"),
	netip.MustParseAddr("169.254.169.254"), netip.MustParseAddr("2001:db8::77"), netip.MustParseAddr("8.8.8.8"),
}

const escape = `
python3 - <<'P'
import socket
def try_(f, *a):
    try: f(*a)
    except OSError: pass
def tcp(family, address, port):
    s = socket.socket(family, socket.SOCK_STREAM); s.settimeout(3); s.connect((address, port)); s.send(b"hello, this is no web\r\n"); s.recv(1)
def udp(family, address, port):
    s = socket.socket(family, socket.SOCK_DGRAM); s.settimeout(0.2); s.sendto(b"x" * 1200, (address, port)); s.recv(1)
def message(address, port):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.sendmsg([b"x"], [], 0, (address, port))
def raw(family, kind, protocol): socket.socket(family, kind, protocol)
try_(tcp, socket.AF_INET, "192.0.2.77", 22)
try_(tcp, socket.AF_INET, "192.0.2.77", 5432)
try_(tcp, socket.AF_INET6, "2001:db8::77", 25)
try_(tcp, socket.AF_INET, "203.0.113.77", 443)
try_(tcp, socket.AF_INET, "169.254.169.254", 80)
try_(udp, socket.AF_INET, "198.51.100.77", 443)
try_(udp, socket.AF_INET, "8.8.8.8", 53)
try_(udp, socket.AF_INET6, "2001:db8::77", 4433)
try_(message, "198.51.100.77", 5353)
try_(raw, socket.AF_INET, socket.SOCK_RAW, 1)
try_(raw, socket.AF_INET, socket.SOCK_DGRAM, 1)
try_(raw, socket.AF_PACKET, socket.SOCK_RAW, 3)
try_(raw, 40, socket.SOCK_STREAM, 0)
P
exit 5`

// Every way past the proxy is tried, while all packets of the host are counted.
func TestNothingLeavesAJail(t *testing.T) {
	t.Parallel()
	find(t, "python3")
	count := countPackets(t)
	p := newPrisoner(t)
	out, code := p.run(escape)
	require.Equal(t, 5, code, out)
	assert.Empty(t, count(), "packets have left")

	tried := map[string]string{}
	for _, row := range p.rows() {
		where := row.Host
		if row.Port != 0 {
			where = netip.AddrPortFrom(netip.MustParseAddr(row.Host), row.Port).String()
		}
		if row.Refusal != nil && *row.Refusal == "blocked" {
			program, _ := row.Details["program"].(string)
			tried[row.Method+" "+where] = program
		}
	}
	for _, want := range []string{
		"TCP 192.0.2.77:22", "TCP 192.0.2.77:5432", "TCP [2001:db8::77]:25", "TCP 203.0.113.77:443",
		"UDP 198.51.100.77:443", "UDP 8.8.8.8:53", "UDP [2001:db8::77]:4433",
		"ICMP ", "PACKET ", "VSOCK ",
	} {
		assert.Contains(t, tried[want], "python", "%q is on record with its program: %v", want, tried)
	}
	assert.Contains(t, tried, "UDP 198.51.100.77:5353")
}

// countPackets counts what is sent to addresses that only the jail speaks to.
func countPackets(t *testing.T) func() []netip.Addr {
	t.Helper()
	const all = unix.ETH_P_ALL<<8&0xff00 | unix.ETH_P_ALL>>8
	s, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK, all)
	if err != nil {
		t.Logf("packets are not counted: %v", err)
		return func() []netip.Addr { return nil }
	}
	require.NoError(t, unix.SetsockoptInt(s, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 64<<20))
	t.Cleanup(func() { _ = unix.Close(s) })
	return func() (seen []netip.Addr) {
		buf := make([]byte, 64)
		for {
			n, _, err := unix.Recvfrom(s, buf, 0)
			if err != nil {
				return seen
			}
			var to netip.Addr
			switch {
			case n >= 20 && buf[0]>>4 == 4:
				to = netip.AddrFrom4([4]byte(buf[16:20]))
			case n >= 40 && buf[0]>>4 == 6:
				to = netip.AddrFrom16([16]byte(buf[24:40]))
			}
			for _, one := range unroutable {
				if to == one {
					seen = append(seen, to)
				}
			}
		}
	}
}

func TestWhatAJailIs(t *testing.T) {
	t.Parallel()
	p := newPrisoner(t)
	require.NoError(t, exec.CommandContext(t.Context(), "git", "-C", p.dir, "init", "-q").Run())
	before, err := os.ReadFile(p.dir + "/.git/config")
	require.NoError(t, err)
	outside := exec.CommandContext(t.Context(), "sleep", "300")
	require.NoError(t, outside.Start())
	t.Cleanup(func() { _ = outside.Process.Kill(); _ = outside.Wait() })
	out, code := p.run(`
(setsid sleep 298 >/dev/null 2>&1 &) # which outlives its parent
pgrep -x sleep >/dev/null || ls /proc/[0-9]*/comm >/dev/null; grep -l sallyport-run /proc/[0-9]*/comm && echo "sees the supervisor"
kill -0 ` + strconv.Itoa(outside.Process.Pid) + ` 2>/dev/null && tr '\0' ' ' </proc/` + strconv.Itoa(outside.Process.Pid) + `/cmdline | grep -q 'sleep 300' && echo "sees a process outside"
test -e "` + shared.home.Dir + `/state/ca" && echo "sees HOME"
echo x 2>/dev/null >>.git/config && echo "changes git's config"
echo x 2>/dev/null >.git/hooks/post-checkout && echo "makes a hook"
mv .git moved 2>/dev/null && echo "moves the repository"
touch /usr/x 2>/dev/null && echo "writes to the system"
for c in CapPrm CapEff CapBnd; do grep -q "$c:.0000000000000000" /proc/self/status || echo "has $c"; done
ls /proc/self/fd | grep -v -x -E '0|1|2|3' | grep -q . && echo "has descriptors"
unshare -Urn true 2>/dev/null && echo "makes namespaces"
touch made && cat made && exit 9`)
	require.Equal(t, 9, code, out)
	for line := range strings.Lines(out) {
		assert.Contains(t, line, "sallyport: agent", "only the line at the start")
	}
	after, err := os.ReadFile(p.dir + "/.git/config")
	require.NoError(t, err)
	assert.Equal(t, before, after)
	assert.FileExists(t, p.dir+"/made")
	left, _ := exec.CommandContext(t.Context(), "pgrep", "-f", "^sleep 298$").Output() // fails if there is none
	assert.Empty(t, string(left), "nothing outlives the command")
}

// The probe, which names what answers, finds nothing in a jail, not even what is there outside.
func TestTheProbeFindsNoWayOutOfAJail(t *testing.T) {
	t.Parallel()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	socket := filepath.Join(t.TempDir(), "s")
	outside, err := new(net.ListenConfig).Listen(t.Context(), "unix", socket)
	require.NoError(t, err)
	t.Cleanup(func() { _ = outside.Close() })
	p := newPrisoner(t)
	binary, err := os.ReadFile(shared.home.Binary)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(p.dir, "sallyport"), binary, 0o755)) //nolint:gosec // a program

	script := fmt.Sprintf(`SSH_AUTH_SOCK=%s ./sallyport --home "%s" sandbox probe --target %s --target %s -o json`,
		socket, shared.home.Dir, l.Addr(), shared.address)
	out, code := p.run(script, "--read", filepath.Dir(socket))
	assert.Zero(t, code, out)
	var r struct {
		Confined bool
		Tried    []struct{ Target string }
		Holes    []struct{ What, Target string }
	}
	start := strings.Index(out, "{")
	require.GreaterOrEqual(t, start, 0, out)
	require.NoError(t, json.NewDecoder(strings.NewReader(out[start:])).Decode(&r), out)
	assert.True(t, r.Confined, "%+v", r.Holes)
	var tried []string
	for _, try := range r.Tried {
		tried = append(tried, try.Target)
	}
	for _, want := range []string{"8.8.8.8:53", "169.254.169.254:80", l.Addr().String(), shared.address, socket, "vsock", filepath.Join(shared.home.Dir, "credentials.yaml")} {
		assert.Contains(t, tried, want)
	}
}

// A jail needs no server beside it, only an identity.
func TestASidecarHasAJail(t *testing.T) {
	t.Parallel()
	curl := find(t, "curl")
	agent, err := shared.home.CreateAgent(t.Context(), "e2e", "person:dana", "asidecarhasajail")
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), shared.home.Binary, "--home", t.TempDir(), "sidecar", "--jail", "--identity", agent.Dir, "--proxy", shared.address,
		"--", "bash", "-c", blind+`ls "$1"; "$2" -sS --noproxy "*" -o /dev/null -w "%{http_code}" https://`+apiHost+`/echo; exit 3`, "bash", agent.Dir, curl)
	cmd.Dir = t.TempDir()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	require.Error(t, cmd.Run())
	if strings.Contains(out.String(), "make a jail:") && os.Getenv("REQUIRE_CLIENTS") != "1" {
		t.Skip("this system forbids jails: " + out.String())
	}
	assert.Equal(t, 3, cmd.ProcessState.ExitCode(), out.String())
	assert.True(t, strings.HasSuffix(out.String(), "\n200"), out.String())
	assert.NotContains(t, out.String(), "agent.key")
}

// An agent that joins by a token lives in a jail, too: its key is in the memory of the process
// outside, or in a folder that the command does not see.
func TestAnAgentJoinsIntoAJail(t *testing.T) {
	t.Parallel()
	curl := find(t, "curl")
	token, err := shared.home.Run(t.Context(), "agent", "invite", "--policy", "e2e", "--owner", "person:dana", "--name", "joinsintoajail")
	require.NoError(t, err)
	dir := t.TempDir()
	file, state := filepath.Join(dir, "token"), filepath.Join(dir, "state")
	require.NoError(t, os.WriteFile(file, []byte(token), 0o600))
	for range 2 { // and comes back as the same
		cmd := exec.CommandContext(t.Context(), shared.home.Binary, "--home", t.TempDir(), "sidecar", "--jail", "--join", "@"+file, "--state", state,
			"--", "bash", "-c", blind+`ls "$1"; "$2" -sS --noproxy "*" https://sallyport.internal/v1/whoami; exit 3`, "bash", state, curl)
		cmd.Dir = t.TempDir()
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		require.Error(t, cmd.Run())
		if strings.Contains(out.String(), "make a jail:") && os.Getenv("REQUIRE_CLIENTS") != "1" {
			t.Skip("this system forbids jails: " + out.String())
		}
		assert.Equal(t, 3, cmd.ProcessState.ExitCode(), out.String())
		assert.Contains(t, out.String(), `"name": "joinsintoajail"`)
		assert.NotContains(t, out.String(), "agent.key")
	}
}
