package rig

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Server is a running sallyport serve.
type Server struct {
	cmd    *exec.Cmd
	log    *Log
	exited chan struct{}
	err    error // valid once exited is closed
}

// Log collects what a process writes; safe for concurrent use.
type Log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// String is everything written so far.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Serve starts the server and returns when the health listener of the settings
// says that it is ready, or with the reason why it ended.
func (h *Home) Serve(ctx context.Context, s Settings, args ...string) (*Server, error) {
	srv, err := h.Start(ctx, args...)
	if err != nil {
		return nil, err
	}
	if err := srv.Ready(ctx, s.Health); err != nil {
		srv.Kill()
		return nil, fmt.Errorf("%w\n%s", err, srv.log)
	}
	return srv, nil
}

// Start starts the server and returns at once.
func (h *Home) Start(ctx context.Context, args ...string) (*Server, error) {
	srv := &Server{log: &Log{}, exited: make(chan struct{})}
	srv.cmd = h.command(ctx, append([]string{"serve"}, args...)...)
	srv.cmd.Stdout, srv.cmd.Stderr = srv.log, srv.log
	if err := srv.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start sallyport serve: %w", err)
	}
	go func() {
		srv.err = srv.cmd.Wait()
		close(srv.exited)
	}()
	return srv, nil
}

// Ready waits until /readyz at address answers 200.
func (s *Server) Ready(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for {
		if status, _ := get(ctx, client, "http://"+address+"/readyz"); status == http.StatusOK {
			return nil
		}
		select {
		case <-s.exited:
			return fmt.Errorf("sallyport serve ended before it was ready: %w", s.err)
		case <-ctx.Done():
			return errors.New("sallyport serve was not ready within 20 s")
		case <-tick.C:
		}
	}
}

func get(ctx context.Context, client *http.Client, url string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

// Kill is kill -9, and waits for the process to be gone.
func (s *Server) Kill() {
	s.signal(syscall.SIGKILL)
	<-s.exited
}

// Exited is closed when the server has ended.
func (s *Server) Exited() <-chan struct{} { return s.exited }

// Stop asks the server to drain and waits for it.
func (s *Server) Stop() error {
	s.signal(syscall.SIGTERM)
	return s.Wait(40 * time.Second)
}

// Abort makes the Go runtime print every goroutine's stack and die.
func (s *Server) Abort() error {
	s.signal(syscall.SIGABRT)
	return s.Wait(20 * time.Second)
}

// Wait waits for the server to end by itself and returns how it ended.
func (s *Server) Wait(d time.Duration) error {
	select {
	case <-s.exited:
		return s.err
	case <-time.After(d):
		s.Kill()
		return fmt.Errorf("sallyport serve did not end within %s", d)
	}
}

func (s *Server) signal(sig os.Signal) {
	// A process that is gone already is what the caller wants.
	_ = s.cmd.Process.Signal(sig)
}

// Memory is a figure of the process in bytes, by the name that Linux gives it: VmRSS for
// what it has, VmHWM for the most that it had.
func (s *Server) Memory(name string) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("read the server's memory: %w", err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, found := strings.CutPrefix(line, name+":"); found {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("the server's status has no %s", name)
}

// ForgetPeak makes VmHWM start anew from what the process has now.
func (s *Server) ForgetPeak() error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", s.cmd.Process.Pid), []byte("5"), 0)
}

// Log is what the server has written so far.
func (s *Server) Log() string { return s.log.String() }
