// Package e2e_test drives real clients, as a user would install them, through
// the built binary: a server, a sidecar for each client, and nothing in the
// client's environment but what sallyport env prints. Each client must succeed
// only because a credential was injected, and must be found in the trail.
//
// curl, git and Python's urllib run with every go test; the others with
// E2E=full. A client that is missing skips, or fails with REQUIRE_CLIENTS=1.
package e2e_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/sandbox/environment"
	"sallyport/test/hub"
	"sallyport/test/rig"
)

// The hosts of the outside world. All are one server on loopback; the real names
// stand for services that clients know by heart.
const (
	apiHost    = "api.service.test"
	gitHost    = "git.service.test"
	grpcHost   = "grpc.service.test"
	plainHost  = "plain.service.test"
	modules    = "proxy.golang.org"
	packages   = "registry.npmjs.org"
	stsHost    = "sts.eu-west-1.amazonaws.com"
	bucketHost = "artifacts.s3.eu-west-1.amazonaws.com"
)

// secrets is what the agent must never hold: one value per credential.
type secrets struct{ api, git, modules, packages, aws, anthropic, openai, gemini string }

func (s secrets) all() []string {
	return []string{s.api, s.git, s.modules, s.packages, s.aws, s.anthropic, s.openai, s.gemini}
}

// world is everything that the clients share.
type world struct {
	home    *rig.Home
	address string // of the listener
	secrets secrets
	outside *outside
	dotcom  *hub.Hub // github.com
	ghes    *hub.Hub // an Enterprise Server
	first   string   // the commit that acme/web begins with
	server  *rig.Server
	close   []func()
}

var shared *world

