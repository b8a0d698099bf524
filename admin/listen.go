package admin

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/user"
	"strconv"
	"sync/atomic"
)

// Listen opens the socket at path, replacing a stale one: the caller holds the
// state folder's lock, so nobody can be listening on it. Connections of other
// users than this process's own and root are closed at once and logged.
func Listen(path string, log *slog.Logger) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("replace stale %s: %w", path, err)
	}
	var ln *net.UnixListener
	err := withShortPath(path, func(short string) (err error) {
		ln, err = net.ListenUnix("unix", &net.UnixAddr{Name: short, Net: "unix"})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	ln.SetUnlinkOnClose(false) // it would look for the short path
	// The private folder already keeps others out; the mode says so once more.
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("protect %s: %w", path, err), ln.Close())
	}
	return &peerListener{UnixListener: ln, path: path, log: log}, nil
}

// Inherit is Listen with a socket that the server before this one listened on at
// path, and on which callers may wait already.
func Inherit(ln *net.UnixListener, path string, log *slog.Logger) net.Listener {
	ln.SetUnlinkOnClose(false)
	return &peerListener{UnixListener: ln, path: path, log: log}
}

// Leave has the socket at its path stay when ln, of Listen or Inherit, is closed:
// another process listens on it now.
func Leave(ln net.Listener) {
	if l, ok := ln.(*peerListener); ok {
		l.left.Store(true)
	}
}

// peerListener accepts connections of permitted users only.
type peerListener struct {
	*net.UnixListener
	path string
	log  *slog.Logger
	left atomic.Bool // the socket is another process's
}

// peerConn is a connection whose peer is known.
type peerConn struct {
	*net.UnixConn
	principal Principal
}

// Accept returns the next permitted connection.
func (l *peerListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.AcceptUnix()
		if err != nil {
			return nil, err
		}
		uid, err := peerUID(conn)
		if err == nil && (uid == os.Geteuid() || uid == 0) {
			return &peerConn{UnixConn: conn, principal: onSocket(uid, conn)}, nil
		}
		_ = conn.Close()
		if err != nil {
			l.log.Warn("admin connection refused: peer unknown", slog.Any("error", err))
			continue
		}
		l.log.Warn("admin connection refused: other user", slog.Int("uid", uid))
	}
}

// Close stops listening and removes the socket.
func (l *peerListener) Close() error {
	err := l.UnixListener.Close()
	if l.left.Load() {
		return err
	}
	if rm := os.Remove(l.path); rm != nil && !errors.Is(rm, fs.ErrNotExist) {
		err = errors.Join(err, rm)
	}
	return err
}

// Self is the principal who works on the stores directly.
func Self() Principal {
	return Principal{UID: os.Geteuid(), User: userName(os.Geteuid()), Via: "direct", origin: ownOrigin()}
}

// Itself is the principal of what the running server does of its own accord.
func Itself() Principal {
	c := Self()
	c.Via = "server"
	return c
}

func userName(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return ""
}
