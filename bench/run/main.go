// Command run measures Sallyport with everything on (mutual TLS, interception,
// policy, injection, a durable intent and outcome for each request) beside a
// plain goproxy that does the same work without policy and without a durable
// record, and beside a relay that only moves bytes. It makes all it needs in a
// temporary folder, uses loopback only, and ends by itself. Run it with
// make bench; docs/performance.md explains the figures.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"

	"sallyport/internal/sqlite"
	"sallyport/test/rig"
)

// options are handed to the harness.
type options struct {
	rounds int
	modes  string
	only   string
	out    string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var o options
	binary := flag.String("sallyport", "bin/sallyport", "the binary to measure")
	count := flag.String("count", "", "only print how many outcomes the trail of this HOME holds (the harness asks)")
	flag.IntVar(&o.rounds, "rounds", 3, "rounds; every second one runs the targets in reverse")
	flag.StringVar(&o.modes, "modes", "keepalive,lat,newconn,h2,bulkdown,bulkup,sse,idle,audit", "what to measure")
	flag.StringVar(&o.only, "only", "", "comma-separated targets instead of all")
	flag.StringVar(&o.out, "out", "", "keep all samples in this JSON file")
	flag.Parse()
	var err error
	if *count != "" {
		err = printCount(ctx, *count)
	} else {
		err = run(ctx, *binary, o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, binary string, o options) error {
	binary, err := filepath.Abs(binary)
	if err != nil {
		return err
	}
	if o.out == "" {
		o.out = filepath.Join(os.TempDir(), "sallyport-bench-"+strconv.Itoa(os.Getpid())+".json")
		defer os.Remove(o.out)
	}
	work, err := os.MkdirTemp("", "sallyport-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	b := &bench{work: work, certs: filepath.Join(work, "certs"), binary: binary}
	if err := b.build(ctx); err != nil {
		return err
	}
	config, err := b.configure(ctx)
	if err != nil {
		return err
	}
	args := []string{
		"run", "-config", config, "-certs", b.certs, "-origin", b.origin, "-modes", o.modes,
		"-rounds", strconv.Itoa(o.rounds), "-only", o.only, "-out", o.out,
	}
	if err := b.command(ctx, b.harness, args...); err != nil {
		return err
	}
	return printGoals(os.Stdout, o.out)
}

// bench is the workplace of one run.
type bench struct {
	work, certs, origin   string
	harness, peer, binary string
}

// build compiles the harness and the peer; they are modules of their own, so
// that their dependencies are not the product's.
func (b *bench) build(ctx context.Context) error {
	b.harness, b.peer = filepath.Join(b.work, "harness"), filepath.Join(b.work, "goproxy-peer")
	for dir, out := range map[string]string{"bench/harness": b.harness, "bench/harness/peers/goproxy": b.peer} {
		cmd := exec.CommandContext(ctx, "go", "build", "-o", out, ".")
		cmd.Dir = dir
		if text, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", dir, err, text)
		}
	}
	return b.command(ctx, b.harness, "certs", "-dir", b.certs)
}

func (b *bench) command(ctx context.Context, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), "PEER_GOPROXY="+b.peer)
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s %s: %w", filepath.Base(name), args[0], err)
	}
	return nil
}

const policyFile = `policy: bench
rules:
  - name: other
    deny: {host: "*", path: "/**/.env"}
  - name: origin
    allow: {host: "localhost:*", methods: [GET, POST], path: /**}
    credential: key
`

const credentialsFile = `credentials:
  key: {kind: bearer, secret: {file: key}, hosts: ["localhost:*"]}
`

// limits are out of the way: the load is one agent's.
const limits = `limits:
  per_agent: {tunnels: 100000, exchanges: 100000, requests_per_second: 1000000, tunnels_per_second: 1000000, new_hosts_per_minute: 100000}
`