func TestMain(m *testing.M) {
	if mode := os.Getenv(goClientMode); mode != "" {
		os.Exit(goClient(mode, os.Args[1:])) // this binary plays a Go client of itself
	}
	// A space in every path: the environment must survive one.
	dir, err := os.MkdirTemp("", "sallyport e2e ")
	code := 1
	if err == nil {
		shared, err = newWorld(context.Background(), dir)
	}
	if err == nil {
		code = m.Run()
	} else {
		fmt.Fprintln(os.Stderr, err)
	}
	if shared != nil {
		if err := shared.checkProtocols(context.Background()); err != nil && code == 0 {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
		shared.stop()
		// What clients send in place of secrets must never have left.
		if seen := shared.outside.log(); strings.Contains(seen, environment.Placeholder) || strings.Contains(seen, "SALLYPORT") {
			fmt.Fprintln(os.Stderr, "a placeholder reached an upstream:\n"+seen)
			code = 1
		}
		if err := shared.leaks(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

func (w *world) stop() {
	for _, f := range slices.Backward(w.close) {
		f()
	}
}

func newWorld(ctx context.Context, dir string) (*world, error) {
	binary, err := rig.Build(ctx, dir)
	if err != nil {
		return nil, err
	}
	w := &world{
		home: &rig.Home{Dir: filepath.Join(dir, "home"), Binary: binary},
		secrets: secrets{
			"api-" + rand.Text(), "git-" + rand.Text(), "modules-" + rand.Text(),
			"packages-" + rand.Text(), "aws-" + rand.Text(), "sk-ant-" + rand.Text(), "sk-" + rand.Text(), "AIza-" + rand.Text(),
		},
	}
	w.home.Env = []string{"ANTHROPIC_API_KEY=" + w.secrets.anthropic, "OPENAI_API_KEY=" + w.secrets.openai, "GEMINI_API_KEY=" + w.secrets.gemini}
	if w.outside, err = newOutside(filepath.Join(dir, "repositories"), w.secrets); err != nil {
		return nil, err
	}
	if err := w.addGitHub(dir); err != nil {
		return nil, err
	}
	names := append([]string{apiHost, gitHost, grpcHost, modules, packages, stsHost, bucketHost, anthropicHost, openaiHost, geminiHost}, w.dotcom.Hosts()...)
	names = append(names, w.ghes.Hosts()...)
	upstream, err := rig.NewUpstream(dir, names, w.outside)
	if err != nil {
		return nil, err
	}
	w.close = append(w.close, func() { _ = upstream.Close() })
	plain, err := newPlain()
	if err != nil {
		return nil, err
	}
	w.close = append(w.close, plain.Close)

	listen, err1 := rig.FreeAddress()
	health, err2 := rig.FreeAddress()
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	w.address = listen
	settings := rig.Settings{
		Listen: listen, Health: health, Roots: []string{upstream.Roots},
		Resolve: map[string]string{plainHost + ":80": plain.Listener.Addr().String()},
		Extra:   "enrol: {listen: 127.0.0.1:0}\n",
	}
	for _, name := range names {
		settings.Resolve[name+":443"] = upstream.Address
	}
	if err := w.configure(ctx, settings); err != nil {
		return w, err
	}
	w.server, err = w.home.Serve(ctx, settings)
	if err != nil {
		return w, err
	}
	w.close = append(w.close, func() { _ = w.server.Stop() })
	return w, nil
}

// addGitHub starts github.com and an Enterprise Server, each with an App of its own.
func (w *world) addGitHub(dir string) error {
	var err1, err2 error
	w.dotcom, err1 = hub.New(hub.Options{Web: "github.com", App: 4711, Dir: filepath.Join(dir, "github"), Life: time.Hour})
	w.ghes, err2 = hub.New(hub.Options{Web: "github.example.com", App: 12, Dir: filepath.Join(dir, "ghes"), Life: time.Hour})
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	for i := 2; i <= 5; i++ {
		w.dotcom.AddIssue("acme/api", fmt.Sprint("issue ", i)) // several pages of them
	}
	refs, err := w.dotcom.Refs("acme/web")
	if err != nil {
		return err
	}
	_, w.first, _ = strings.Cut(refs[0], " ")
	for _, one := range []*hub.Hub{w.dotcom, w.ghes} {
		for _, name := range one.Hosts() {
			w.outside.services[name] = one // which checks by itself who asks
		}
	}
	return nil
}

// forbidden is what no agent may see.
func (w *world) forbidden() []string {
	return slices.Concat(w.secrets.all(), w.dotcom.Secrets(), w.ghes.Secrets())
}

// leaks looks for what no agent may see in all that Sallyport has written.
func (w *world) leaks(ctx context.Context) error {
	written, err := rig.Dump(ctx, w.home.Dir)
	if err != nil {
		return err
	}
	if w.server != nil {
		written = append(written, w.server.Log()...)
	}
	for _, secret := range w.forbidden() {
		if form := rig.Find(written, secret); form != "" {
			return fmt.Errorf("a secret of %d characters is in the log or in HOME/state, %s", len(secret), form)
		}
	}
	return nil
}

// configure writes HOME: one credential of each kind that fits its service, one policy.
func (w *world) configure(ctx context.Context, settings rig.Settings) error {
	if err := w.home.Init(ctx, settings); err != nil {
		return err
	}
	files := map[string]string{
		"owners.yaml":       "people:\n  dana: {name: Dana Ito}\n",
		"credentials.yaml":  credentialsFile,
		"policies/e2e.yaml": policyFile,
		"secrets/acme.pem":  w.dotcom.PrivateKey(),
		"secrets/ghes.pem":  w.ghes.PrivateKey(),
	}
	for name, text := range gitHubPolicies() {
		files["policies/"+name+".yaml"] = "policy: " + name + "\n" + text
	}
	for n, name := range []string{"api", "git", "modules", "packages", "aws"} {
		files["secrets/"+name] = w.secrets.all()[n] + "\n"
	}
	for name, content := range files {
		if err := w.home.Write(name, content); err != nil {
			return err
		}
	}
	return w.addHarnesses(ctx)
}

// addHarnesses makes the policies for harnesses by their templates, with what their tools do in
// these tests, and one more, under which Codex has no WebSocket.
func (w *world) addHarnesses(ctx context.Context) error {
	for _, name := range []string{"claude-code", "codex", "gemini", "opencode"} {
		if _, err := w.home.Run(ctx, "policy", "new", name, "--from", name); err != nil {
			return err
		}
		text, err := os.ReadFile(filepath.Join(w.home.Dir, "policies", name+".yaml"))
		if err != nil {
			return err
		}
		rules, _, _ := strings.Cut(string(text), "\ntests:\n")
		rules += toolRules
		events := strings.NewReplacer("policy: codex\n", "policy: codex-events\n", "POST, WEBSOCKET", "POST").Replace(rules)
		if err := w.home.Write("policies/"+name+".yaml", rules); err != nil {
			return err
		}
		if name == "codex" {
			if err := w.home.Write("policies/codex-events.yaml", events); err != nil {
				return err
			}
		}
	}
	return nil
}

const toolRules = `
  - {name: read, allow: {github: {repos: [acme/web], access: read}}, credential: acme}
  - {name: api, allow: {host: api.service.test}, credential: api}
  - {name: closed, deny: {host: api.service.test, path: /closed/**}}
`

const credentialsFile = `credentials:
  api: {kind: bearer, secret: {file: secrets/api}, hosts: [api.service.test, grpc.service.test]}
  git: {kind: basic, username: x-access-token, secret: {file: secrets/git}, hosts: [git.service.test]}
  modules: {kind: basic, username: go, secret: {file: secrets/modules}, hosts: [proxy.golang.org]}
  packages: {kind: bearer, secret: {file: secrets/packages}, hosts: [registry.npmjs.org]}
  acme: {kind: github_app, app_id: 4711, private_key: {file: secrets/acme.pem}, owners: [acme], installation: auto}
  ghes: {kind: github_app, app_id: 12, private_key: {file: secrets/ghes.pem}, owners: [acme], installation: auto, base_url: "https://github.example.com"}
  aws: {kind: header, header: X-Injected-Key, secret: {file: secrets/aws}, hosts: ["*.amazonaws.com"]}
`

const policyFile = `policy: e2e
description: what the clients of the end-to-end tests may do
rules:
  - {name: api, allow: {host: api.service.test}, credential: api}
  - {name: closed, deny: {host: api.service.test, path: /closed/**}}
  - {name: grpc, allow: {host: grpc.service.test, methods: [POST]}, credential: api}
  - {name: git, allow: {host: git.service.test, methods: [GET, POST], path: /work/**}, credential: git}
  - {name: modules, allow: {host: proxy.golang.org, methods: [GET]}, credential: modules}
  - {name: packages, allow: {host: registry.npmjs.org, methods: [GET]}, credential: packages}
  - {name: aws, allow: {host: "*.amazonaws.com"}, credential: aws}
  - {name: plain, allow: {host: plain.service.test, scheme: http}}
`
