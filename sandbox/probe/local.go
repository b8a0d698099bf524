package probe

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

func parseHex(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 16, 32)
	return uint32(n), err //nolint:gosec // of 32 bits
}

// readable says whether a file can be read.
func readable(_ context.Context, path string) (hole bool, result string) {
	f, err := os.Open(path)
	if err != nil {
		return false, "it cannot be read"
	}
	defer f.Close()
	if _, err := f.Read(make([]byte, 1)); err != nil && !errors.Is(err, io.EOF) {
		return false, "it cannot be read"
	}
	return true, "it can be read"
}

// known are the paths of sockets whose programs do what they are told, with more rights or
// another network than a sandbox has.
var known = []string{ //nolint:gochecknoglobals // a constant list
	"/run/docker.sock", "/var/run/docker.sock", "/run/containerd/containerd.sock", "/run/podman/podman.sock", "/run/crio/crio.sock",
	"/run/dbus/system_bus_socket", "/run/systemd/private", "/run/systemd/resolve/io.systemd.Resolve", "/run/snapd.socket", "/run/nscd/socket",
	"/run/user/UID/bus", "/run/user/UID/systemd/private", "/run/user/UID/podman/podman.sock", "/run/user/UID/docker.sock",
	"/run/user/UID/wayland-0", "/run/user/UID/gnupg/S.gpg-agent", "/tmp/tmux-UID/default", "/tmp/.X11-unix/X0",
}

// mostSockets bounds how many are tried, mostEntries how many files are looked at for them.
const (
	mostSockets = 200
	mostEntries = 5000
)

// unixSockets are sockets that may be of programs outside: those that are known, and what lies
// in the folders where programs leave theirs.
func unixSockets() []string {
	var paths []string
	uid := strconv.Itoa(os.Getuid())
	for _, path := range known {
		paths = append(paths, strings.ReplaceAll(path, "UID", uid))
	}
	for _, name := range []string{"SSH_AUTH_SOCK", "DOCKER_HOST", "DBUS_SESSION_BUS_ADDRESS"} {
		value := os.Getenv(name)
		value = strings.TrimPrefix(strings.TrimPrefix(value, "unix://"), "unix:path=")
		if value, _, _ = strings.Cut(value, ","); filepath.IsAbs(value) {
			paths = append(paths, value)
		}
	}
	seen := 0
	for _, folder := range []string{"/run", "/tmp", "/var/tmp", os.Getenv("XDG_RUNTIME_DIR"), os.Getenv("HOME"), "."} {
		if folder == "" {
			continue
		}
		_ = filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
			if seen++; seen > mostEntries || len(paths) > mostSockets {
				return filepath.SkipAll
			}
			if err == nil && entry.Type()&fs.ModeSocket != 0 {
				paths = append(paths, path)
			}
			return nil
		})
	}
	slices.Sort(paths)
	return append(slices.Compact(paths), abstract()...)
}

// abstract are names of sockets that belong to a network namespace, and to all of its sandboxes.
func abstract() []string {
	data, err := os.ReadFile("/proc/net/unix")
	if err != nil {
		return nil
	}
	var names []string
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(line)
		if len(f) == 8 && strings.HasPrefix(f[7], "@") && len(names) < mostSockets {
			names = append(names, f[7])
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// answersUnix connects to a socket. One that a process of this sandbox listens on is no way out.
func answersUnix(ctx context.Context, path string) (hole bool, result string) {
	var first error
	for _, kind := range []string{"unix", "unixpacket", "unixgram"} {
		conn, err := new(net.Dialer).DialContext(ctx, kind, path)
		if err != nil {
			first = cmp.Or(first, err)
			continue
		}
		defer conn.Close()
		if inside(conn) {
			return false, "a process of this sandbox listens"
		}
		return true, "it was connected"
	}
	return false, why(first)
}
