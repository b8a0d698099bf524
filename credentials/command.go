package credentials

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

const (
	commandLimit   = 10 * time.Second       // for the whole run
	commandGrace   = 500 * time.Millisecond // for its output to end once it has exited
	commandFailure = 2 * time.Second        // how long a failure is the answer
)

// command is the source exec: [CMD, ARG]. It runs CMD in the home folder without a
// shell, with PATH, HOME, LANG and TMPDIR of the server's environment and nothing
// else, and no input. What it says on its standard error is for who checks the
// credential, and for nobody if it succeeds. Its output is the secret for refresh
// long. One run is in flight at a time, on a context of its own, so that a caller
// who leaves does not fail the others; a run ends, with all it started, within
// commandLimit.
type command struct {
	argv    []string
	home    string
	path    string
	environ []string
	refresh time.Duration
	now     func() time.Time
	trust   Group

	mu    sync.Mutex
	last  *Reading  // what the last run gave, or
	err   error     // why it gave nothing
	until time.Time // when last and err stop being the answer
	run   *run      // in flight, if any
}

// run is one run of a command; last and err may be read once done is closed.
type run struct {
	done chan struct{}
	last *Reading
	err  error
}

func (c *command) read(ctx context.Context) (*Reading, error) {
	c.mu.Lock()
	if c.now().Before(c.until) {
		defer c.mu.Unlock()
		return c.last, c.err
	}
	if c.run == nil {
		c.run = &run{done: make(chan struct{})}
		// Nobody waits for this goroutine but its callers: it ends by itself in time.
		go c.start(context.WithoutCancel(ctx), c.run)
	}
	current := c.run
	c.mu.Unlock()
	select {
	case <-current.done:
		return current.last, current.err
	case <-ctx.Done():
		return nil, fmt.Errorf("run %s: %w", c.argv[0], context.Cause(ctx))
	}
}

// again ends the time of what the last run gave: the next read runs the command. A run
// that is under way began before whoever asks, and is waited for.
func (c *command) again(ctx context.Context) {
	c.mu.Lock()
	under := c.run
	c.until = time.Time{}
	c.mu.Unlock()
	if under == nil {
		return
	}
	select {
	case <-under.done:
		c.mu.Lock()
		defer c.mu.Unlock()
		c.until = time.Time{}
	case <-ctx.Done():
	}
}

func (c *command) start(ctx context.Context, r *run) {
	said := &complaint{}
	last, err := c.output(ctx, said)
	c.mu.Lock()
	defer c.mu.Unlock()
	keep := c.refresh
	if err != nil {
		err, keep = &CommandError{said: said.text, err: fmt.Errorf("run %s: %w", c.argv[0], err)}, commandFailure
	} else if c.last != nil && string(c.last.bytes()) == string(last.bytes()) {
		last = c.last
	}
	r.last, r.err = last, err
	c.last, c.err, c.until, c.run = last, err, c.now().Add(keep), nil
	close(r.done)
}

// output runs the command once.
func (c *command) output(ctx context.Context, said *complaint) (*Reading, error) {
	name, err := c.find()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, commandLimit, errSlow)
	defer cancel()
	output := &limited{full: cancel}
	process := exec.CommandContext(ctx, name, c.argv[1:]...)
	process.Args[0] = c.argv[0]
	process.Dir, process.Env = c.home, c.environ
	process.Stdout, process.Stderr = output, said
	process.WaitDelay = commandGrace
	ownGroup(process)
	err = process.Run()
	killGroup(process)
	said.output = output.kept
	switch {
	case output.over:
		return nil, fmt.Errorf("its output is larger than %d KiB; print the secret alone", maxSecret>>10)
	case errors.Is(context.Cause(ctx), errSlow):
		return nil, errSlow
	case errors.Is(err, exec.ErrWaitDelay):
		return nil, errors.New("a process that it left behind holds its output open; detach that process or let it end")
	case err != nil:
		return nil, bare(err) // "exit status N": what it printed stays out
	}
	value, err := newReading(output.kept)
	if err != nil {
		return nil, fmt.Errorf("read its output: %w", err)
	}
	return value, nil
}

var errSlow = fmt.Errorf("it did not finish within %v and was killed", commandLimit)

// find resolves the command as a shell would: a name by PATH, a path from the home
// folder. Relative entries of PATH do not count.
func (c *command) find() (string, error) {
	name := c.argv[0]
	if filepath.Base(name) != name {
		if !filepath.IsAbs(name) {
			name = filepath.Join(c.home, name)
		}
		return name, c.runnable(name)
	}
	for _, folder := range filepath.SplitList(c.path) {
		candidate := filepath.Join(folder, name)
		if !filepath.IsAbs(folder) {
			continue
		}
		if err := c.runnable(candidate); !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errNotExecutable) {
			return candidate, err
		}
	}
	return "", errors.New("no such command in the server's PATH; write its whole path")
}

var errNotExecutable = errors.New("it is not an executable file")

// runnable refuses a program that others can rewrite: whoever can, has the secret.
func (c *command) runnable(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return bare(err)
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0 {
		return errNotExecutable
	}
	return c.trust.guarded(path, info)
}

// minimal is the environment of a command: enough to find programs and the user's
// own configuration, none of the server's other secrets.
func minimal(getenv func(string) string) []string {
	environ := []string{} // not nil, which would mean the server's whole environment
	for _, name := range []string{"PATH", "HOME", "LANG", "TMPDIR"} {
		if value := getenv(name); value != "" {
			environ = append(environ, name+"="+value)
		}
	}
	return environ
}

// limited keeps what a secret may be long and ends the run at the first byte more.
type limited struct {
	kept []byte
	over bool
	full func()
}

func (l *limited) Write(b []byte) (int, error) {
	if len(l.kept)+len(b) > maxSecret+2 { // and a line break
		l.over = true
		l.full()
		return 0, errors.New("output limit")
	}
	l.kept = append(l.kept, b...)
	return len(b), nil
}
