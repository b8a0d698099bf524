package admin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
)

// longestSocketPath is what every system accepts: sun_path holds 104 bytes on
// macOS and 108 on Linux, the final zero included.
const longestSocketPath = 103

// dialSocket connects to a Unix socket at a path of any length. The error wraps
// [ErrNoServer] when nobody listens.
func dialSocket(ctx context.Context, path string) (net.Conn, error) {
	var conn net.Conn
	err := withShortPath(path, func(short string) (err error) {
		conn, err = new(net.Dialer).DialContext(ctx, "unix", short)
		return err
	})
	switch {
	case err == nil:
		return conn, nil
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return nil, ErrNoServer
	}
	return nil, fmt.Errorf("connect to %s: %w", path, err)
}

// withShortPath calls use with a path to the same file that fits a socket
// address: path itself, or one through a link in a private temporary folder.
func withShortPath(path string, use func(string) error) error {
	if len(path) <= longestSocketPath {
		return use(path)
	}
	for _, temp := range []string{os.TempDir(), "/tmp"} {
		dir, err := os.MkdirTemp(temp, "sp")
		if err != nil {
			continue
		}
		link := filepath.Join(dir, "s")
		short := filepath.Join(link, filepath.Base(path))
		if len(short) > longestSocketPath {
			_ = os.Remove(dir)
			continue
		}
		return throughLink(dir, link, path, short, use)
	}
	return fmt.Errorf("%s is too long for a socket, and no temporary folder has a short path", path)
}

func throughLink(dir, link, path, short string, use func(string) error) error {
	defer os.Remove(dir)
	if err := os.Symlink(filepath.Dir(path), link); err != nil {
		return fmt.Errorf("make a short path to %s: %w", path, err)
	}
	defer os.Remove(link)
	return use(short)
}
