package credentials_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/credentials"
)

// script writes an executable into the home folder that runs the lines with sh.
func script(t *testing.T, o credentials.Options, lines ...string) {
	t.Helper()
	path := secretFile(t, o, "run.sh", "#!/bin/sh\n"+strings.Join(lines, "\n")+"\n")
	require.NoError(t, os.Chmod(path, 0o700))
}

const run = "{exec: [./run.sh, ARG], refresh: 1m}"

func TestCommandRunsInHomeWithAMinimalEnvironment(t *testing.T) {
	t.Parallel()
	o := options(t, "HOME", "/somewhere", "LANG", "C.UTF-8", "OTHER_SECRET", canary)
	script(t, o, `env | grep -v -e ^PWD -e ^SHLVL -e ^_= | sed 's/=.*//' | sort | tr '\n' ,`, `printf '%s,%s,' "$0" "$1"`, `pwd`)
	home, err := filepath.EvalSymlinks(o.Home)
	require.NoError(t, err)
	assert.Equal(t, "HOME,LANG,PATH,"+o.Home+"/run.sh,ARG,"+home, written(t, bearer(t, o, run)))
	assert.Equal(t, "x;y $HOME", written(t, bearer(t, o, "{exec: [printf, 'x;y $HOME']}")), "no shell")
}

func TestCommandRunsAgainAfterRefreshOnly(t *testing.T) {
	t.Parallel()
	now := time.Now()
	o := options(t)
	o.Now = func() time.Time { return now }
	script(t, o, `echo x >> runs`, `echo "secret-$(wc -l < runs)"`)
	c := bearer(t, o, run)
	assert.Equal(t, "secret-1", written(t, c))
	now = now.Add(time.Minute - 1)
	assert.Equal(t, "secret-1", written(t, c))
	now = now.Add(1)
	assert.Equal(t, "secret-2", written(t, c))
}

func TestCommandFailureIsTheAnswerForAMoment(t *testing.T) {
	t.Parallel()
	now := time.Now()
	o := options(t)
	o.Now = func() time.Time { return now }
	script(t, o, `echo x >> runs`, `test -e ok && echo fine && exit 0`, `echo `+canary, `echo `+canary+` >&2`, `exit 3`)
	c := bearer(t, o, run)
	assert.Equal(t, "credential a: run ./run.sh: exit status 3", refused(t, c))
	secretFile(t, o, "ok", "")
	refused(t, c)
	now = now.Add(2 * time.Second)
	assert.Equal(t, "fine", written(t, c))
	require.NoError(t, os.Remove(filepath.Join(o.Home, "ok")))
	now = now.Add(time.Minute)
	refused(t, c) // an old secret is not used past its refresh
	runs, err := os.ReadFile(filepath.Join(o.Home, "runs"))
	require.NoError(t, err)
	assert.Len(t, string(runs), len("x\n")*3)
}

// What a tool says of its failure is for who checks the credential, apart from the error,
// which is logged.
func TestWhatACommandSaysOfItsFailureIsKeptApart(t *testing.T) {
	t.Parallel()
	o := options(t)
	script(t, o, `echo first >&2`, `for n in 1 2 3 4; do echo "line $n" >&2; done`, `echo `+canary, `printf 'asked with `+canary+`\n\033[31m* permission denied\n\n' >&2`, `exit 2`)
	c := bearer(t, o, run)
	_, err := c.Check(t.Context(), nil)
	require.EqualError(t, err, "credential a: run ./run.sh: exit status 2")
	failed, ok := errors.AsType[*credentials.CommandError](err)
	require.True(t, ok)
	assert.Equal(t, "line 2; line 3; line 4; asked with [redacted]; [31m* permission denied", failed.Said())
	requireSilent(t, fmt.Sprintf("%+v %#v", err, failed))

	script(t, o, `echo 'login at https://vault.example.com:8200/v1/auth as hvs.CAESIJx91k2m3n4o on 2026-11-30T12:00:00Z: no such role-for-agents, pass=hunter2hunter2' >&2`, `exit 2`)
	_, err = c.Check(t.Context(), nil)
	failed, ok = errors.AsType[*credentials.CommandError](err)
	require.True(t, ok)
	assert.Equal(t, "login at https://vault.example.com:8200/v1/auth as hvs.[redacted] on 2026-11-30T12:00:00Z: no such role-for-agents, [redacted]", failed.Said())

	script(t, o, `head -c 1000000 /dev/zero | tr '\0' x >&2`, `echo end >&2`, `exit 1`)
	_, err = c.Check(t.Context(), nil)
	failed, ok = errors.AsType[*credentials.CommandError](err)
	require.True(t, ok)
	assert.Less(t, len(failed.Said()), 5000)
	assert.True(t, strings.HasSuffix(failed.Said(), "xxend"))

	script(t, o, `echo fine >&2`, `echo `)
	_, err = c.Check(t.Context(), nil)
	failed, ok = errors.AsType[*credentials.CommandError](err)
	require.True(t, ok, "an empty output is a failure too")
	assert.Equal(t, "fine", failed.Said())
}

