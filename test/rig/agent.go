package rig

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Agent is what sallyport agent create answered.
type Agent struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Dir   string `json:"-"` // its certificate, key and bundles
	Files struct {
		Cert   string `json:"cert"`
		Key    string `json:"key"`
		CA     string `json:"ca"`
		Bundle string `json:"bundle"`
	} `json:"files"`
}

// CreateAgent registers an agent under policy and writes its files beside HOME.
func (h *Home) CreateAgent(ctx context.Context, policy, owner, name string) (Agent, error) {
	a := Agent{Dir: filepath.Join(filepath.Dir(h.Dir), name)}
	err := h.RunJSON(ctx, &a, "agent", "create", "--policy", policy, "--owner", owner, "--name", name, "--out", a.Dir)
	return a, err
}

// Transport sends requests through the proxy at address with the agent's
// certificate, without a sidecar. One transport is one set of tunnels.
func (a Agent) Transport(address string) (*http.Transport, error) {
	pair, err := tls.LoadX509KeyPair(filepath.Join(a.Dir, "agent.crt"), filepath.Join(a.Dir, "agent.key"))
	if err != nil {
		return nil, fmt.Errorf("load the agent's certificate: %w", err)
	}
	pool := x509.NewCertPool()
	for _, name := range []string{"ca.crt", "bundle.crt"} {
		pem, err := os.ReadFile(filepath.Join(a.Dir, name))
		if err != nil {
			return nil, fmt.Errorf("load the agent's %s: %w", name, err)
		}
		pool.AppendCertsFromPEM(pem)
	}
	return &http.Transport{
		Proxy:               http.ProxyURL(&url.URL{Scheme: "https", Host: address}),
		TLSClientConfig:     &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: pool, MinVersion: tls.VersionTLS13},
		MaxIdleConnsPerHost: 32,
	}, nil
}

// Dial opens a tunnel to target through the proxy at address, and TLS inside it, for
// who wants to choose each byte. protocols are those of ALPN.
func (a Agent) Dial(ctx context.Context, address, target string, protocols ...string) (*tls.Conn, error) {
	transport, err := a.Transport(address)
	if err != nil {
		return nil, err
	}
	outer, err := (&tls.Dialer{Config: transport.TLSClientConfig}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("reach the proxy: %w", err)
	}
	if _, err := fmt.Fprintf(outer, "CONNECT %[1]s:443 HTTP/1.1\r\nHost: %[1]s:443\r\n\r\n", target); err != nil {
		return nil, errors.Join(err, outer.Close())
	}
	// The answer is read byte by byte: what follows it belongs to TLS.
	var head []byte
	for !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
		var b [1]byte
		if _, err := outer.Read(b[:]); err != nil {
			return nil, errors.Join(fmt.Errorf("CONNECT: %w after %q", err, head), outer.Close())
		}
		head = append(head, b[0])
	}
	if !bytes.HasPrefix(head, []byte("HTTP/1.1 200")) {
		return nil, errors.Join(fmt.Errorf("CONNECT: %q", head), outer.Close())
	}
	inner := tls.Client(outer, &tls.Config{RootCAs: transport.TLSClientConfig.RootCAs, ServerName: target, NextProtos: protocols, MinVersion: tls.VersionTLS13})
	if err := inner.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("TLS inside the tunnel: %w", err), outer.Close())
	}
	return inner, nil
}

// Sidecar is a running sallyport sidecar.
type Sidecar struct {
	URL string // with its password
	Log *Log
	cmd *exec.Cmd
}

// Sidecar starts the loopback proxy of one agent.
func (h *Home) Sidecar(ctx context.Context, a Agent, proxy string) (*Sidecar, error) {
	s := &Sidecar{Log: &Log{}}
	s.cmd = h.command(ctx, "sidecar", "--proxy", proxy, "--identity", a.Dir)
	s.cmd.Stderr = s.Log
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start sallyport sidecar: %w", err)
	}
	first := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(stdout).ReadString('\n')
		first <- strings.TrimSpace(line)
	}()
	select {
	case s.URL = <-first:
	case <-time.After(10 * time.Second):
	}
	if s.URL == "" {
		s.Close()
		return nil, errors.New("sallyport sidecar printed no address: " + s.Log.String())
	}
	return s, nil
}

// Close ends the sidecar.
func (s *Sidecar) Close() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

// Environment is what sallyport env gives the agent, as KEY=VALUE.
func (h *Home) Environment(ctx context.Context, a Agent, proxyURL string) ([]string, error) {
	out, err := h.Run(ctx, "env", "--proxy", proxyURL, "--identity", a.Dir, "--format", "json")
	if err != nil {
		return nil, err
	}
	var vars map[string]string
	if err := json.Unmarshal([]byte(out), &vars); err != nil {
		return nil, fmt.Errorf("sallyport env: %w", err)
	}
	env := make([]string, 0, len(vars))
	for k, v := range vars {
		env = append(env, k+"="+v)
	}
	return env, nil
}
