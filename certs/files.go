package certs

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// maxFile bounds what is read of a file that should hold one key or
// certificate.
const maxFile = 1 << 20

// Save writes the authority's certificate and its key (PKCS #8, mode 0600),
// both durable when it returns. It overwrites nothing, and leaves either both
// files or neither, except that a crash may leave the key alone. The key's
// folder is created if need be, and must be closed to other users.
func (a *Authority) Save(certFile, keyFile string) error {
	der, err := x509.MarshalPKCS8PrivateKey(a.key)
	if err != nil {
		return fmt.Errorf("save authority: encode key: %w", err)
	}
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	if err := privateFolder(filepath.Dir(keyFile)); err != nil {
		return fmt.Errorf("save authority: %w", err)
	}
	if _, err := os.Lstat(certFile); err == nil {
		return fmt.Errorf("save authority: %s is there already; nothing is overwritten", certFile)
	}
	// The key first: a key without a certificate is of no use to anyone, so
	// what a crash leaves behind can be deleted without a thought.
	if err := createFile(keyFile, keyPEM, 0o600); err != nil {
		return fmt.Errorf("save authority: %w", err)
	}
	if err := createFile(certFile, a.CertificatePEM(), 0o644); err != nil {
		return errors.Join(fmt.Errorf("save authority: %w", err), os.Remove(keyFile))
	}
	return nil
}

// LoadAuthority reads what Save wrote. It refuses a key that other users can
// read, one that is not the certificate's, and a certificate that is no
// authority's by the rules that CreateAuthority follows.
func LoadAuthority(certFile, keyFile string) (*Authority, error) {
	cert, err := loadCertificate(certFile)
	if errors.Is(err, fs.ErrNotExist) {
		if _, statErr := os.Lstat(keyFile); statErr == nil {
			return nil, fmt.Errorf("load authority: %w; its key %s is there, so an `init` was cut short or the certificate was lost: "+
				"restore it from a backup, or delete the key and run `sallyport init`", err, keyFile)
		}
		return nil, fmt.Errorf("load authority: %w; run `sallyport init`", err)
	}
	if err != nil {
		return nil, fmt.Errorf("load authority: %w", err)
	}
	key, err := loadKey(keyFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("load authority: %w; restore it from a backup, or move %s away and run `sallyport init` for a new authority", err, certFile)
	}
	if err != nil {
		return nil, fmt.Errorf("load authority: %w", err)
	}
	if public, ok := cert.PublicKey.(*ecdsa.PublicKey); !ok || !public.Equal(key.Public()) {
		return nil, fmt.Errorf("load authority: the key in %s is not the key of the certificate in %s; restore both from one backup", keyFile, certFile)
	}
	return &Authority{cert: cert, key: key}, nil
}

func loadCertificate(file string) (*x509.Certificate, error) {
	data, err := readSmall(file, nil)
	if err != nil {
		return nil, err
	}
	der, err := onlyBlock(data, "CERTIFICATE")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if err := checkAuthority(cert); err != nil {
		return nil, fmt.Errorf("%s: %w; restore it from a backup", file, err)
	}
	return cert, nil
}

func checkAuthority(cert *x509.Certificate) error {
	switch {
	case !cert.BasicConstraintsValid || !cert.IsCA:
		return errors.New("the certificate is not an authority's (no CA:TRUE)")
	case cert.KeyUsage&x509.KeyUsageCertSign == 0:
		return errors.New("the certificate's key usage lacks keyCertSign")
	case len(cert.SubjectKeyId) == 0:
		return errors.New("the certificate has no subject key identifier, which strict clients demand")
	}
	if err := cert.CheckSignatureFrom(cert); err != nil {
		return fmt.Errorf("the certificate is not signed by its own key: %w", err)
	}
	return nil
}

func loadKey(file string) (crypto.Signer, error) {
	data, err := readSmall(file, checkPrivate)
	if err != nil {
		return nil, err
	}
	der, err := onlyBlock(data, "PRIVATE KEY")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, fmt.Errorf("%s: the key is not ECDSA P-256", file)
	}
	return key, nil
}

// onlyBlock returns the content of the one PEM block in data.
func onlyBlock(data []byte, kind string) ([]byte, error) {
	block, rest := pem.Decode(data)
	switch {
	case block == nil:
		return nil, errors.New("no PEM block; the file is damaged or another one: restore it from a backup")
	case block.Type != kind:
		return nil, fmt.Errorf("has a PEM block %q where %q is expected", block.Type, kind)
	case len(bytes.TrimSpace(rest)) > 0:
		return nil, errors.New("has more than one PEM block")
	}
	return block.Bytes, nil
}

// readSmall reads a file and lets check look at the very file that is read.
func readSmall(file string, check func(fs.FileInfo) error) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", file)
	}
	if check != nil {
		if err := check(info); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("%s: larger than %d bytes", file, maxFile)
	}
	return data, nil
}

// checkPrivate refuses what other users can touch. Windows has no such bits.
func checkPrivate(info fs.FileInfo) error {
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		want := "600"
		if info.IsDir() {
			want = "700"
		}
		return fmt.Errorf("has mode %04o, so other users may have it; run chmod %s, and consider what it holds disclosed", mode, want)
	}
	return nil
}

func privateFolder(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if err := checkPrivate(info); err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	return nil
}

// createFile makes a file that appears under its name whole, or not at all,
// and only if nothing has that name.
func createFile(file string, data []byte, mode fs.FileMode) (err error) {
	dir := filepath.Dir(file)
	f, err := os.CreateTemp(dir, "."+filepath.Base(file)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	if err := fill(f, data, mode); err != nil {
		return fmt.Errorf("write %s: %w", f.Name(), err)
	}
	// Link, unlike rename, fails if the name is taken.
	if err := os.Link(f.Name(), file); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("%s is there already; nothing is overwritten", file)
		}
		return err
	}
	if err := syncFolder(dir); err != nil {
		return errors.Join(err, os.Remove(file))
	}
	return nil
}

func fill(f *os.File, data []byte, mode fs.FileMode) error {
	_, err := f.Write(data)
	return errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
}

// syncFolder makes new names in it durable.
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
