//go:build linux

// Package slowfs is a file system in user space (FUSE) over a folder, whose
// disk hangs, fails, takes its time or loses its power when a test says so. What runs on it sees
// a real file system of the kernel: a write that hangs, hangs in the kernel.
//
// It must not be served by the process that uses it: a page fault in a mapped
// file would wait for a goroutine of the process that waits.
package slowfs

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// Disk is what lies under the file system. Its methods are safe to call while
// it is in use.
type Disk struct {
	mu      sync.Mutex
	changed sync.Cond
	hangs   bool
	err     syscall.Errno // of every change; 0: none

	folder   string
	unsynced map[string][]write // by file

	sync  sync.Mutex // a disk does one sync after the other
	delay time.Duration
}

// Mount serves folder at mountpoint until unmount is called. The error is
// syscall.EPERM or syscall.ENOENT where this machine does not allow it. Each
// sync takes syncTakes, one after the other.
func Mount(folder, mountpoint string, syncTakes time.Duration) (disk *Disk, unmount func() error, err error) {
	disk = &Disk{delay: syncTakes, folder: folder, unsynced: map[string][]write{}}
	disk.changed.L = &disk.mu
	root := &node{LoopbackNode: fs.LoopbackNode{RootData: &fs.LoopbackRoot{Path: folder}}, disk: disk}
	root.RootData.RootNode = root
	server, err := fs.Mount(mountpoint, root, &fs.Options{
		MountOptions: fuse.MountOptions{DirectMountStrict: true, AllowOther: true, FsName: folder, Name: "slowfs"},
	})
	if err != nil {
		return nil, nil, fmt.Errorf("mount %s: %w", mountpoint, err)
	}
	return disk, func() error {
		disk.Hang(false)
		return server.Unmount()
	}, nil
}

// Hang makes every change wait, or lets go on what waits.
func (d *Disk) Hang(hangs bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hangs = hangs
	d.changed.Broadcast()
}

// Fail makes every change fail; 0 lets it succeed again.
func (d *Disk) Fail(err syscall.Errno) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err = err
}

// change waits until a change may be made, or refuses it.
func (d *Disk) change() syscall.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	for d.hangs {
		d.changed.Wait()
	}
	return d.err
}

// synced forgets the writes that a sync has made safe.
func (d *Disk) synced(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.unsynced, name)
}

func (d *Disk) flush() {
	if d.delay == 0 {
		return
	}
	d.sync.Lock()
	defer d.sync.Unlock()
	time.Sleep(d.delay)
}

// node is a file or folder.
type node struct {
	fs.LoopbackNode
	disk *Disk
}

// WrapChild makes what is found below a node of this file system too.
func (n *node) WrapChild(_ context.Context, child fs.InodeEmbedder) fs.InodeEmbedder {
	if plain, ok := child.(*fs.LoopbackNode); ok {
		return &node{LoopbackNode: fs.LoopbackNode{RootData: plain.RootData}, disk: n.disk}
	}
	return child
}

func (n *node) Open(ctx context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	h, flags, errno := n.LoopbackNode.Open(ctx, flags)
	return n.file(h), flags, errno
}

func (n *node) Create(ctx context.Context, name string, flags, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	if errno := n.disk.change(); errno != 0 {
		return nil, nil, 0, errno
	}
	inode, h, flags, errno := n.LoopbackNode.Create(ctx, name, flags, mode, out)
	if f, ok := n.file(h).(*file); ok {
		f.name = filepath.Join(f.name, name)
		return inode, f, flags, errno
	}
	return inode, h, flags, errno
}

func (n *node) file(h fs.FileHandle) fs.FileHandle {
	if plain, ok := h.(*fs.LoopbackFile); ok {
		return &file{loopback: plain, disk: n.disk, name: n.Path(n.Root())}
	}
	return h
}

type loopback interface {
	fs.FileReleaser
	fs.FileGetattrer
	fs.FileReader
	fs.FileLseeker
	fs.FileFlusher
	fs.FileSetattrer
	fs.FileAllocater
}

// file is an open file. Its reads are answered whatever happens: a cache would.
type file struct {
	loopback
	disk *Disk
	name string // below the folder
}

func (f *file) plain() *fs.LoopbackFile { return f.loopback.(*fs.LoopbackFile) } //nolint:forcetypeassert // node.file made it

func (f *file) Write(ctx context.Context, data []byte, off int64) (uint32, syscall.Errno) {
	if errno := f.disk.change(); errno != 0 {
		return 0, errno
	}
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if err := f.disk.note(f.name, data, off); err != nil {
		return 0, fs.ToErrno(err)
	}
	return f.plain().Write(ctx, data, off)
}

// Fsync costs what the disk says and nothing else: the folder below may be on
// any disk.
func (f *file) Fsync(context.Context, uint32) syscall.Errno {
	if errno := f.disk.change(); errno != 0 {
		return errno
	}
	f.disk.flush()
	f.disk.synced(f.name)
	return 0
}
