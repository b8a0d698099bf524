package veil

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// cover hides and freezes in the mount namespace of this process.
func (p preparation) cover() error {
	// What others mount from now on appears here too; what is mounted here appears nowhere else.
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_SLAVE, ""); err != nil {
		return step("keep mounts to this process", "/", err)
	}
	hide, err := Everywhere(p.Hide)
	if err != nil {
		return err
	}
	working, err := unix.Getwd()
	inside := err != nil || Within(working, slices.Concat(hide, p.Hold))
	if err != nil {
		working = "/" // a removed folder has no path, and relative paths from it may lead below the covers
	}
	if err := leaveFolders(hide); err != nil {
		return err
	}
	// Folders that must stay in their place come first, outer before inner ones: all other mounts
	// are made inside of these.
	for _, folder := range p.Hold {
		if err := hold(folder); err != nil {
			return err
		}
	}
	if p.Own {
		if err := ownSSH(hide); err != nil {
			return err
		}
	}
	if err := p.coverAll(hide, working); err != nil {
		return err
	}
	if !inside {
		return nil
	}
	// The working folder of this process is still the one below the cover.
	if err := os.Chdir(working); err != nil {
		return fmt.Errorf("go to the working folder: %w", err)
	}
	return nil
}

func (p preparation) coverAll(hide []string, working string) error {
	for _, path := range p.Freeze {
		if !Within(path, hide) {
			if err := freeze(path); err != nil {
				return err
			}
		}
	}
	for _, path := range hide {
		if err := p.hide(path, append(p.Keep, working)); err != nil {
			return err
		}
	}
	return nil
}

// hide puts an empty folder that nobody writes to over a folder, and an empty
// file that nobody opens over a file.
func (p preparation) hide(path string, keep []string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it is in what was hidden before
	}
	if err != nil {
		return fmt.Errorf("look at what is to be hidden: %w", err)
	}
	if !info.IsDir() {
		return withEmptyFile(func(empty string) error {
			return step("hide", path, syscall.Mount(empty, path, "", syscall.MS_BIND, ""))
		})
	}
	if err := syscall.Mount("sallyport-hidden", path, "tmpfs", private, "mode=0755,size=64k"); err != nil {
		return step("hide", path, err)
	}
	if err := os.WriteFile(filepath.Join(path, notice), []byte(noticeText), 0o444); err != nil { //nolint:gosec // for everybody to read
		return fmt.Errorf("say that %s is hidden: %w", path, err)
	}
	for _, folder := range keep {
		if Within(folder, []string{path}) {
			if err := os.MkdirAll(folder, 0o755); err != nil { //nolint:gosec // an empty folder on a mount of its own
				return fmt.Errorf("keep %s: %w", folder, err)
			}
		}
	}
	// What is written there would be lost, so nothing can be.
	return step("hide", path, syscall.Mount("", path, "", private|syscall.MS_REMOUNT|syscall.MS_BIND|syscall.MS_RDONLY, ""))
}

// private is how what we mount ourselves is mounted.
const private = syscall.MS_NOSUID | syscall.MS_NODEV | syscall.MS_NOEXEC

// withEmptyFile makes an empty file that nobody opens, to be mounted elsewhere. No
// folder is certain to be there for it but one of our own, which is gone afterwards.
func withEmptyFile(use func(file string) error) error {
	dir, err := os.MkdirTemp("", "sallyport-hidden-*")
	if err != nil {
		return fmt.Errorf("make an empty file: %w", err)
	}
	defer os.Remove(dir)
	if err := syscall.Mount("sallyport-hidden", dir, "tmpfs", private, "mode=0755,size=64k"); err != nil {
		return step("mount", dir, err)
	}
	file := filepath.Join(dir, "empty")
	if err := os.WriteFile(file, nil, 0); err != nil {
		return errors.Join(fmt.Errorf("make an empty file: %w", err), syscall.Unmount(dir, syscall.MNT_DETACH))
	}
	return errors.Join(use(file), step("leave", dir, syscall.Unmount(dir, syscall.MNT_DETACH)))
}

// freeze makes a file or folder one that cannot be changed by its path.
func freeze(path string) error {
	if err := syscall.Mount(path, path, "", syscall.MS_BIND|syscall.MS_REC, ""); err != nil {
		return step("protect", path, err)
	}
	readOnly := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
	return step("protect", path, unix.MountSetattr(unix.AT_FDCWD, path, unix.AT_RECURSIVE, &readOnly))
}

func step(what, path string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %s: %w", what, path, err)
}
