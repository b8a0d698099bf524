package sidecar_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"sallyport/sandbox/sidecar"
)

// told starts a sidecar that asks for no password and admits who is told.
func told(t *testing.T, callers sidecar.Callers) *world {
	t.Helper()
	ca := newAuthority(t)
	w := &world{ca: ca, agent: ca.issue(t, nil, agentURI)}
	w.upstream = serveUpstream(t, ca.serverConfig(ca.issue(t, nil, proxyURI)), echo)
	w.run(t, sidecar.Config{Proxy: w.upstream.address, Callers: callers})
	return w
}

func TestItsOwnUserNeedsNoPassword(t *testing.T) {
	t.Parallel()
	require.NoError(t, sidecar.Tells(t.Context(), sidecar.User(os.Geteuid())))
	w := told(t, sidecar.User(os.Geteuid()))
	w.tunnel(t)
	w.connect(t, "CONNECT a.example:443 HTTP/1.1\r\nProxy-Authorization: Basic x\r\n\r\n")
	require.Eventually(t, func() bool { return len(w.upstream.seen()) == 2 }, 10*time.Second, time.Millisecond)
	assert.Empty(t, w.upstream.seen()[1].Header, "a password does no harm, and goes nowhere")
}

// Java speaks IPv4 by IPv6 sockets.
func TestIPv4ByAnIPv6SocketIsTold(t *testing.T) {
	t.Parallel()
	w := told(t, sidecar.User(os.Geteuid()))
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	f := os.NewFile(uintptr(fd), "client")
	defer f.Close()
	_, port, err := net.SplitHostPort(w.address)
	require.NoError(t, err)
	var number int
	_, err = fmt.Sscan(port, &number)
	require.NoError(t, err)
	to := &unix.SockaddrInet6{Port: number}
	copy(to.Addr[:], net.ParseIP("127.0.0.1").To16())
	require.NoError(t, unix.Connect(fd, to))
	_, err = io.WriteString(f, "CONNECT a.example:443 HTTP/1.1\r\n\r\n")
	require.NoError(t, err)
	answer := make([]byte, 12)
	_, err = io.ReadFull(f, answer)
	require.NoError(t, err)
	assert.Equal(t, "HTTP/1.1 200", string(answer))
}

func TestAnotherUserIsRefused(t *testing.T) {
	t.Parallel()
	w := told(t, sidecar.User(os.Geteuid()+1))
	for _, head := range []string{"CONNECT a.example:443", "GET http://a.example/"} {
		_, br := w.connect(t, head+" HTTP/1.1\r\nHost: a.example\r\n\r\n")
		resp, body := problem(t, br)
		assert.Equal(t, http.StatusForbidden, resp.StatusCode)
		assert.Contains(t, body, "urn:sallyport:sidecar:caller")
	}
	assert.Empty(t, w.upstream.seen(), "nothing reaches the proxy")
}

func TestAProcessOfAnotherUserIsRefused(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root, to become another user")
	}
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("bash is not installed")
	}
	w := told(t, sidecar.User(1000))
	_, port, err := net.SplitHostPort(w.address)
	require.NoError(t, err)
	for uid, want := range map[uint32]string{1000: "HTTP/1.1 200", 1001: "HTTP/1.1 403", 0: "HTTP/1.1 403", 65534: "HTTP/1.1 403"} {
		cmd := exec.CommandContext(t.Context(), bash, "-c",
			`exec 3<>/dev/tcp/127.0.0.1/$1; printf 'CONNECT a.example:443 HTTP/1.1\r\n\r\n' >&3; head -c 12 <&3`, "bash", port)
		cmd.Dir, cmd.SysProcAttr = "/", &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid, NoSetGroups: true}}
		out, err := cmd.Output()
		require.NoError(t, err)
		assert.Equal(t, want, string(out), "uid %d", uid)
	}
}

// Of a connection that has ended the kernel would tell uid 0.
func TestWhoHasGoneIsNobody(t *testing.T) {
	t.Parallel()
	l, err := sidecar.Listen(t.Context(), "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	near, err := new(net.Dialer).DialContext(t.Context(), "tcp", l.Addr().String())
	require.NoError(t, err)
	require.NoError(t, near.Close())
	far, err := l.Accept()
	require.NoError(t, err)
	defer far.Close()
	_, err = sidecar.CallerOf(far)
	require.Error(t, err)
}

func TestTheUserOfAUnixSocketIsTold(t *testing.T) {
	t.Parallel()
	l, err := sidecar.Listen(t.Context(), "unix:"+filepath.Join(t.TempDir(), "s"))
	require.NoError(t, err)
	defer l.Close()
	near, err := new(net.Dialer).DialContext(t.Context(), "unix", l.Addr().String())
	require.NoError(t, err)
	defer near.Close()
	far, err := l.Accept()
	require.NoError(t, err)
	defer far.Close()
	caller, err := sidecar.CallerOf(far)
	require.NoError(t, err)
	assert.Equal(t, sidecar.Caller{UID: uint32(os.Geteuid()), PID: os.Getpid()}, caller)
}

func TestAUserThatNobodyKnowsMatchesNobody(t *testing.T) {
	t.Parallel()
	require.Error(t, sidecar.User(65534).Admit(sidecar.Caller{UID: 65534, Socket: 1}))
	require.NoError(t, sidecar.User(7).Admit(sidecar.Caller{UID: 7, Socket: 1}))
	require.Error(t, sidecar.User(7).Admit(sidecar.Caller{UID: 0, Socket: 1}))
	require.Error(t, sidecar.Tells(t.Context(), sidecar.User(65534)))
}
