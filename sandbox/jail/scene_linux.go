package jail

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"sallyport/sandbox/veil"
)

// scene is what the command sees of the file system. It is built in the mount namespace of
// the first process, in steps that are in build.
type scene struct {
	empty []uint64 // mounts that began empty
	notes []string
	// writable are paths that may be written, besides what the devices and /proc let through.
	writable []string
	spare    []tree // what was there and is to be there again, outer folders first
}

// tree is a part of the file system as it was, on its way to where it was.
type tree struct {
	path   string
	fd     int
	folder bool
}

// emptied are folders in which programs outside leave their sockets and files for each
// other. They begin empty.
var emptied = []string{"/tmp", "/var/tmp", "/run", "/var/run"} //nolint:gochecknoglobals // a constant list

// kept are what systems keep there for programs.
var kept = []string{"/run/current-system", "/run/opengl-driver", "/run/opengl-driver-32"} //nolint:gochecknoglobals // a constant list

// build makes all of it: everything stays where it was and can be read and not written,
// but for what begins empty, what may be written, and what is hidden.
func (s *scene) build(p preparation) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return forbidden("keep mounts to this jail", "/", err)
	}
	hide, err := veil.Everywhere(p.Hide)
	if err != nil {
		return err
	}
	if err := s.collect(p); err != nil {
		return err
	}
	dev, err := s.devices()
	if err != nil {
		return err
	}
	home, err := s.home(p)
	if err != nil {
		return err
	}
	names, err := s.nameFiles()
	if err != nil {
		return err
	}
	if err := s.replace(p.Instead); err != nil {
		return err
	}
	// Devices that lie elsewhere than in /dev are no better than those of it.
	readOnly := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOSUID}
	if err := unix.MountSetattr(unix.AT_FDCWD, "/", unix.AT_RECURSIVE, &readOnly); err != nil {
		return forbidden("make read-only (it takes Linux 5.12)", "/", err)
	}
	if err := s.emptyFolders(); err != nil {
		return err
	}
	if err := s.put(home); err != nil {
		return err
	}
	for _, t := range append(s.spare, names...) {
		if err := s.put([]tree{t}); err != nil {
			return err
		}
	}
	if err := s.cover(p, hide); err != nil {
		return err
	}
	if err := freshProc(); err != nil {
		return err
	}
	if err := s.put(dev); err != nil {
		return err
	}
	s.writable = slices.Concat(emptied, p.Write, []string{"/dev", "/proc"})
	if p.Home != "" {
		s.writable = append(s.writable, p.Home)
	}
	if err := os.Chdir(p.Working); err != nil {
		return fmt.Errorf("the working folder is not in the jail: %w", err)
	}
	return nil
}

// collect takes what shall be there in folders that begin empty or are read-only.
func (s *scene) collect(p preparation) error {
	for _, path := range slices.Concat(kept, p.Read, s.mountsBelow(p.Home, p.Fresh)) {
		if err := s.take(path, true); err != nil {
			return err
		}
	}
	for _, path := range p.Write {
		if err := s.take(path, false); err != nil {
			return err
		}
	}
	slices.SortStableFunc(s.spare, func(a, b tree) int { return cmp.Compare(len(a.path), len(b.path)) })
	return nil
}

func (s *scene) take(path string, readOnly bool) error {
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at what is to be in the jail: %w", err)
	}
	t, err := copyOf(path)
	if err != nil {
		return err
	}
	t.folder = info.IsDir()
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOSUID}
	if readOnly {
		attr.Attr_set |= unix.MOUNT_ATTR_RDONLY
	}
	if err := unix.MountSetattr(t.fd, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &attr); err != nil {
		return forbidden("make read-only (it takes Linux 5.12)", path, err)
	}
	s.spare = append(s.spare, t)
	return nil
}

// replace takes files that are to be seen in the place of others. One that is not there
// is missed by nobody.
func (s *scene) replace(instead map[string]string) error {
	for path, file := range instead {
		where := veil.Resolve([]string{path})
		if len(where) == 0 {
			continue
		}
		if err := s.take(file, true); err != nil {
			return err
		}
		s.spare[len(s.spare)-1].path = where[0]
	}
	return nil
}

func copyOf(path string) (tree, error) {
	fd, err := unix.OpenTree(unix.AT_FDCWD, path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	if err != nil {
		return tree{}, forbidden("mount (it takes Linux 5.2)", path, err)
	}
	return tree{path: path, fd: fd}, nil
}

// mountsBelow are other file systems in the home, of which an overlay shows nothing.
func (s *scene) mountsBelow(home string, fresh bool) []string {
	if home == "" || fresh {
		return nil
	}
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil
	}
	var found []string
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(line)
		if len(f) > 4 && strings.HasPrefix(f[4], home+"/") && !strings.Contains(f[4], `\`) {
			found = append(found, f[4])
		}
	}
	return veil.Resolve(found)
}

// put mounts trees where they belong. A folder that began empty has no place for them yet.
func (s *scene) put(trees []tree) error {
	for _, t := range trees {
		if err := place(t); err != nil {
			return fmt.Errorf("make room for %s: %w", t.path, err)
		}
		if err := unix.MoveMount(t.fd, "", unix.AT_FDCWD, t.path, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
			return forbidden("mount", t.path, err)
		}
		_ = unix.Close(t.fd)
	}
	return nil
}

func place(t tree) error {
	if _, err := os.Stat(t.path); err == nil {
		return nil
	}
	if t.folder {
		return os.MkdirAll(t.path, 0o755) //nolint:gosec // a place to mount on
	}
	if err := os.MkdirAll(filepath.Dir(t.path), 0o755); err != nil { //nolint:gosec // as above
		return err
	}
	return os.WriteFile(t.path, nil, 0o644) //nolint:gosec // as above
}

func (s *scene) emptyFolders() error {
	for _, path := range veil.Resolve(emptied) {
		if info, err := os.Stat(path); err != nil || !info.IsDir() {
			continue
		}
		mode := "mode=1777"
		if path == "/run" || path == "/var/run" {
			mode = "mode=0755"
		}
		if err := unix.Mount("sallyport-jail", path, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, mode); err != nil {
			return forbidden("begin empty", path, err)
		}
		s.began(path)
	}
	return nil
}

// began notes that what is mounted at path began empty.
func (s *scene) began(path string) {
	var stat unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, path, 0, unix.STATX_MNT_ID, &stat); err == nil && stat.Mask&unix.STATX_MNT_ID != 0 {
		s.empty = append(s.empty, stat.Mnt_id)
	}
}
