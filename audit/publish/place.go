package publish

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// File keeps the newest checkpoint in a file, which is replaced whole.
type File struct{ Path string }

// Name is the path.
func (f File) Name() string { return "file " + f.Path }

// Publish replaces the file.
func (f File) Publish(_ context.Context, note []byte) (err error) {
	temporary, err := os.CreateTemp(filepath.Dir(f.Path), ".checkpoint-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(temporary.Name())
		}
	}()
	_, err = temporary.Write(note)
	if err = errors.Join(err, temporary.Chmod(0o644), temporary.Sync(), temporary.Close()); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), f.Path)
}

// Command runs a program with the checkpoint on its standard input, without a
// shell and with nothing of this process's environment but PATH.
type Command struct {
	Args []string
	Dir  string
}

// Name is the program.
func (c Command) Name() string { return "command " + c.Args[0] }

// Publish runs the program, which must exit with 0.
func (c Command) Publish(ctx context.Context, note []byte) error {
	cmd := exec.CommandContext(ctx, c.Args[0], c.Args[1:]...) //nolint:gosec // the configuration names it
	cmd.Dir, cmd.Env = c.Dir, []string{"PATH=" + os.Getenv("PATH")}
	cmd.Stdin = bytes.NewReader(note)
	cmd.WaitDelay = time.Second
	// What it prints may be anything, a token among others, so nobody reads it.
	return cmd.Run()
}

// URL posts the checkpoint. Client must not follow redirects.
type URL struct {
	Address string
	Client  func() (client *http.Client, done func())
}

// Name is the address.
func (u URL) Name() string { return u.Address }

// maxAnswer bounds what is read of an answer, to use the connection again.
const maxAnswer = 4096

// Publish posts it; any status from 200 to 299 is a success.
func (u URL) Publish(ctx context.Context, note []byte) error {
	client, done := u.Client()
	defer done()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.Address, bytes.NewReader(note))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "text/plain; charset=utf-8")
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer))
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return fmt.Errorf("it answered with status %d", resp.StatusCode)
	}
	return nil
}
