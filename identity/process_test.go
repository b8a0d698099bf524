package identity_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/identity"
)

// TestMain is also the other process of the tests below: with REGISTRY set it
// creates agents there and prints each id after it was told that it is stored.
func TestMain(m *testing.M) {
	path := os.Getenv("IDENTITY_TEST_REGISTRY")
	if path == "" {
		os.Exit(m.Run())
	}
	if err := createAndPrint(path, os.Getenv("IDENTITY_TEST_COUNT")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func createAndPrint(path, countText string) error {
	count, err := strconv.Atoi(countText)
	if err != nil {
		return err
	}
	ctx := context.Background()
	r, err := identity.Open(ctx, path, time.Now)
	if err != nil {
		return err
	}
	for range count {
		a, err := r.Create(ctx, identity.Agent{Policy: "p", Owner: "person:dana", ExpiresAt: time.Now().Add(time.Hour)})
		if err != nil {
			return err
		}
		if err := r.AddCertificate(ctx, identity.Certificate{Serial: serialOf(a.ID), Agent: a.ID, NotAfter: a.ExpiresAt}); err != nil {
			return err
		}
		fmt.Println(a.ID)
	}
	return r.Close()
}

func serialOf(id uuid.UUID) string { return "f" + id.String()[:8] }

// process starts this test binary as createAndPrint.
func process(t *testing.T, path string, count int) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "IDENTITY_TEST_REGISTRY="+path, "IDENTITY_TEST_COUNT="+strconv.Itoa(count))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	return cmd, bufio.NewScanner(out)
}

// What was acknowledged survives a kill at any moment.
func TestKilledProcessLosesNothing(t *testing.T) {
	t.Parallel()
	path := database(t)
	var stored []uuid.UUID
	for round := range 5 {
		cmd, lines := process(t, path, 1_000_000)
		for range 3 + 7*round {
			require.True(t, lines.Scan())
			stored = append(stored, uuid.MustParse(lines.Text()))
		}
		require.NoError(t, cmd.Process.Kill())
		for lines.Scan() { // printed before the kill
			if id, err := uuid.Parse(lines.Text()); err == nil {
				stored = append(stored, id)
			}
		}
		require.Error(t, cmd.Wait())

		r := open(t, path, time.Now)
		for _, id := range stored {
			_, ok := r.Lookup(id)
			require.True(t, ok, id)
			require.False(t, r.CertificateRevoked(serialOf(id)), id)
		}
		require.NoError(t, r.Close())
	}
}

// Several processes may open one registry; each change is whole and none lost.
func TestProcessesShareADatabase(t *testing.T) {
	t.Parallel()
	path := database(t)
	const processes, count = 4, 10
	var all sync.WaitGroup
	for range processes {
		cmd, lines := process(t, path, count)
		all.Go(func() {
			printed := 0
			for lines.Scan() {
				printed++
			}
			assert.Equal(t, count, printed)
			assert.NoError(t, cmd.Wait())
		})
	}
	all.Wait()
	r := open(t, path, time.Now)
	agents := r.List()
	assert.Len(t, agents, processes*count)
	for _, a := range agents {
		assert.Len(t, r.Certificates(a.ID), 1)
	}
}
