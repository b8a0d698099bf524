package config

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Timing of Watch. An editor's save and a ConfigMap's swap are several events;
// they are over when it is quiet. The poll is for what no event tells: network
// file systems, a link changed far up the path, a full event queue.
const (
	quiet   = 100 * time.Millisecond
	longest = time.Second // after the first event, or a busy folder would put the reload off for ever
	poll    = 15 * time.Second
)

// Watch calls changed whenever the files may have changed, until ctx is done;
// calls do not overlap. It watches folders, not files, because the watch of a file
// stays with that file when another one is put in its place. What cannot be watched is
// told to failed, and is only looked at every poll.
func (s *Store) Watch(ctx context.Context, changed func(), failed func(error)) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		failed(fmt.Errorf("watch %s: %w; changes are noticed every %s", s.layout.Dir, err, poll))
		w = &fsnotify.Watcher{} // its channels are nil, so that no event ever comes from it
	} else {
		defer func() { _ = w.Close() }()
	}
	watched := watches{watcher: w, off: err != nil, failed: failed, dirs: map[string]os.FileInfo{}}
	watched.set(s.folders())
	timer := time.NewTimer(0) // what changed before the watch was set up counts too
	defer timer.Stop()
	var first time.Time // of the events since the last call
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.Events:
		case err := <-w.Errors: // an overflow: something changed, unknown what
			failed(fmt.Errorf("watch %s: %w; all files are looked at", s.layout.Dir, err))
		case <-timer.C:
			// First the folders, then the files: a change after the look at
			// the files is then seen by its event.
			watched.set(s.folders())
			changed()
			first = time.Time{}
			if watched.set(s.folders()) { // what the new files name may have changed before it was watched
				timer.Reset(quiet)
			} else {
				timer.Reset(poll)
			}
			continue
		}
		switch now := time.Now(); {
		case first.IsZero():
			first = now
			timer.Reset(quiet)
		case now.Sub(first) < longest:
			timer.Reset(quiet)
		}
	}
}

// watches are the folders under watch, each with the identity it had when its
// watch was set, because a watch stays with a folder that was replaced.
type watches struct {
	watcher *fsnotify.Watcher
	off     bool // events are not available
	failed  func(error)
	dirs    map[string]os.FileInfo
}

// set watches the folders of want and no others. added says that one of them was not watched before.
func (w *watches) set(want []string) (added bool) {
	if w.off {
		return false
	}
	for dir, was := range w.dirs {
		is, err := os.Stat(dir)
		if err != nil || !slices.Contains(want, dir) || !os.SameFile(was, is) {
			_ = w.watcher.Remove(dir) // the folder may be gone, and its watch with it
			delete(w.dirs, dir)
		}
	}
	for _, dir := range want {
		info, err := os.Stat(dir)
		if w.dirs[dir] != nil || err != nil {
			continue // the reload reports a folder that is missing
		}
		w.dirs[dir], added = info, true
		if err := w.watcher.Add(dir); err != nil {
			w.failed(fmt.Errorf("watch %s: %w; changes there are noticed every %s", dir, err, poll))
		}
	}
	return added
}

// folders are all folders in which a change can change what is read: those of the files, and those of
// the links that lead to the files.
func (s *Store) folders() []string {
	files := []string{s.layout.Config(), s.layout.Owners(), s.layout.Credentials(), s.layout.Policies()}
	dirs := []string{s.layout.Policies()}
	if entries, err := os.ReadDir(s.layout.Policies()); err == nil {
		for _, e := range entries {
			if e.Type()&os.ModeSymlink != 0 {
				files = append(files, filepath.Join(s.layout.Policies(), e.Name()))
			}
		}
	}
	for _, r := range s.Current().Config.Upstream.Roots {
		files = append(files, r.File)
	}
	for _, f := range files {
		dirs = append(dirs, chain(f)...)
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}

// chain follows the links of path, at most as many as Linux would, and returns
// the folder of each.
func chain(path string) []string {
	var dirs []string
	for range 40 {
		dirs = append(dirs, filepath.Dir(path))
		target, err := os.Readlink(path)
		if err != nil {
			break
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(path), target)
		}
		path = target
	}
	return dirs
}
