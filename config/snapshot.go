package config

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// maxFile bounds one file; 10,000 rules with tests are about 3 MiB.
const maxFile = 16 << 20

// source is one file as read, before it is understood.
type source struct {
	path string // absolute
	name string // relative to HOME, for people and the trail
	data []byte
	mode fs.FileMode
}

func (s source) hash() string {
	sum := sha256.Sum256(s.data)
	return hex.EncodeToString(sum[:])
}

// snapshot is all files of HOME as they were read, once, so that a set is
// parsed from and named by the same bytes.
type snapshot struct {
	config, owners, credentials source
	policies                    []source // sorted by name
}

// read takes a snapshot. Errors are about files that are missing or unreadable.
func read(l Layout) (*snapshot, error) {
	var s snapshot
	var errs []error
	for _, one := range []struct {
		into       *source
		path, hint string
	}{
		{&s.config, l.Config(), "run `sallyport init`, or check --home"},
		{&s.owners, l.Owners(), "run `sallyport init` to get an example"},
		{&s.credentials, l.Credentials(), "run `sallyport init` to get an example; `credentials: {}` is enough"},
	} {
		var err error
		if *one.into, err = readSource(l, one.path); err != nil {
			errs = append(errs, missing(one.path, err, one.hint))
		}
	}
	var err error
	if s.policies, err = readPolicies(l); err != nil {
		errs = append(errs, err)
	}
	return &s, errors.Join(errs...)
}

func missing(path string, err error, hint string) error {
	if errors.Is(err, fs.ErrNotExist) {
		return &fileError{File: path, Msg: "no such file", Hint: hint}
	}
	if _, ok := errors.AsType[*fileError](err); ok {
		return err
	}
	return fmt.Errorf("read %s: %w", path, reason(err))
}

// reason drops the path that an error repeats.
func reason(err error) error {
	if f, ok := errors.AsType[*fileError](err); ok {
		return errors.New(f.Msg)
	}
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}

func readPolicies(l Layout) ([]source, error) {
	entries, err := os.ReadDir(l.Policies())
	if err != nil {
		return nil, missing(l.Policies(), err, "run `sallyport init` to get an example")
	}
	var all []source
	var errs []error
	for _, e := range entries {
		path := filepath.Join(l.Policies(), e.Name())
		switch ext := filepath.Ext(e.Name()); {
		case strings.HasPrefix(e.Name(), "."): // a ConfigMap's ..data, an editor's swap file
			continue
		case ext == ".yml":
			errs = append(errs, &fileError{File: path, Msg: "would be overlooked", Hint: "name it " + strings.TrimSuffix(e.Name(), ext) + ".yaml"})
			continue
		case ext != ".yaml":
			continue
		}
		s, err := readSource(l, path)
		if err != nil {
			errs = append(errs, missing(path, err, "remove the dangling link"))
			continue
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b source) int { return strings.Compare(a.path, b.path) })
	return all, errors.Join(errs...)
}

func readSource(l Layout, path string) (source, error) {
	name, err := filepath.Rel(l.Dir, path)
	if err != nil {
		name = path
	}
	data, mode, err := readFile(path)
	if err != nil {
		return source{}, err
	}
	return source{path: path, name: name, data: data, mode: mode}, nil
}

// readFile reads a regular file of bounded size; a pipe would hang the reload,
// an endless file eat the memory.
func readFile(path string) ([]byte, fs.FileMode, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, 0, &fileError{File: path, Msg: "not a regular file"}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, 0, err
	}
	if len(data) > maxFile {
		return nil, 0, &fileError{File: path, Msg: fmt.Sprintf("larger than %d MiB", maxFile>>20)}
	}
	return data, info.Mode().Perm(), nil
}

// digest names a state of the files, error included, so that the same broken
// state is reported once.
type digest [sha256.Size]byte

// digestOf hashes all sources, each part with its length before it.
func digestOf(s *snapshot, roots []Roots, err error) digest {
	h := sha256.New()
	part := func(b []byte) {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(b)))
		h.Write(length[:])
		h.Write(b)
	}
	for _, one := range append([]source{s.config, s.owners, s.credentials}, s.policies...) {
		part([]byte(one.path))
		part([]byte(one.mode.String()))
		part(one.data)
	}
	for _, r := range roots {
		part([]byte(r.File))
		part(r.PEM)
	}
	if err != nil {
		part([]byte(err.Error()))
	}
	return digest(h.Sum(nil))
}
