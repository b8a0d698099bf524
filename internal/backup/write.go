package backup

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
)

// Writer makes a backup in a folder of its own. Nobody else may write there meanwhile.
type Writer struct {
	Manifest Manifest // to be filled before Seal; Files is Writer's own

	dir     string
	root    *os.Root
	created bool // the folder was not there
	sealed  bool
}

// Create begins a backup in a new or empty folder.
func Create(dir string) (*Writer, error) {
	w := &Writer{dir: dir, Manifest: Manifest{Keys: KeysNone, Recipients: []string{}, LeftOut: []string{}}}
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := os.Mkdir(dir, 0o700); err != nil {
			return nil, err
		}
		w.created = true
	case err != nil:
		return nil, err
	case len(entries) > 0:
		return nil, fmt.Errorf("%s is not empty; a backup needs a folder of its own", dir)
	}
	if w.root, err = os.OpenRoot(dir); err != nil {
		return nil, err
	}
	return w, nil
}

// AddHome adds a file of HOME by its path there.
func (w *Writer) AddHome(name string, data []byte) error {
	return w.add(homeName+filepath.ToSlash(name), data)
}

// AddTrail adds what verifies the trail; there may be no checkpoint yet.
func (w *Writer) AddTrail(publicKey, checkpoint string) error {
	if err := w.add(publicKeyName, []byte(publicKey)); err != nil || checkpoint == "" {
		return err
	}
	return w.add(checkpointName, []byte(checkpoint))
}

func (w *Writer) add(name string, data []byte) error {
	if err := w.write(name, data); err != nil {
		return err
	}
	w.list(name, int64(len(data)), hash(data))
	return nil
}

func (w *Writer) list(name string, size int64, sum string) {
	w.Manifest.Files = append(w.Manifest.Files, File{Path: name, Size: size, SHA256: sum})
}

func (w *Writer) write(name string, data []byte) error {
	if err := checkPath(name); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if err := w.root.MkdirAll(path.Dir(name), 0o700); err != nil {
		return err
	}
	return create(w.root, name, func(f io.Writer) error {
		_, err := f.Write(data)
		return err
	})
}

// create makes a file that is on the disk when it returns.
func create(root *os.Root, name string, fill func(io.Writer) error) error {
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(fill(f), f.Sync(), f.Close())
}

// CopyHome has a file of HOME written by write, which is given its path in the backup.
func (w *Writer) CopyHome(name string, write func(to string) error) error {
	name = homeName + filepath.ToSlash(name)
	if err := checkPath(name); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if err := w.root.MkdirAll(path.Dir(name), 0o700); err != nil {
		return err
	}
	if err := write(filepath.Join(w.dir, filepath.FromSlash(name))); err != nil {
		return err
	}
	f, err := w.root.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	sum := sha256.New()
	n, err := io.Copy(sum, f)
	w.list(name, n, hex.EncodeToString(sum.Sum(nil)))
	return err
}

// Seal writes the manifest and its signature, by which the folder becomes a backup, and
// returns the manifest's hash.
func (w *Writer) Seal(sign func(text string) (string, error)) (string, error) {
	data, err := w.Manifest.encode()
	if err != nil {
		return "", err
	}
	signed, err := sign(statement(data))
	if err != nil {
		return "", fmt.Errorf("sign the manifest: %w", err)
	}
	if err := w.write(signatureName, []byte(signed)); err != nil {
		return "", err
	}
	if err := w.write(manifestName, data); err != nil {
		return "", err
	}
	w.sealed = true
	return hash(data), nil
}

// Close ends the work; of a backup that was not sealed nothing is left.
func (w *Writer) Close() error {
	var err error
	if !w.sealed {
		for _, name := range []string{"home", checkpointName, publicKeyName, plainName, encryptedName, signatureName, manifestName} {
			err = errors.Join(err, w.root.RemoveAll(name))
		}
	}
	err = errors.Join(err, w.root.Close())
	if !w.sealed && w.created {
		err = errors.Join(err, os.Remove(w.dir))
	}
	return err
}
