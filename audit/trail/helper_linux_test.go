package trail_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sallyport/audit"
	"sallyport/audit/trail"
	"sallyport/test/slowfs"
)

// helperVariable makes this binary play another process of the machine.
const helperVariable = "AUDIT_TEST_HELPER"

func TestMain(m *testing.M) {
	if job := os.Getenv(helperVariable); job != "" {
		if err := help(strings.Fields(job)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// help does a job until its standard input ends.
func help(job []string) error {
	if job[0] == "modes" { // FOLDER
		if err := changeModes(job[1]); err != nil {
			return err
		}
		fmt.Println("ready")
		return nil
	}
	if job[0] == "disk" { // FOLDER MOUNTPOINT SYNC
		delay, err := time.ParseDuration(job[3])
		if err != nil {
			return err
		}
		_, unmount, err := slowfs.Mount(job[1], job[2], delay)
		if err != nil {
			return err
		}
		fmt.Println("ready")
		_, _ = io.Copy(io.Discard, os.Stdin)
		return unmount()
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	fmt.Println("ready")
	for ctx.Err() == nil {
		if err := readTrail(ctx, job[0], job[1]); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

// nobody is a user that modes mean something to.
const nobody = 65534

// changeModes takes the right to write away from the folder and from the files
// of a trail, and gives it back.
func changeModes(folder string) error {
	if os.Geteuid() == 0 {
		if err := errors.Join(os.Chown(folder, nobody, nobody), syscall.Setgid(nobody), syscall.Setuid(nobody)); err != nil {
			return err
		}
	}
	path := filepath.Join(folder, "audit.db")
	writer, err := trail.Open(context.Background(), trail.Config{Path: path})
	if err != nil {
		return err
	}
	begin := func() error { return writer.Begin(context.Background(), intent()) }
	if err := begin(); err != nil {
		return err
	}
	for name, modes := range map[string][2]os.FileMode{folder: {0o500, 0o700}, path: {0o400, 0o600}, path + "-wal": {0o400, 0o600}} {
		if err := os.Chmod(name, modes[0]); err != nil {
			return err
		}
		if err := until(func() bool { return writer.Err() != nil }); err != nil {
			return fmt.Errorf("%s: not noticed: %w", name, err)
		}
		if begin() == nil {
			return fmt.Errorf("%s: an exchange began", name)
		}
		if err := os.Chmod(name, modes[1]); err != nil {
			return err
		}
		if err := until(func() bool { return writer.Err() == nil }); err != nil {
			return fmt.Errorf("%s: not healed: %w", name, err)
		}
		if err := begin(); err != nil {
			return err
		}
	}
	return writer.Close(context.Background())
}

func until(done func() bool) error {
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if done() {
			return nil
		}
	}
	return errors.New("it took more than 20 s")
}

// readTrail reads as a command does.
func readTrail(ctx context.Context, how, path string) error {
	r, err := trail.OpenReader(path)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	switch how {
	case "list":
		_, err = r.List(ctx, audit.Filter{Limit: 100})
	case "verify":
		_, err = r.Verify(ctx)
	case "export":
		err = r.Each(ctx, audit.Filter{}, func(x *audit.Exchange) error {
			_, err := io.Discard.Write(x.AppendJSON(nil))
			return err
		})
	}
	return err
}

// helper starts another process with a job and returns what ends it.
func helper(tb testing.TB, job ...string) (stop func()) {
	tb.Helper()
	cmd := exec.Command(os.Args[0]) //nolint:gosec,noctx // this binary, which ends with its standard input
	cmd.Env = append(os.Environ(), helperVariable+"="+strings.Join(job, " "))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(tb, err)
	out, err := cmd.StdoutPipe()
	require.NoError(tb, err)
	require.NoError(tb, cmd.Start())
	ready := make([]byte, 6)
	if _, err := io.ReadFull(out, ready); err != nil {
		err := cmd.Wait()
		if job[0] == "disk" {
			tb.Skipf("mounting a file system needs root and /dev/fuse: %v", err)
		}
		tb.Fatalf("helper %v: %v", job, err)
	}
	return func() {
		_ = in.Close()
		_ = cmd.Wait()
	}
}
