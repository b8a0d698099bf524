package main_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"sallyport/admin"
	sallyport "sallyport/cmd/sallyport"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"sallyport": sallyport.Main})
}

// TestScripts runs testdata/script: one file a command, each in its own folder
// with its own HOME, against the real binary.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("SALLYPORT_HOME", filepath.Join(e.WorkDir, "home"))
			e.Setenv("USER", "dana")
			e.Setenv("TZ", "UTC") // scripts hold times as they are printed
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":      exits,
			"serving":    serving,
			"signal":     signal,
			"keys":       keys,
			"mode":       mode,
			"fetch":      fetch,
			"unready":    unready,
			"request":    request,
			"capture":    capture,
			"policies":   policies,
			"collector":  collector,
			"eventually": eventually,
			"holdlock":   holdLock,
			"interrupt":  interrupt,
			"freeport":   freePort,
			"cpenv":      copyExpanded,
			"exchanges":  exchanges,
			"field":      field,
			"sql":        changeDatabase,
			"replace":    replaceIn,
			"told":       told,
		},
	})
}

// exits CODE CMD ARG...: the command ends with this code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE CMD ARG...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d\n%s%s", got, want, ts.ReadFile("stdout"), ts.ReadFile("stderr"))
	}
}

// serving [HOME]: waits until the server of HOME answers.
func serving(ts *testscript.TestScript, neg bool, args []string) {
	home := ts.Getenv("SALLYPORT_HOME")
	if len(args) == 1 {
		home = ts.MkAbs(args[0])
	}
	poll(ts, "no server on "+home, func() bool {
		c, err := admin.Dial(context.Background(), filepath.Join(home, "state", "admin.sock"))
		if err != nil {
			return false
		}
		defer c.Close()
		_, err = c.Agents(context.Background())
		return err == nil
	})
}

func poll(ts *testscript.TestScript, otherwise string, done func() bool) {
	deadline := time.Now().Add(20 * time.Second)
	for !done() {
		if time.Now().After(deadline) {
			ts.Fatalf("%s", otherwise)
		}
		time.Sleep(10 * time.Millisecond) // between two looks at another process
	}
}

// eventually CMD ARG...: runs the command until it succeeds.
func eventually(ts *testscript.TestScript, neg bool, args []string) {
	poll(ts, "never succeeded: "+strings.Join(args, " "), func() bool { return ts.Exec(args[0], args[1:]...) == nil })
}

// signal NAME: sends the signal to the background command.
func signal(ts *testscript.TestScript, neg bool, args []string) {
	signals := map[string]os.Signal{"HUP": syscall.SIGHUP, "TERM": syscall.SIGTERM, "KILL": syscall.SIGKILL}
	for _, cmd := range ts.BackgroundCmds() {
		if cmd.ProcessState == nil {
			ts.Check(cmd.Process.Signal(signals[args[0]]))
		}
	}
}

// keys FILE [.FIELD] KEY...: the JSON object in FILE, the first of an array, or
// its FIELD, has these keys. More may come; none may go.
func keys(ts *testscript.TestScript, neg bool, args []string) {
	var v any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &v))
	want := args[1:]
	if field, ok := strings.CutPrefix(args[1], "."); ok {
		v, want = first(ts, v)[field], args[2:]
	}
	got := first(ts, v)
	for _, key := range want {
		if _, ok := got[key]; !ok {
			ts.Fatalf("no key %s in %v", key, slices.Sorted(maps.Keys(got)))
		}
	}
}

func first(ts *testscript.TestScript, v any) map[string]any {
	if list, ok := v.([]any); ok {
		if len(list) == 0 {
			ts.Fatalf("the array is empty")
		}
		v = list[0]
	}
	object, ok := v.(map[string]any)
	if !ok {
		ts.Fatalf("%v is not an object", v)
	}
	return object
}

// fetch STATUS PATH [ADDRESS]: gets a page from the admin socket, or from the
// address, into stdout.
func fetch(ts *testscript.TestScript, neg bool, args []string) {
	transport := &http.Transport{DisableKeepAlives: true}
	address := "socket"
	if len(args) == 3 {
		address = args[2]
	} else {
		socket := filepath.Join(ts.Getenv("SALLYPORT_HOME"), "state", "admin.sock")
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}
	}
	answer(ts, &http.Client{Transport: transport}, http.MethodGet, "http://"+address+args[1], args[0])
}

// unready ADDRESS: waits until /readyz there answers 503.
func unready(ts *testscript.TestScript, neg bool, args []string) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	poll(ts, "it stays ready", func() bool {
		resp, err := client.Get("http://" + args[0] + "/readyz")
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusServiceUnavailable
	})
}

// request STATUS DIR METHOD URL: sends a request as the agent in DIR; with !,
// its tunnel is refused.
func request(ts *testscript.TestScript, neg bool, args []string) {
	dir := ts.MkAbs(args[1])
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "agent.crt"), filepath.Join(dir, "agent.key"))
	ts.Check(err)
	pool := x509.NewCertPool()
	for _, name := range []string{"ca.crt", "bundle.crt"} {
		pool.AppendCertsFromPEM([]byte(ts.ReadFile(filepath.Join(dir, name))))
	}
	var about struct{ Proxy string }
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(filepath.Join(dir, "agent.json"))), &about))
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		Proxy:             http.ProxyURL(&url.URL{Scheme: "https", Host: about.Proxy}),
		TLSClientConfig:   &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: pool},
	}}
	if neg {
		client.Timeout = 20 * time.Second
		if resp, err := client.Get(args[3]); err == nil {
			_ = resp.Body.Close()
			ts.Fatalf("the proxy let the agent in: %s", resp.Status)
		}
		return
	}
	answer(ts, client, args[2], args[3], args[0])
}

func answer(ts *testscript.TestScript, client *http.Client, method, target, status string) {
	client.Timeout = 20 * time.Second
	req, err := http.NewRequestWithContext(context.Background(), method, target, nil)
	ts.Check(err)
	resp, err := client.Do(req)
	ts.Check(err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	ts.Check(err)
	_, err = ts.Stdout().Write(body)
	ts.Check(err)
	if fmt.Sprint(resp.StatusCode) != status {
		ts.Fatalf("status %d, want %s: %s", resp.StatusCode, status, bytes.TrimSpace(body))
	}
}

// holdlock: holds HOME's lock to the end of the script, as a process does that
// has no socket.
func holdLock(ts *testscript.TestScript, neg bool, args []string) {
	lock, err := admin.Acquire(filepath.Join(ts.Getenv("SALLYPORT_HOME"), "state", "lock"))
	ts.Check(err)
	ts.Defer(func() { _ = lock.Release() })
}

// freeport NAME: sets the variable to a loopback address that nothing listens on.
func freePort(ts *testscript.TestScript, neg bool, args []string) {
	ln, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Setenv(args[0], ln.Addr().String())
	ts.Check(ln.Close())
}

// cpenv FROM TO: copies a file with its variables expanded.
func copyExpanded(ts *testscript.TestScript, neg bool, args []string) {
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(os.Expand(ts.ReadFile(args[0]), ts.Getenv)), 0o600))
}
