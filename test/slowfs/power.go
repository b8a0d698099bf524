//go:build linux

package slowfs

import (
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// sector is what a disk writes whole.
const sector = 512

// write is one that no sync has followed yet.
type write struct {
	off      int64
	old, new []byte // old is shorter where the write made the file longer
	size     int64  // of the file before
}

// note remembers a write that is about to be made.
func (d *Disk) note(name string, data []byte, off int64) error {
	f, err := os.Open(filepath.Join(d.folder, name))
	if err != nil {
		return err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	w := write{off: off, new: append([]byte(nil), data...), size: fi.Size(), old: make([]byte, len(data))}
	n, err := f.ReadAt(w.old, off)
	if err != nil && err != io.EOF { //nolint:errorlint // ReadAt returns it bare
		return err
	}
	w.old = w.old[:n]
	d.unsynced[name] = append(d.unsynced[name], w)
	return nil
}

// CutPower copies the files to a folder as a loss of power would leave them at
// this moment: what was synced is there, and of every later write each sector
// may be, or not. Mapped files, which SQLite makes anew, are left out.
func (d *Disk) CutPower(to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return filepath.WalkDir(d.folder, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() || strings.HasSuffix(path, "-shm") {
			return err
		}
		name, err := filepath.Rel(d.folder, path)
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, name)
		if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(target, lose(data, d.unsynced[name]), 0o600); err != nil {
			return fmt.Errorf("copy %s: %w", name, err)
		}
		return nil
	})
}

// lose takes all writes back, and then makes again what survived.
func lose(data []byte, writes []write) []byte {
	for _, w := range slices.Backward(writes) {
		copy(data[w.off:], w.old)
		data = data[:max(w.size, 0)]
	}
	for _, w := range writes {
		for at := int64(0); at < int64(len(w.new)); at += sector {
			if rand.IntN(2) == 0 {
				continue
			}
			part := w.new[at:min(at+sector, int64(len(w.new)))]
			if end := w.off + at + int64(len(part)); end > int64(len(data)) {
				data = append(data, make([]byte, end-int64(len(data)))...)
			}
			copy(data[w.off+at:], part)
		}
	}
	return data
}