// configure makes a HOME with one agent, and the harness's list of targets.
func (b *bench) configure(ctx context.Context) (string, error) {
	var addresses [4]string // origin, Sallyport, relay, peer
	for i := range addresses {
		var err error
		if addresses[i], err = rig.FreeAddress(); err != nil {
			return "", err
		}
	}
	b.origin = addresses[0]
	home := &rig.Home{Dir: filepath.Join(b.work, "home"), Binary: b.binary}
	_, port, _ := strings.Cut(b.origin, ":")
	settings := rig.Settings{
		Listen: addresses[1], Roots: []string{filepath.Join(b.certs, "origin-ca.crt")},
		Resolve: map[string]string{"localhost:" + port: b.origin}, Extra: limits,
	}
	if err := home.Init(ctx, settings); err != nil {
		return "", err
	}
	for name, content := range map[string]string{
		"policies/bench.yaml": policyFile, "credentials.yaml": credentialsFile, "key": "real-secret\n",
		"owners.yaml": "people:\n  dana: {name: Dana Ito, email: dana@example.com}\n",
	} {
		if err := home.Write(name, content); err != nil {
			return "", err
		}
	}
	agent, err := home.CreateAgent(ctx, "bench", "person:dana", "bench-agent")
	if err != nil {
		return "", err
	}
	targets := b.targets(home, agent, addresses[1], addresses[2], addresses[3])
	data, err := json.MarshalIndent(targets, "", " ")
	if err != nil {
		return "", err
	}
	file := filepath.Join(b.work, "targets.json")
	return file, os.WriteFile(file, data, 0o600)
}

// target is the part of the harness's description of a proxy that is used here.
type target struct {
	Name          string            `json:"name"`
	Cmd           []string          `json:"cmd,omitempty"`
	Env           []string          `json:"env,omitempty"`
	Log           string            `json:"log,omitempty"`
	Proxy         string            `json:"proxy,omitempty"`
	CA            string            `json:"ca,omitempty"`
	ProxyCA       string            `json:"proxy_ca,omitempty"`
	ClientCert    string            `json:"client_cert,omitempty"`
	ClientKey     string            `json:"client_key,omitempty"`
	ExpectHeaders map[string]string `json:"expect_headers,omitempty"`
	AuditCount    []string          `json:"audit_count,omitempty"`
}

func (b *bench) targets(home *rig.Home, agent rig.Agent, sallyport, relay, peer string) any {
	injected := map[string]string{"Authorization": "Bearer real-secret"}
	cert, key := filepath.Join(b.certs, "agent.crt"), filepath.Join(b.certs, "agent.key")
	self, err := os.Executable()
	if err != nil {
		panic("a running program has a path: " + err.Error())
	}
	return map[string]any{"origin_host": "localhost", "ref": reference, "targets": []target{
		{Name: "direct"},
		{
			Name: "limit-mitm-mtls", Proxy: "https://" + relay, ClientCert: cert, ClientKey: key,
			Cmd: []string{b.harness, "relay", "-addr", relay, "-certs", b.certs, "-mode", "mitm", "-mtls"},
		},
		{
			Name: reference, Proxy: "https://" + peer, ClientCert: cert, ClientKey: key, ExpectHeaders: injected,
			Cmd: []string{b.peer, "-addr", peer, "-ca", filepath.Join(b.certs, "mitm-ca"), "-certs", b.certs, "-full", "-mtls"},
			Env: []string{"SSL_CERT_FILE=" + filepath.Join(b.certs, "bundle.crt")},
		},
		{
			Name: subject, Proxy: "https://" + sallyport, ExpectHeaders: injected,
			Cmd: []string{b.binary, "serve", "--home", home.Dir, "--log-level", "warn"},
			Log: filepath.Join(b.work, "sallyport.log"),
			CA:  filepath.Join(agent.Dir, "bundle.crt"), ProxyCA: filepath.Join(agent.Dir, "ca.crt"),
			ClientCert: filepath.Join(agent.Dir, "agent.crt"), ClientKey: filepath.Join(agent.Dir, "agent.key"),
			AuditCount: []string{self, "-count", home.Dir},
		},
	}}
}

// printCount counts the exchanges that the trail knows the end of.
func printCount(ctx context.Context, home string) error {
	db, err := sqlite.Open(filepath.Join(home, "state", "audit.db"), sqlite.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	defer db.Close()
	var n int
	if err := db.QueryRowContext(ctx, "SELECT count(*) FROM events WHERE type = 'outcome'").Scan(&n); err != nil {
		return fmt.Errorf("count outcomes: %w", err)
	}
	fmt.Println(n)
	return nil
}
