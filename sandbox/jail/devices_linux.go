package jail

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"golang.org/x/sys/unix"

	"sallyport/sandbox/veil"
)

// scratch is where things are made that are mounted elsewhere. It is covered afterwards.
const scratch = "/dev"

// devices makes a folder of the devices that every program may use, with terminals of its
// own. What is in the old one (disks, tunnels, the log's socket) is not there.
func (s *scene) devices() ([]tree, error) {
	var trees []tree
	for _, name := range []string{"null", "zero", "full", "random", "urandom", "tty"} {
		t, err := copyOf(filepath.Join("/dev", name))
		if err != nil {
			return nil, err
		}
		trees = append(trees, t)
	}
	if tty, err := os.Readlink("/proc/self/fd/0"); err == nil && filepath.Dir(tty) == "/dev/pts" {
		if t, err := copyOf(tty); err == nil {
			t.path = "/dev/console"
			trees = append(trees, t)
		}
	}
	dev, err := detached("tmpfs", unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NOEXEC, "mode", "0755")
	if err != nil {
		return nil, err
	}
	if err := links(dev); err != nil {
		return nil, err
	}
	trees = append([]tree{{path: "/dev", fd: dev, folder: true}}, trees...)
	for _, more := range []struct {
		path, kind string
		attributes int
		options    []string
	}{
		{"/dev/pts", "devpts", unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NOEXEC, []string{"ptmxmode", "0666", "mode", "0620"}},
		{"/dev/shm", "tmpfs", unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV, []string{"mode", "1777"}},
	} {
		fd, err := detached(more.kind, more.attributes, more.options...)
		if err != nil {
			return nil, err
		}
		trees = append(trees, tree{path: more.path, fd: fd, folder: true})
	}
	// From here on the old folder is where things are made.
	if err := unix.Mount("sallyport-jail", scratch, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0700"); err != nil {
		return nil, forbidden("mount", scratch, err)
	}
	return trees, nil
}

func links(dev int) error {
	for name, target := range map[string]string{
		"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2", "ptmx": "pts/ptmx",
	} {
		if err := unix.Symlinkat(target, dev, name); err != nil {
			return fmt.Errorf("make /dev/%s: %w", name, err)
		}
	}
	return nil
}

// detached makes a file system that is mounted nowhere yet (fsopen(2), fsmount(2)).
func detached(kind string, attributes int, options ...string) (int, error) {
	fs, err := unix.Fsopen(kind, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, forbidden("make a file system (it takes Linux 5.2):", kind, err)
	}
	defer leave(fs)
	for i := 0; i+1 < len(options); i += 2 {
		set := func() error { return unix.FsconfigSetString(fs, options[i], options[i+1]) }
		if options[i+1] == "" {
			set = func() error { return unix.FsconfigSetFlag(fs, options[i]) }
		}
		if err := set(); err != nil {
			return -1, forbidden("set up", kind+" "+options[i], err)
		}
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return -1, forbidden("make a file system:", kind, err)
	}
	fd, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, attributes)
	if err != nil {
		return -1, forbidden("mount", kind, err)
	}
	return fd, nil
}

// home makes the user's folder: as it is, while what is changed in it is gone when the
// command ends, or empty.
func (s *scene) home(p preparation) ([]tree, error) {
	if info, err := os.Stat(p.Home); p.Home == "" || err != nil || !info.IsDir() {
		return nil, nil //nolint:nilerr // there is none
	}
	fresh := func() (int, error) {
		return detached("tmpfs", unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV, "mode", "0700")
	}
	if !p.Fresh {
		fresh = func() (int, error) { return overlay(p.Home) }
	}
	fd, err := fresh()
	if err != nil && !p.Fresh {
		s.notes = append(s.notes, fmt.Sprintf("%s cannot be written, since it cannot be overlaid (%v)", p.Home, err))
		t, err := copyOf(p.Home)
		if err != nil {
			return nil, err
		}
		t.folder = true
		readOnly := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
		err = unix.MountSetattr(t.fd, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &readOnly)
		return []tree{t}, err
	}
	if err != nil {
		return nil, err
	}
	var stat unix.Statx_t
	if err := unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_MNT_ID, &stat); err == nil && stat.Mask&unix.STATX_MNT_ID != 0 {
		s.empty = append(s.empty, stat.Mnt_id)
	}
	return []tree{{path: p.Home, fd: fd, folder: true}}, nil
}

func overlay(lower string) (int, error) {
	upper, work := filepath.Join(scratch, "upper"), filepath.Join(scratch, "work")
	if err := errors.Join(os.Mkdir(upper, 0o700), os.Mkdir(work, 0o700)); err != nil {
		return -1, err
	}
	if info, err := os.Stat(lower); err == nil {
		_ = os.Chmod(upper, info.Mode().Perm())
	}
	return detached("overlay", unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV,
		"lowerdir", escape(lower), "upperdir", upper, "workdir", work, "userxattr", "")
}

// escape writes a path for an option of an overlay.
func escape(path string) string { return regexp.MustCompile(`[\\:,]`).ReplaceAllString(path, `\$0`) }

// The files by which programs find out how to look names up.
const (
	resolvConf   = "/etc/resolv.conf"
	hostsFile    = "/etc/hosts"
	nsswitchConf = "/etc/nsswitch.conf"
)

// nameFiles have names looked up at our resolver, and nowhere else.
func (s *scene) nameFiles() ([]tree, error) {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	var trees []tree
	for path, text := range map[string]string{
		resolvConf:   "nameserver 127.0.0.1\noptions timeout:2 attempts:2\n",
		hostsFile:    "127.0.0.1 localhost " + host + "\n::1 localhost ip6-localhost ip6-loopback\n",
		nsswitchConf: switchText(),
	} {
		where := veil.Resolve([]string{path})
		if len(where) == 0 {
			continue // what is not there has the meaning that we want
		}
		made := filepath.Join(scratch, filepath.Base(path))
		if err := os.WriteFile(made, []byte(text), 0o444); err != nil { //nolint:gosec // for everybody to read
			return nil, fmt.Errorf("write %s of the jail: %w", path, err)
		}
		t, err := copyOf(made)
		if err != nil {
			return nil, err
		}
		t.path = where[0]
		trees = append(trees, t)
	}
	return trees, nil
}

// switchText is the machine's own, in which hosts are looked up in files and then asked for.
func switchText() string {
	data, _ := os.ReadFile(nsswitchConf)
	return regexp.MustCompile(`(?m)^\s*hosts:.*$`).ReplaceAllString(string(data), "hosts: files dns")
}