// A check says what is true now, also within the moment for which a failure is the answer,
// and within the refresh of a success.
func TestACheckAlwaysTriesAnew(t *testing.T) {
	t.Parallel()
	now := time.Now()
	o := options(t)
	o.Now = func() time.Time { return now }
	script(t, o, `test -e ok || exit 3`, `cat ok`)
	c := bearer(t, o, run)
	refused(t, c)
	secretFile(t, o, "ok", "one")
	refused(t, c)
	_, err := c.Check(t.Context(), nil)
	require.NoError(t, err)
	assert.Equal(t, "one", written(t, c), "and requests have it from then on")
	secretFile(t, o, "ok", "two")
	assert.Equal(t, "one", written(t, c))
	_, err = c.Check(t.Context(), nil)
	require.NoError(t, err)
	assert.Equal(t, "two", written(t, c))
	require.NoError(t, os.Remove(filepath.Join(o.Home, "ok")))
	_, err = c.Check(t.Context(), nil)
	require.ErrorContains(t, err, "exit status 3")
}

func TestCommandErrorsSayWhatToTry(t *testing.T) {
	t.Parallel()
	o := options(t)
	secretFile(t, o, "plain", "")
	loose := secretFile(t, o, "loose", "#!/bin/sh\necho "+canary)
	require.NoError(t, os.Chmod(loose, 0o777))
	for source, want := range map[string]string{
		"{exec: [no-such-command]}":                         "run no-such-command: no such command in the server's PATH",
		"{exec: [./missing]}":                               "run ./missing: no such file",
		"{exec: [./plain]}":                                 "run ./plain: it is not an executable file",
		"{exec: [./loose]}":                                 "can be written by others",
		"{exec: [sh, -c, 'printf " + canary + "; exit 1']}": "run sh: exit status 1",
		"{exec: [sh, -c, 'kill -9 $$']}":                    "run sh: signal: killed",
		"{exec: ['true']}":                                  "run true: read its output: it is empty",
		"{exec: [printf, '" + canary + "\\n\\n']}":          "run printf: read its output: it holds a line break",
	} {
		assert.Contains(t, refused(t, bearer(t, o, source)), want, source)
	}
}

func TestCommandFloodIsCutShort(t *testing.T) {
	t.Parallel()
	o := options(t)
	script(t, o, `trap '' PIPE TERM`, `echo $$ > pid`, `while :; do echo `+canary+`; done`)
	assert.Contains(t, refused(t, bearer(t, o, run)), "its output is larger than 64 KiB")
	requireGone(t, o)
}

// TestCommandLeavesNothingBehind: a child in the background holds the output open and
// ignores signals; the run ends all the same, and so does the child.
func TestCommandLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	o := options(t)
	script(t, o, `(trap '' TERM HUP; echo $$ > parent; sh -c 'echo $$ > pid; exec sleep 600') &`, `while ! test -s pid; do :; done`, `echo `+canary)
	start := time.Now()
	assert.Contains(t, refused(t, bearer(t, o, run)), "a process that it left behind holds its output open")
	assert.Less(t, time.Since(start), 8*time.Second)
	requireGone(t, o)
}

// TestCommandThatHangsIsKilled waits out the real limit, since the command is a real
// process; a child that has left its process group holds the output open meanwhile.
func TestCommandThatHangsIsKilled(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes the command's whole 10 s")
	}
	o := options(t)
	script(t, o, `trap '' TERM`, `echo $$ > pid`, `command -v setsid >/dev/null && setsid sh -c 'echo $$ > stray; exec sleep 30' &`, `echo `+canary, `sleep 600`)
	start := time.Now()
	assert.Contains(t, refused(t, bearer(t, o, run)), "it did not finish within 10s and was killed")
	assert.Less(t, time.Since(start), 14*time.Second)
	requireGone(t, o)
	if stray, err := os.ReadFile(filepath.Join(o.Home, "stray")); err == nil {
		pid, _ := strconv.Atoi(strings.TrimSpace(string(stray)))
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// requireGone waits for the process in the file pid to be gone.
func requireGone(t *testing.T, o credentials.Options) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(o.Home, "pid"))
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		state, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if err == nil && strings.Contains(string(state), ") Z ") { // nobody reaps orphans in some containers
			return true
		}
		return syscall.Kill(pid, 0) != nil
	}, 10*time.Second, 5*time.Millisecond)
}

func TestCommandRunsOnceForAllCallersAndOutlivesThem(t *testing.T) {
	t.Parallel()
	o := options(t)
	require.NoError(t, syscall.Mkfifo(filepath.Join(o.Home, "gate"), 0o600))
	script(t, o, `echo x >> runs`, `cat gate > /dev/null`, `echo `+canary)
	c := bearer(t, o, run)

	leaver, leave := context.WithCancel(t.Context())
	left := make(chan error)
	go func() {
		_, err := c.Retrieve(leaver, credentials.Use{})
		left <- err
	}()
	gate, err := os.OpenFile(filepath.Join(o.Home, "gate"), os.O_WRONLY, 0) // opens when the command reads
	require.NoError(t, err)
	var callers sync.WaitGroup
	var served atomic.Int32
	for range 50 {
		callers.Go(func() {
			if _, err := c.Retrieve(t.Context(), credentials.Use{}); err == nil {
				served.Add(1)
			}
		})
	}
	leave()
	err = <-left
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "credential a: run ./run.sh")
	require.NoError(t, gate.Close())
	callers.Wait()
	assert.EqualValues(t, 50, served.Load())
	runs, err := os.ReadFile(filepath.Join(o.Home, "runs"))
	require.NoError(t, err)
	assert.Equal(t, "x\n", string(runs))
}
