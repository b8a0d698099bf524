package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	sallyport "sallyport/cmd/sallyport"
)

// typed is one command line and what came of it.
type typed struct {
	line string
	code int
	out  string // for people or scripts
	err  string // what is wrong, and hints
}

// typeLine runs one command line on a HOME in this process. Nothing is on standard input.
func typeLine(t *testing.T, home string, args ...string) typed {
	t.Helper()
	return typeWith(t, home, "", args...)
}

// typeWith is typeLine with standard input. Times are those of UTC, wherever the test runs.
func typeWith(t *testing.T, home, stdin string, args ...string) typed {
	t.Helper()
	return typeAt(t, time.Now().UTC(), home, stdin, args...)
}

// typeAt is typeWith by another clock.
func typeAt(t *testing.T, now time.Time, home, stdin string, args ...string) typed {
	t.Helper()
	var out, complaints bytes.Buffer
	getenv := func(name string) string { return map[string]string{"SALLYPORT_HOME": home, "USER": "dana"}[name] }
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // for what would serve, or wait
	defer cancel()
	code := sallyport.RunAt(ctx, now, args, getenv, strings.NewReader(stdin), &out, &complaints)
	return typed{line: strings.Join(args, " "), code: code, out: out.String(), err: complaints.String()}
}

// done asserts that the command did what it was asked, and returns what it printed.
func (c typed) done(t *testing.T) string {
	t.Helper()
	require.Zero(t, c.code, "%s\n%s%s", c.line, c.out, c.err)
	return c.out
}

// into reads the JSON that the command printed.
func (c typed) into(t *testing.T, v any) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(c.done(t)), v), c.out)
}

// newHome is a HOME as `sallyport init` makes it.
func newHome(t *testing.T) string {
	t.Helper()
	home := filepath.Join(t.TempDir(), "home")
	typeLine(t, home, "init").done(t)
	return home
}

// newAgent is an agent of that HOME; the folder is its own.
func newAgent(t *testing.T, home, name string) (folder string) {
	t.Helper()
	folder = filepath.Join(t.TempDir(), name)
	typeLine(t, home, "agent", "create", "--policy", "example", "--owner", "person:dana", "--name", name, "--out", folder).done(t)
	return folder
}

func uintText(n uint64) string { return strconv.FormatUint(n, 10) }
