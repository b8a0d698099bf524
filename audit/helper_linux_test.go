package audit_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sallyport/audit"
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

// readTrail reads as a command does.
func readTrail(ctx context.Context, how, path string) error {
	r, err := audit.OpenReader(path)
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
		tb.Skipf("helper %v: %v", job, cmd.Wait())
	}
	return func() {
		_ = in.Close()
		_ = cmd.Wait()
	}
}
