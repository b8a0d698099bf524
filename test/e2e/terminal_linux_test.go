package e2e_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// openTerminal makes a pseudo-terminal of a usual size (pty(7)).
func openTerminal(t *testing.T) (near, far *os.File) {
	t.Helper()
	near, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = near.Close() })
	fd := int(near.Fd())
	require.NoError(t, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0))
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	require.NoError(t, err)
	require.NoError(t, unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 50, Col: 160}))
	far, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = far.Close() })
	return near, far
}

// invisible is what moves the cursor, and what stands between words: programs draw those one by one.
var invisible = regexp.MustCompile(`\x1b\[[0-9;?<>=]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(\x07|\x1b\\)|\x1b[^\[\]]|[\s\x{2500}-\x{28ff}]`)

// screen is what a program has shown, without blanks.
type screen struct {
	mu    sync.Mutex
	bytes []byte
	news  chan struct{}
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bytes = append(s.bytes, p...)
	select {
	case s.news <- struct{}{}:
	default:
	}
	return len(p), nil
}

func (s *screen) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return invisible.ReplaceAllString(string(s.bytes), "")
}

// clear forgets what was shown, and returns it.
func (s *screen) clear() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := string(s.bytes)
	s.bytes = nil
	return text
}

// reply is what a person types when a text is shown.
type reply struct{ on, keys string }

// press types keys as a person does, one after the other: these programs take what comes
// at once for something pasted, and read keys only some time after they have drawn.
func (h *harness) press(terminal *os.File, keys string) {
	h.t.Helper()
	text, enter := strings.CutSuffix(keys, "\r")
	for _, key := range []string{text, "\r"} {
		if key == "\r" && !enter || key == "" {
			continue
		}
		time.Sleep(300 * time.Millisecond)
		_, err := terminal.WriteString(key)
		require.NoError(h.t, err)
	}
}

// leavesNothing: daemons that some harnesses start have ended with the run.
func (h *harness) leavesNothing() {
	h.t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(h.t, err)
	for _, file := range all {
		if line, err := os.ReadFile(file); err == nil { // which has ended meanwhile, else
			require.NotContains(h.t, string(line), h.dir, "it is still running")
		}
	}
}

// converse runs the harness in a terminal, as a person does: replies are given when their
// text is shown, until until is. It returns all that was shown.
func (h *harness) converse(program string, args []string, replies []reply, until string) string {
	h.t.Helper()
	near, far := openTerminal(h.t)
	ctx, cancel := context.WithTimeout(h.t.Context(), time.Minute)
	defer cancel()
	argv := append([]string{"run", "--policy", h.policy, "--owner", "person:dana", "--name", h.name, "--", program}, args...)
	cmd := exec.CommandContext(ctx, shared.home.Binary, argv...)
	work := filepath.Join(h.dir, "work")
	require.NoError(h.t, os.Mkdir(work, 0o700))
	cmd.Dir, cmd.Env, cmd.WaitDelay = work, append(h.env, "TERM=xterm-256color"), 5*time.Second
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.Stdin, cmd.Stdout, cmd.Stderr = far, far, far
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	require.NoError(h.t, cmd.Start())
	shown := &screen{news: make(chan struct{}, 1)}
	go func() { // ends when the terminal is closed
		buf := make([]byte, 32<<10)
		for {
			n, err := near.Read(buf)
			_, _ = shown.Write(buf[:n])
			// What a terminal says of itself: where its cursor is, and of which kind it is.
			if bytes.Contains(buf[:n], []byte("\x1b[6n")) {
				_, _ = near.WriteString("\x1b[1;1R")
			}
			if bytes.Contains(buf[:n], []byte("\x1b[c")) {
				_, _ = near.WriteString("\x1b[?62c")
			}
			if err != nil {
				return
			}
		}
	}()
	all := ""
	squeeze := func(s string) string { return invisible.ReplaceAllString(s, "") }
	pressed := ""
	for done := false; !done; {
		select {
		case <-shown.news:
		case <-time.After(3 * time.Second): // a key that came too early is pressed again
			h.press(near, pressed)
			continue
		case <-ctx.Done():
			all += shown.clear()
			_ = cmd.Process.Signal(syscall.SIGTERM)
			_ = cmd.Wait()
			require.Fail(h.t, "it was not shown in time: "+until, squeeze(all))
		}
		text := shown.text()
		if strings.Contains(text, squeeze(until)) {
			done = true
			continue
		}
		for _, r := range replies {
			if strings.Contains(text, squeeze(r.on)) {
				all += shown.clear()
				pressed = r.keys
				h.press(near, pressed)
				break
			}
		}
	}
	all += shown.clear()
	holdsNoSecret(h.t, []byte(all))
	require.NoError(h.t, cmd.Process.Signal(syscall.SIGTERM))
	_ = cmd.Wait()
	h.leavesNothing()
	require.NoError(h.t, shared.home.RunJSON(h.t.Context(), &h.agent, "agent", "show", h.name))
	return squeeze(all)
}

// A person starts it for the first time: it asks how it shall look and whether it may work here,
// and neither for a login nor about a key.
func TestClaudeCodeInATerminal(t *testing.T) {
	full(t)
	t.Parallel()
	h := newHarness(t, "claude-code")
	h.converse(find(t, "claude"), []string{"--permission-mode", "default"}, []reply{
		{"Choose the text style", "\r"},
		{"Press Enter to continue", "\r"},
		{"Yes, I trust this folder", "\x1b[B\r"},
		{"? for shortcuts", "Please run <<curl -sS https://api.service.test/echo?terminal>>\r"},
		{"Do you want to proceed?", "\r"},
	}, "It said: ")
	h.recorded(row{"GET", apiHost, "/echo", "api", "api", 200}, row{"POST", anthropicHost, "/v1/messages", "model", "anthropic", 200})
}

func TestCodexInATerminal(t *testing.T) {
	full(t)
	t.Parallel()
	h := newHarness(t, "codex")
	h.converse(find(t, "codex"), []string{"-m", "gpt-5", "--dangerously-bypass-approvals-and-sandbox"}, []reply{
		{"Sign in with ChatGPT", "3"},
		{"Use an OpenAI API key", "\r"},
		{"API key sallyport-placeholder", "\r"},
		{"Yes, continue", "\r"},
		{"? for shortcuts", "Please run <<curl -sS https://api.service.test/echo?terminal>>\r"},
	}, "It said: ")
	h.recorded(row{"GET", apiHost, "/echo", "api", "api", 200})
}
