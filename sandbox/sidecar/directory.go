package sidecar

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// The files of an identity folder that the sidecar reads.
const (
	certFile = "agent.crt"
	keyFile  = "agent.key"
	caFile   = "ca.crt"
)

// A Directory is the Source that follows an identity folder: it looks at the
// files before each connection and reads them again when one was replaced. A
// folder that cannot be read, or holds a certificate whose key has not arrived
// yet, leaves the last good identity in force and is logged once per state.
// It is safe for concurrent use.
type Directory struct {
	path string
	log  *slog.Logger

	mu      sync.Mutex
	seen    stamp
	current *Identity
}

// OpenDirectory reads the identity in the folder.
func OpenDirectory(path string, log *slog.Logger) (*Directory, error) {
	d := &Directory{path: path, log: log, seen: look(path)}
	var err error
	if d.current, err = readIdentity(path); err != nil {
		return nil, err
	}
	if mode := d.seen[1].mode; loose(mode) {
		log.Warn("others can read the agent's key", "file", filepath.Join(path, keyFile), "mode", mode.Perm().String())
	}
	return d, nil
}

// Identity returns what the folder holds now, or held when it was last readable.
func (d *Directory) Identity() *Identity {
	d.mu.Lock()
	defer d.mu.Unlock()
	// Looking comes before reading: a change in between is seen the next time.
	now := look(d.path)
	if now == d.seen {
		return d.current
	}
	d.seen = now
	next, err := readIdentity(d.path)
	if err != nil {
		d.log.Warn("identity changed but cannot be used; the previous one stays in force", "error", err)
		return d.current
	}
	d.log.Info("identity read again", "agent", next.String(), "not_after", next.NotAfter())
	d.current = next
	return next
}

func readIdentity(path string) (*Identity, error) {
	var contents [3][]byte
	for n, name := range [3]string{certFile, keyFile, caFile} {
		data, err := os.ReadFile(filepath.Join(path, name))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("%s: no such file; `sallyport agent create --out %s` makes one", filepath.Join(path, name), path)
		case err != nil:
			return nil, fmt.Errorf("read identity: %w", err)
		}
		contents[n] = data
	}
	i, err := ParseIdentity(contents[0], contents[1], contents[2])
	if err != nil {
		return nil, fmt.Errorf("identity folder %s: %w", path, err)
	}
	return i, nil
}

// A stamp is what tells one state of the three files from the next without
// reading them. Links are followed, so that a swapped folder (a Kubernetes
// secret volume) counts.
type stamp [3]struct {
	size    int64
	changed time.Time
	mode    fs.FileMode
	file    uint64
}

func look(path string) (s stamp) {
	for n, name := range [3]string{certFile, keyFile, caFile} {
		info, err := os.Stat(filepath.Join(path, name))
		if err != nil {
			continue
		}
		s[n].size, s[n].changed, s[n].mode, s[n].file = info.Size(), info.ModTime(), info.Mode(), fileNumber(info)
	}
	return s
}
