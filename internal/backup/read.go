package backup

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
)

// Backup is a backup that is read. What it hands out is what its manifest says.
type Backup struct {
	Manifest   Manifest
	Hash       string // of the manifest
	PublicKey  string // of the log that the trail is of
	Checkpoint string // signed; "" if there is none

	root *os.Root
}

// maxSmall bounds what is read into memory.
const maxSmall = 64 << 20

// Open reads the manifest of a backup and verifies its signature: with publicKey, which
// was kept elsewhere, or else with the backup's own key, which shows damage but not a
// forgery. verify is given a signed text and a key and returns the text.
func Open(dir, publicKey string, verify func(signed, publicKey string) (string, error)) (_ *Backup, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	b := &Backup{root: root}
	defer func() {
		if err != nil {
			err = errors.Join(err, root.Close())
		}
	}()
	manifest, err := b.small(manifestName)
	if err != nil {
		return nil, fmt.Errorf("%s is no whole backup: %w", dir, err)
	}
	m, err := parseManifest(manifest)
	if err != nil {
		return nil, err
	}
	b.Manifest, b.Hash = *m, hash(manifest)
	own, err := b.read(publicKeyName)
	if err != nil {
		return nil, err
	}
	b.PublicKey = string(own)
	if publicKey != "" && strings.TrimSpace(publicKey) != strings.TrimSpace(b.PublicKey) {
		return nil, errors.New("the backup is of another trail: its public key is not the one that was given")
	}
	signature, err := b.small(signatureName)
	if err != nil {
		return nil, err
	}
	text, err := verify(string(signature), b.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", signatureName, err)
	}
	if text != statement(manifest) {
		return nil, fmt.Errorf("%s was altered: it is not what %s signs for", manifestName, signatureName)
	}
	if m.Trail.Checkpoint > 0 {
		checkpoint, err := b.read(checkpointName)
		if err != nil {
			return nil, err
		}
		b.Checkpoint = string(checkpoint)
	}
	return b, nil
}

// Close closes the backup.
func (b *Backup) Close() error { return b.root.Close() }

func (b *Backup) small(name string) ([]byte, error) {
	f, err := b.open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return io.ReadAll(io.LimitReader(f, maxSmall))
}

// open opens a regular file. A backup has no other, and to open a pipe is to wait
// for whoever writes into it.
func (b *Backup) open(name string) (*os.File, error) {
	info, err := b.root.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", name)
	}
	return b.root.Open(name)
}

// read returns a file of the manifest.
func (b *Backup) read(name string) ([]byte, error) {
	i := slices.IndexFunc(b.Manifest.Files, func(f File) bool { return f.Path == name })
	if i < 0 {
		return nil, fmt.Errorf("%s: no file %s", manifestName, name)
	}
	data, err := b.small(name)
	if err != nil {
		return nil, err
	}
	return data, b.Manifest.Files[i].check(int64(len(data)), hash(data))
}

func (f *File) check(size int64, sum string) error {
	if size != f.Size || sum != f.SHA256 {
		return fmt.Errorf("%s was altered: it is not what %s says (%d bytes, SHA-256 %s)", f.Path, manifestName, f.Size, f.SHA256)
	}
	return nil
}

// CopyHome writes the files of HOME into a folder that is there and empty. What has been
// written when it fails is worth nothing.
func (b *Backup) CopyHome(dir string) error {
	to, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = to.Close() }()
	for i := range b.Manifest.Files {
		name, ok := strings.CutPrefix(b.Manifest.Files[i].Path, homeName)
		if !ok {
			continue
		}
		if err := b.copyHome(&b.Manifest.Files[i], to, name); err != nil {
			return err
		}
	}
	return nil
}

func (b *Backup) copyHome(f *File, to *os.Root, name string) error {
	from, err := b.open(f.Path)
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }()
	if err := to.MkdirAll(path.Dir(name), 0o700); err != nil {
		return err
	}
	sum := sha256.New()
	var n int64
	err = create(to, name, func(w io.Writer) (err error) {
		n, err = io.Copy(io.MultiWriter(w, sum), io.LimitReader(from, f.Size+1))
		return err
	})
	if err != nil {
		return err
	}
	return f.check(n, hex.EncodeToString(sum.Sum(nil)))
}

// WriteSecrets writes secrets into a home, where none of them may be yet.
func WriteSecrets(dir string, secrets []Secret) error {
	to, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = to.Close() }()
	for _, s := range secrets {
		if err := to.MkdirAll(path.Dir(s.Path), 0o700); err != nil {
			return err
		}
		err := create(to, s.Path, func(w io.Writer) error {
			_, err := w.Write(s.Data)
			return err
		})
		if err != nil {
			return fmt.Errorf("write secret: %w", err)
		}
	}
	return nil
}
