package credentials

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// file is the source file: PATH. The file is looked at on every read and read again
// when it is another one: a replaced file and a replaced symlink (a ConfigMap) count.
type file struct {
	path  string
	now   func() time.Time
	trust Group

	last   atomic.Pointer[fileReading]
	looked atomic.Int64 // when the file was last found to be still the one in last
	mu     sync.Mutex   // one reader of the content at a time
}

// glance is how long a look at the file holds, in nanoseconds: a call to the system for
// each of thousands of requests a second would tell nothing more.
const glance = int64(50 * time.Millisecond)

// fileReading is what a file held, and which file that was.
type fileReading struct {
	info    fs.FileInfo
	settled bool // no write in the same tick of the file system's clock can have been missed
	reading *Reading
}

func (f *file) read(context.Context) (*Reading, error) {
	if r := f.fresh(); r != nil {
		return r, nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if r := f.fresh(); r != nil {
		return r, nil
	}
	now, err := f.load()
	if err != nil {
		f.last.Store(nil)
		return nil, &UnsetError{fmt.Errorf("read file %s: %w", f.path, bare(err))}
	}
	if last := f.last.Load(); last != nil && string(last.reading.bytes()) == string(now.reading.bytes()) {
		now.reading = last.reading
	}
	f.last.Store(now)
	return now.reading, nil
}

// again has the next read look at the file, however short ago that was done.
func (f *file) again(context.Context) { f.looked.Store(0) }

// fresh returns the last reading if the file is still the one that was read.
func (f *file) fresh() *Reading {
	last := f.last.Load()
	if last == nil || !last.settled {
		return nil
	}
	now := f.now().UnixNano()
	if since := now - f.looked.Load(); 0 <= since && since < glance {
		return last.reading
	}
	info, err := os.Stat(f.path)
	if err != nil || !same(info, last.info) {
		return nil
	}
	f.looked.Store(now)
	return last.reading
}

func same(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()) && a.Mode() == b.Mode()
}

// tick is longer than the resolution of any file system's clock (2 s for FAT).
const tick = 2 * time.Second

func (f *file) load() (*fileReading, error) {
	opened, info, err := f.trust.open(f.path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = opened.Close() }()
	raw, err := io.ReadAll(io.LimitReader(opened, maxSecret+2)) // and a line break
	if err != nil {
		return nil, err
	}
	value, err := newReading(raw)
	if err != nil {
		return nil, err
	}
	return &fileReading{info: info, settled: f.now().Sub(info.ModTime()) > tick, reading: value}, nil
}

// check looks at the file's permissions without reading it. loose: others can read it.
func (f *file) check() (loose bool, err error) {
	opened, info, err := f.trust.open(f.path)
	if err != nil {
		return false, bare(err)
	}
	return f.trust.readableByOthers(info), opened.Close()
}

// Group is a group of users who may change what secrets are in, because a file says so.
// The zero Group is nobody.
type Group struct {
	id    int64
	named bool
}

// TrustedGroup is the group of that number.
func TrustedGroup(id uint32) Group { return Group{int64(id), true} }

// open opens a file that nobody else can write or replace, and returns its state as of
// the open file itself.
func (g Group) open(path string) (*os.File, fs.FileInfo, error) {
	resolved, err := g.trusted(path)
	if err != nil {
		return nil, nil, err
	}
	// Not blocking, or a named pipe would hold the caller until somebody writes to it.
	opened, err := os.OpenFile(resolved, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := opened.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is not a regular file")
	}
	if err == nil {
		err = g.guarded(resolved, info)
	}
	if err != nil {
		_ = opened.Close()
		return nil, nil, err
	}
	return opened, info, nil
}

// checkOwnFile refuses a credentials.yaml that others can write: who can change the
// hosts of a credential has the credential.
func (p *parser) checkOwnFile() {
	path := p.doc.File()
	if !filepath.IsAbs(path) {
		if p.options.Home == "" {
			return
		}
		path = filepath.Join(p.options.Home, path)
	}
	opened, info, err := p.options.TrustGroup.open(path)
	var untrusted *untrustedError
	switch {
	case errors.As(err, &untrusted):
		p.doc.Fail(0, "", "%v", err)
	case err == nil:
		_ = opened.Close()
		if p.options.TrustGroup.readableByOthers(info) {
			p.doc.Warn(0, "", "can be read by others; run chmod go-r on it")
		}
	}
}

// untrustedError is a path whose meaning somebody else can change.
type untrustedError struct{ path, what, remedy string }

func (e *untrustedError) Error() string {
	return fmt.Sprintf("%s %s; %s", e.path, e.what, e.remedy)
}

// bare drops the operation and path that os errors repeat.
func bare(err error) error {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		return pathErr.Err
	}
	return err
}
