package aws_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"sallyport/test/rig"
)

var errMissing = errors.New("not installed; run test/e2e/install-servers.sh")

// server is one that verifies signatures, behind TLS.
type server struct {
	name, region string
	id, secret   string // the real keys
	pattern      string // the hosts that it answers for
	data         string // where versitygw keeps its objects, as files

	front   *front
	process *exec.Cmd
	log     *rig.Log
}

func (s *server) stop() {
	s.front.close()
	_ = s.process.Process.Kill()
	_ = s.process.Wait()
}

// start runs a program until it listens on address, and puts TLS in front of it.
func (s *server) start(ctx context.Context, dir, address string, names []string, program string, env []string, args ...string) error {
	s.log = &rig.Log{}
	s.process = exec.CommandContext(ctx, program, args...)
	s.process.Stdout, s.process.Stderr, s.process.WaitDelay = s.log, s.log, 5*time.Second
	s.process.Env = append(os.Environ(), env...)
	s.process.Dir = dir
	if err := s.process.Start(); err != nil {
		return fmt.Errorf("start %s: %w", s.name, err)
	}
	if err := listening(ctx, address); err != nil {
		_ = s.process.Process.Kill()
		return fmt.Errorf("%s: %w\n%s", s.name, err, s.log)
	}
	var err error
	s.front, err = newFront(filepath.Join(dir, s.name), names, address)
	return err
}

// listening waits until somebody does.
func listening(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/", nil)
		if err != nil {
			return err
		}
		if answer, err := http.DefaultTransport.RoundTrip(request); err == nil {
			return answer.Body.Close()
		}
		select {
		case <-ctx.Done():
			return errors.New("does not answer at " + address)
		case <-tick.C:
		}
	}
}

// installed finds a server that install-servers.sh has built.
func installed(program string) (string, error) {
	path, err := filepath.Abs(filepath.Join("..", "..", ".cache", "servers", program))
	if err == nil {
		path, err = exec.LookPath(path)
	}
	return path, missing(program, err)
}

func missing(program string, err error) error {
	switch {
	case err == nil:
		return nil
	case os.Getenv("REQUIRE_CLIENTS") == "1":
		return fmt.Errorf("%s is not installed: %w", program, err)
	}
	return fmt.Errorf("%s: %w", program, errMissing)
}

func startVersity(ctx context.Context, dir string) (*server, error) {
	program, err := installed("versitygw")
	if err != nil {
		return nil, err
	}
	address, err := rig.FreeAddress()
	if err != nil {
		return nil, err
	}
	s := &server{name: "versity", region: region, id: "versity-user", secret: secret(), pattern: versityHost, data: filepath.Join(dir, "versity objects")}
	if err := errors.Join(os.Mkdir(s.data, 0o700), os.Mkdir(filepath.Join(dir, "versity"), 0o700)); err != nil {
		return nil, err
	}
	return s, s.start(ctx, dir, address, []string{versityHost}, program,
		[]string{"ROOT_ACCESS_KEY_ID=" + s.id, "ROOT_SECRET_ACCESS_KEY=" + s.secret},
		"--port", address, "--region", s.region, "--quiet", "posix", s.data)
}

func startMinIO(ctx context.Context, dir string) (*server, error) {
	program, err := installed("minio")
	if err != nil {
		return nil, err
	}
	address, err := rig.FreeAddress()
	if err != nil {
		return nil, err
	}
	s := &server{name: "minio", region: region, id: "minio-user", secret: secret(), pattern: minioHost}
	if err := os.Mkdir(filepath.Join(dir, "minio"), 0o700); err != nil {
		return nil, err
	}
	return s, s.start(ctx, dir, address, []string{minioHost}, program,
		[]string{"MINIO_ROOT_USER=" + s.id, "MINIO_ROOT_PASSWORD=" + s.secret, "MINIO_REGION=" + s.region, "MINIO_SITE_REGION=" + s.region, "MINIO_BROWSER=off"},
		"server", "--quiet", "--address", address, filepath.Join(dir, "minio objects"))
}

// startMoto starts moto and turns on its checks of signatures and permissions, which it
// leaves out for the first requests.
func startMoto(ctx context.Context, dir string) (*server, error) {
	program, err := exec.LookPath("moto_server")
	if err := missing("moto_server", err); err != nil {
		return nil, err
	}
	address, err := rig.FreeAddress()
	if err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	s := &server{name: "moto", region: region, pattern: "*.amazonaws.com"}
	var names []string
	for _, bucket := range buckets {
		names = append(names, bucket+".s3."+region+".amazonaws.com")
	}
	for _, service := range motoHosts {
		names = append(names, service+"."+region+".amazonaws.com")
	}
	if err := os.Mkdir(filepath.Join(dir, "moto"), 0o700); err != nil {
		return nil, err
	}
	err = s.start(ctx, dir, address, names, program, []string{"INITIAL_NO_AUTH_ACTION_COUNT=1000000"}, "-H", host, "-p", port)
	if err != nil {
		return nil, err
	}
	out, err := exec.CommandContext(ctx, "python3", "testdata/moto.py", "http://"+address).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("set up moto: %w\n%s", err, out)
	}
	s.id, s.secret, _ = strings.Cut(strings.TrimSpace(string(out)), " ")
	return s, nil
}
