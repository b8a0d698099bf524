// Package aws_test drives AWS's own clients, with placeholder keys, through the built
// binary to servers that verify what arrives: versitygw and MinIO for S3, moto for many
// services. Each must succeed only because Sallyport signed, and no placeholder may
// arrive anywhere.
//
// It runs with E2E=full (make aws). A server or client that is missing skips, or fails
// with REQUIRE_CLIENTS=1; test/e2e/install-servers.sh and install-clients.sh bring them.
package aws_test

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

	"sallyport/test/rig"
)

// The names under which clients know the servers.
const (
	versityHost = "s3.versity.test"
	minioHost   = "s3.minio.test"
	region      = "eu-west-1"
)

// motoHosts are AWS's own names; moto answers for all of them.
var motoHosts = []string{"s3", "dynamodb", "sqs", "sns", "sts", "secretsmanager", "ec2", "lambda", "logs"}

// buckets are one for each kind of client.
var buckets = []string{"py-bucket", "cli-bucket", "go-bucket", "js-bucket", "bare-bucket"}

// world is everything that the clients share.
type world struct {
	dir     string
	home    *rig.Home
	address string
	server  *rig.Server
	servers map[string]*server // by name; those that are installed
	close   []func()
}

var shared *world

func TestMain(m *testing.M) {
	if os.Getenv("E2E") != "full" {
		fmt.Println("E2E=full runs this (make aws)")
		os.Exit(0)
	}
	dir, err := os.MkdirTemp("", "sallyport aws ")
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
		for _, f := range slices.Backward(shared.close) {
			f()
		}
		for _, s := range shared.servers {
			if found := s.placeholders(); found != "" {
				fmt.Fprintf(os.Stderr, "a placeholder arrived at %s: %s\n", s.name, found)
				code = 1
			}
		}
	}
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

func newWorld(ctx context.Context, dir string) (*world, error) {
	binary, err := rig.Build(ctx, dir)
	if err != nil {
		return nil, err
	}
	w := &world{dir: dir, home: &rig.Home{Dir: filepath.Join(dir, "home"), Binary: binary}, servers: map[string]*server{}}
	listen, err1 := rig.FreeAddress()
	health, err2 := rig.FreeAddress()
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	settings := rig.Settings{Listen: listen, Health: health, Resolve: map[string]string{}}
	w.address = listen
	for _, start := range []func(context.Context, string) (*server, error){startVersity, startMinIO, startMoto} {
		s, err := start(ctx, dir)
		if errors.Is(err, errMissing) {
			fmt.Println(err)
			continue
		}
		if err != nil {
			return w, err
		}
		w.servers[s.name] = s
		w.close = append(w.close, s.stop)
		settings.Roots = append(settings.Roots, s.front.roots)
		for _, name := range s.front.names {
			settings.Resolve[name+":443"] = s.front.address
		}
	}
	if err := w.configure(ctx, settings); err != nil {
		return w, err
	}
	if w.server, err = w.home.Serve(ctx, settings); err != nil {
		return w, err
	}
	w.close = append(w.close, func() { _ = w.server.Stop() })
	return w, nil
}

// configure writes HOME: for each server a credential, a policy that injects it and one
// that does not.
func (w *world) configure(ctx context.Context, settings rig.Settings) error {
	if err := w.home.Init(ctx, settings); err != nil {
		return err
	}
	var credentials, rules, bare strings.Builder
	credentials.WriteString("credentials:\n")
	for name, s := range w.servers {
		hosts := s.pattern
		if name == "moto" { // what has to be named exactly
			rules.WriteString("  - {name: exact, allow: {aws: {operations: [secretsmanager/CreateSecret, secretsmanager/GetSecretValue, dynamodb/CreateTable, sqs/CreateQueue, sns/CreateTopic, lambda/CreateFunction]}}, credential: moto}\n")
		}
		fmt.Fprintf(&credentials, "  %s: {kind: aws_keys, access_key_id: %s, secret: {file: secrets/%s}, region: %s, hosts: %q}\n", name, s.id, name, s.region, []string{hosts})
		fmt.Fprintf(&rules, "  - {name: %s, allow: {host: %q}, credential: %s}\n", name, hosts, name)
		fmt.Fprintf(&bare, "  - {name: %s, allow: {host: %q}}\n", name, hosts)
		if err := w.home.Write("secrets/"+name, s.secret); err != nil {
			return err
		}
	}
	w.configureRoles(&credentials)
	for name, content := range map[string]string{
		"owners.yaml":           "people:\n  dana: {name: Dana Ito}\n",
		"credentials.yaml":      credentials.String(),
		"policies/builder.yaml": "policy: builder\ndescription: may use every store\nrules:\n" + rules.String(),
		"policies/roles.yaml":   w.available(rolePolicy),
		"policies/narrow.yaml":  w.available(narrowPolicy),
		"policies/bounded.yaml": w.served("versity", boundedPolicy),
		"policies/paths.yaml":   w.served("versity", pathsPolicy),
		"policies/bare.yaml":    "policy: bare\ndescription: may speak to every store, as nobody\nrules:\n" + bare.String(),
	} {
		if err := w.home.Write(name, content); err != nil {
			return err
		}
	}
	return nil
}

// secret is a random one.
func secret() string { return "real+secret/" + rand.Text() }
