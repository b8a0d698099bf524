// Package rig drives the built sallyport binary from the outside: a HOME to
// write, a server to start, kill and start again, agents that speak to it and
// an upstream that remembers what reached it. The demo, the benchmark and the
// tests of the whole product share it. It knows only what a user can know: the
// command line, the files and the network; the one exception is Dump, which
// reads every byte of the trail to prove what is not in it.
package rig

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Home is one HOME folder and the binary that works on it.
type Home struct {
	Dir    string
	Binary string
	Env    []string // what the server and the commands see beside PATH, HOME and TMPDIR
}

// Settings are the parts of sallyport.yaml that a test wants to choose.
type Settings struct {
	Listen, Health string            // addresses; FreeAddress gives one
	Roots          []string          // PEM files trusted upstream
	Resolve        map[string]string // authority to address
	Extra          string            // more YAML, appended as it is
}

// Build compiles the command into dir and returns the binary's path.
func Build(ctx context.Context, dir string) (string, error) {
	binary := filepath.Join(dir, "sallyport")
	out, err := exec.CommandContext(ctx, "go", "build", "-o", binary, "sallyport/cmd/sallyport").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build sallyport: %w\n%s", err, out)
	}
	return binary, nil
}

// FreeAddress is a loopback address that nothing listened on a moment ago.
func FreeAddress() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	defer ln.Close()
	return ln.Addr().String(), nil
}

// Init runs sallyport init and then writes sallyport.yaml from s.
func (h *Home) Init(ctx context.Context, s Settings) error {
	if _, err := h.Run(ctx, "init", "--trust-domain", "agents.test"); err != nil {
		return err
	}
	return h.Configure(s)
}

// Configure writes sallyport.yaml from s.
func (h *Home) Configure(s Settings) error {
	var y strings.Builder
	fmt.Fprintf(&y, "trust_domain: agents.test\nlisten: %s\n", s.Listen)
	if s.Health != "" {
		fmt.Fprintf(&y, "health: {listen: %q}\n", s.Health)
	}
	y.WriteString("upstream:\n")
	if len(s.Roots) > 0 {
		fmt.Fprintf(&y, "  roots: %s\n", asJSON(s.Roots))
	}
	fmt.Fprintf(&y, "  resolve: %s\n", asJSON(s.Resolve))
	y.WriteString(s.Extra)
	return h.Write("sallyport.yaml", y.String())
}

// asJSON writes a value in the part of YAML that is JSON too.
func asJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic("strings always marshal: " + err.Error())
	}
	return string(b)
}

// Write puts one file into HOME.
func (h *Home) Write(name, content string) error {
	file := filepath.Join(h.Dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

// Run runs one sallyport command on this HOME and returns its standard output;
// the error carries what it wrote to standard error.
func (h *Home) Run(ctx context.Context, args ...string) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd := h.command(ctx, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("sallyport %s: %w\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return stdout.String(), nil
}

// RunJSON runs a command with -o json and decodes its output into v.
func (h *Home) RunJSON(ctx context.Context, v any, args ...string) error {
	out, err := h.Run(ctx, append(args, "-o", "json")...)
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(out), v); err != nil {
		return fmt.Errorf("sallyport %s: %w in %q", strings.Join(args, " "), err, out)
	}
	return nil
}

func (h *Home) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, h.Binary, args...)
	cmd.Dir = filepath.Dir(h.Dir)
	cmd.WaitDelay = 5 * time.Second
	cmd.Env = append([]string{
		"SALLYPORT_HOME=" + h.Dir, "HOME=" + filepath.Dir(h.Dir),
		"PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.TempDir(),
	}, h.Env...)
	return cmd
}

// Exchange is the part of a trail row that the tests look at.
type Exchange struct {
	ID         string   `json:"id"`
	Agent      string   `json:"agent"`
	AgentName  string   `json:"agent_name"`
	Method     string   `json:"method"`
	Host       string   `json:"host"`
	Port       uint16   `json:"port"`
	Path       string   `json:"path"`
	Rule       *string  `json:"rule"`
	Decision   *string  `json:"decision"`
	Refusal    *string  `json:"refusal"`
	Credential *string  `json:"credential"`
	Status     *int     `json:"status"`
	Outcome    *string  `json:"outcome"`
	EndedAt    *string  `json:"ended_at"`
	Error      *string  `json:"error"`
	Started    string   `json:"started_at"`
	Sent       *int64   `json:"bytes_sent"`
	Received   *int64   `json:"bytes_received"`
	Seq        *float64 `json:"seq"`

	Operation   *string        `json:"operation"`
	Resource    *string        `json:"resource"`
	Fingerprint *string        `json:"credential_fingerprint"`
	RequestID   *string        `json:"upstream_request_id"`
	HTTPVersion *string        `json:"http_version"`
	Details     map[string]any `json:"details"`
}

// Trail lists the whole trail, newest first.
func (h *Home) Trail(ctx context.Context, flags ...string) ([]Exchange, error) {
	var rows []Exchange
	return rows, h.RunJSON(ctx, &rows, append([]string{"audit", "list", "--limit", "0"}, flags...)...)
}
