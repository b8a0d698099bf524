// Command demo shows Sallyport at work in half a minute, offline: it makes a
// fresh HOME in a temporary folder, starts the proxy and a small HTTPS upstream
// that wants a key, and then does what an agent would do with curl and git. It
// fails unless everything happens as its narration says. Run it with make demo.
package main

import (
	"context"
	"crypto/rand"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"sallyport/test/rig"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	binary := flag.String("sallyport", "bin/sallyport", "the binary to show")
	flag.Parse()
	started := time.Now()
	if err := run(ctx, *binary, os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "\ndemo: %v\n", err)
		stop()
		os.Exit(1)
	}
	fmt.Printf("\nAll of it happened as told, in %.1f s. Nothing is left behind.\n", time.Since(started).Seconds())
}

// demo is the state of one run.
type demo struct {
	out      io.Writer
	work     string // everything is below it, and it is removed at the end
	home     *rig.Home
	settings rig.Settings
	upstream *rig.Upstream
	service  *service
	server   *rig.Server
	agent    rig.Agent
	sidecar  *rig.Sidecar
	sandbox  string   // the agent's own folder
	env      []string // the agent's whole environment
	seen     strings.Builder
}

func run(ctx context.Context, binary string, out io.Writer) error {
	binary, err := filepath.Abs(binary)
	if err != nil {
		return err
	}
	if err := requireTools("curl", "git"); err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "sallyport-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	d := &demo{out: out, work: work, home: &rig.Home{Dir: filepath.Join(work, "home"), Binary: binary}}
	defer d.close()
	if err := d.prepare(ctx); err != nil {
		return err
	}
	for _, scene := range []func(context.Context) error{
		d.allowed, d.refused, d.gitWork, d.suspended, d.trail, d.search,
	} {
		if err := scene(ctx); err != nil {
			return err
		}
	}
	return nil
}

func requireTools(names ...string) error {
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			return fmt.Errorf("the demo drives %s, which is not installed: %w", name, err)
		}
	}
	return nil
}

func (d *demo) close() {
	if d.sidecar != nil {
		d.sidecar.Close()
	}
	if d.server != nil {
		d.server.Kill()
	}
	if d.upstream != nil {
		_ = d.upstream.Close()
	}
}

const policyFile = `policy: demo
description: a coding agent with one model and one repository
rules:
  - name: model
    allow: {host: api.demo.test, methods: [POST], path: /v1/messages}
    credential: model-key
  - name: events
    allow: {host: api.demo.test, methods: [GET], path: /v1/events}
    credential: model-key
  - name: repository
    allow: {host: git.demo.test, methods: [GET, POST], path: /acme/web.git/**}
    credential: git-token
tests:
  - request: POST https://api.demo.test/v1/messages
    expect: allow by model
  - request: DELETE https://api.demo.test/v1/messages
    expect: deny
`

const credentialsFile = `credentials:
  model-key: {kind: header, header: x-api-key, secret: {env: DEMO_MODEL_KEY}, hosts: [api.demo.test]}
  git-token: {kind: basic, username: x-access-token, secret: {file: git-token}, hosts: [git.demo.test]}
`

const ownersFile = `people:
  dana: {name: Dana Ito, email: dana@example.com}
teams:
  platform: {members: [dana]}
`

// prepare starts the outside world, the proxy, an agent and its sidecar.
func (d *demo) prepare(ctx context.Context) error {
	d.title("A home, a proxy, an upstream that wants a key, and an agent without one")
	modelKey, gitToken := "demo-model-"+rand.Text(), "demo-git-"+rand.Text()
	if err := d.startUpstream(ctx, modelKey, gitToken); err != nil {
		return err
	}
	d.home.Env = []string{"DEMO_MODEL_KEY=" + modelKey}
	if err := d.writeHome(ctx, gitToken); err != nil {
		return err
	}
	d.show("policies/demo.yaml", policyFile)
	checked, err := d.home.Run(ctx, "policy", "check")
	if err != nil {
		return err
	}
	d.show("$ sallyport policy check", checked)

	if d.server, err = d.home.Serve(ctx, d.settings); err != nil {
		return err
	}
	d.say("$ sallyport serve                      (listening on %s, mutual TLS only)", d.settings.Listen)
	if d.agent, err = d.home.CreateAgent(ctx, "demo", "person:dana", "demo-agent"); err != nil {
		return err
	}
	d.say("$ sallyport agent create --policy demo --owner person:dana --name demo-agent")
	d.say("  agent %s, answerable: Dana Ito", d.agent.ID)
	if d.sidecar, err = d.home.Sidecar(ctx, d.agent, d.settings.Listen); err != nil {
		return err
	}
	d.say("$ sallyport sidecar --proxy %s --identity demo-agent", d.settings.Listen)
	return d.enterSandbox(ctx)
}

func (d *demo) startUpstream(ctx context.Context, modelKey, gitToken string) error {
	repository := filepath.Join(d.work, "srv", "acme", "web.git")
	for _, args := range [][]string{
		{"init", "--quiet", "--bare", "--initial-branch=main", repository},
		{"-C", repository, "config", "http.receivepack", "true"},
	} {
		if out, err := exec.CommandContext(ctx, "git", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("git %s: %w: %s", args[0], err, out)
		}
	}
	var err error
	if d.service, err = newService(modelKey, gitToken, filepath.Join(d.work, "srv")); err != nil {
		return err
	}
	d.upstream, err = rig.NewUpstream(d.work, []string{modelHost, gitHost}, d.service)
	return err
}

func (d *demo) writeHome(ctx context.Context, gitToken string) error {
	listen, err := rig.FreeAddress()
	if err != nil {
		return err
	}
	health, err := rig.FreeAddress()
	if err != nil {
		return err
	}
	d.settings = rig.Settings{
		Listen: listen, Health: health, Roots: []string{d.upstream.Roots},
		Resolve: map[string]string{modelHost + ":443": d.upstream.Address, gitHost + ":443": d.upstream.Address},
	}
	if err := d.home.Init(ctx, d.settings); err != nil {
		return err
	}
	for name, content := range map[string]string{
		"owners.yaml": ownersFile, "credentials.yaml": credentialsFile,
		"policies/demo.yaml": policyFile, "git-token": gitToken + "\n",
	} {
		if err := d.home.Write(name, content); err != nil {
			return err
		}
	}
	return nil
}

// enterSandbox gives the agent a folder and an environment: PATH and what
// sallyport env prints, nothing else.
func (d *demo) enterSandbox(ctx context.Context) error {
	d.sandbox = filepath.Join(d.work, "sandbox")
	if err := os.Mkdir(d.sandbox, 0o700); err != nil {
		return err
	}
	vars, err := d.home.Environment(ctx, d.agent, d.sidecar.URL)
	if err != nil {
		return err
	}
	d.env = append(vars, "PATH="+os.Getenv("PATH"), "HOME="+d.sandbox, "GIT_TERMINAL_PROMPT=0",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_AUTHOR_NAME=demo-agent", "GIT_AUTHOR_EMAIL=agent@example.com",
		"GIT_COMMITTER_NAME=demo-agent", "GIT_COMMITTER_EMAIL=agent@example.com")
	d.say("$ sallyport env                        (%d variables: that is all the agent gets)", len(vars))
	return nil
}
