package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"sallyport/internal/hint"
	"sallyport/sandbox/environment"
	"sallyport/server"
)

// envFile is where a sidecar leaves its environment for whoever starts the
// sandbox: mode 0600, because the proxy URL holds the sidecar's password; there
// only while the sidecar listens, so that nobody takes an old one. path is "" for none.
type envFile struct {
	path    string
	written []byte // what this sidecar wrote; nil before
}

// check refuses a file that no sidecar wrote. One that another sidecar wrote is replaced:
// it was killed, or this one follows it.
func (f *envFile) check() error {
	if f.path == "" {
		return nil
	}
	data, _, err := readEnvFile(f.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("read --env-file: %w", err)
	}
	if _, err := environment.Read(string(data)); err != nil {
		return hint.With(fmt.Errorf("--env-file %s is there and is %w", f.path, err), "name a file that may be written anew")
	}
	return nil
}

// write puts the file there whole, by a rename.
func (f *envFile) write(variables []environment.Variable) error {
	if f.path == "" {
		return nil
	}
	var b bytes.Buffer
	if err := environment.Write(&b, environment.Dotenv, variables); err != nil {
		return err
	}
	staged, err := os.CreateTemp(filepath.Dir(f.path), ".sallyport-env-*") // mode 0600
	if err != nil {
		return fmt.Errorf("write --env-file: %w", err)
	}
	_, err = staged.Write(b.Bytes())
	if err = errors.Join(err, staged.Close()); err == nil {
		err = os.Rename(staged.Name(), f.path)
	}
	if err != nil {
		return fmt.Errorf("write --env-file: %w", errors.Join(err, os.Remove(staged.Name())))
	}
	f.written = b.Bytes()
	return nil
}

// remove takes the file back at the sidecar's end, unless another sidecar has written
// its own there meanwhile.
func (f *envFile) remove() error {
	if f.written == nil {
		return nil
	}
	data, _, err := readEnvFile(f.path)
	if err == nil && bytes.Equal(data, f.written) {
		err = os.Remove(f.path)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove --env-file: %w", err)
	}
	return nil
}

// readEnvFile reads a regular file: to open a pipe is to wait for whoever writes into it.
func readEnvFile(path string) ([]byte, fs.FileInfo, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("%s is not a regular file", path)
	}
	data, err := os.ReadFile(path)
	return data, info, err
}

// sidecarStart is how long `env --sidecar` waits for the file of a sidecar that
// was started just before.
const sidecarStart = 10 * time.Second

// awaitEnvFile reads the file, as soon as it is there and its sidecar listens: a killed
// one leaves its file behind.
func awaitEnvFile(ctx context.Context, path string) ([]environment.Variable, error) {
	for deadline := time.Now().Add(sidecarStart); ; {
		data, info, err := readEnvFile(path)
		if err == nil {
			// Who writes this file chooses the proxy and whom clients trust.
			if owner, yes := foreign(info); yes {
				return nil, hint.With(fmt.Errorf("%s belongs to another user (uid %d)", path, owner), "name the file of a sidecar of your own, or run this as that user")
			}
			variables, err := environment.Read(string(data))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", path, err)
			}
			if listens(ctx, variables) {
				return variables, nil
			}
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("read --sidecar: %w", err)
		}
		if time.Now().After(deadline) {
			what := "no sidecar has written it"
			if err == nil {
				what = "the sidecar that wrote it does not listen any more"
			}
			return nil, hint.With(fmt.Errorf("%s: %s", path, what), "start one: sallyport sidecar --identity DIR --env-file %s", path)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(server.LookAway):
		}
	}
}

// listens says whether somebody answers at the address of the proxy variables.
func listens(ctx context.Context, variables []environment.Variable) bool {
	for _, v := range variables {
		if v.Name != "HTTPS_PROXY" {
			continue
		}
		u, err := url.Parse(v.Value)
		if err != nil {
			return false
		}
		dialer := net.Dialer{Timeout: time.Second}
		conn, err := dialer.DialContext(ctx, "tcp", u.Host)
		return err == nil && conn.Close() == nil
	}
	return false
}
