package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"sallyport/config"
	"sallyport/internal/hint"
)

// claimHome makes the folder to work in. Where there is no HOME it lies beside, and one
// rename makes it HOME. A folder that is there may be a volume, or have an owner, a mode or
// a label of its own, and stays: the work is done inside, and as long as that is not over
// every command refuses. A folder that holds anything is refused, for it may be somebody's home.
func (r *restoring) claimHome() error {
	entries, err := os.ReadDir(r.layout.Dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		r.staged = config.Layout{Dir: r.layout.StagingBeside()}
		if err := os.MkdirAll(filepath.Dir(r.layout.Dir), 0o700); err != nil {
			return fmt.Errorf("make folder: %w", err)
		}
	case err != nil:
		return fmt.Errorf("look at HOME: %w", err)
	default:
		r.staged = config.Layout{Dir: r.layout.Staging()}
	}
	if err := errors.Join(r.layout.CheckWhole(), checkClosed(r.layout.Dir)); err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() != "lost+found" { // of a volume of its own
			return hint.With(fmt.Errorf("%s is not empty", r.layout.Dir), "restore into a new --home; move the old one away rather than removing it, for its trail may go further than the backup's")
		}
	}
	err = os.Mkdir(r.staged.Dir, 0o700)
	switch {
	case errors.Is(err, fs.ErrExist):
		return hint.With(fmt.Errorf("%s: a restore is under way or was broken off", r.staged.Dir), "if none runs, remove that folder and restore again")
	case err != nil:
		return fmt.Errorf("make folder: %w", err)
	}
	return syncFolder(filepath.Dir(r.staged.Dir))
}

// moveToPlace moves the finished home to its place and syncs that to the disk.
func (r *restoring) moveToPlace() error {
	if err := syncTree(r.staged.Dir); err != nil {
		return err
	}
	if r.staged.Dir == r.layout.StagingBeside() {
		if err := os.Rename(r.staged.Dir, r.layout.Dir); err != nil {
			return err
		}
		r.moving = true
		return syncFolder(filepath.Dir(r.layout.Dir))
	}
	return r.moveUp()
}

// moveUp moves everything to its place, the state folder last. The folder that it came from
// goes when all of that is on disk, for until then this is half a home.
func (r *restoring) moveUp() error {
	entries, err := os.ReadDir(r.staged.Dir)
	if err != nil {
		return err
	}
	state := filepath.Base(r.staged.State())
	var names []string
	for _, e := range entries {
		if e.Name() != state {
			names = append(names, e.Name())
		}
	}
	r.moving = true
	for _, name := range append(names, state) {
		if err := os.Rename(filepath.Join(r.staged.Dir, name), filepath.Join(r.layout.Dir, name)); err != nil {
			return errors.Join(err, r.layout.CheckWhole())
		}
	}
	if err := syncFolder(r.layout.Dir); err != nil {
		return err
	}
	if err := os.Remove(r.staged.Dir); err != nil {
		return err
	}
	return syncFolder(r.layout.Dir)
}

// syncTree makes all names below dir durable. What the files hold is synced by whoever
// wrote them.
func syncTree(dir string) error {
	return filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.IsDir() {
			return err
		}
		return syncFolder(path)
	})
}

func syncFolder(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // folders cannot be opened for that there
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
