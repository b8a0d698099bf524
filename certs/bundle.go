package certs

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"software.sslmate.com/src/go-pkcs12"
)

// systemFiles are where systems keep their roots as one PEM file, as crypto/x509
// knows them. The first one found is used.
func systemFiles() []string {
	return []string{
		"/etc/ssl/certs/ca-certificates.crt",                // Debian, Ubuntu, Arch, Gentoo, Alpine
		"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // Fedora, RHEL 7 and later
		"/etc/pki/tls/certs/ca-bundle.crt",                  // RHEL 6
		"/etc/ssl/ca-bundle.pem",                            // openSUSE
		"/etc/pki/tls/cacert.pem",                           // OpenELEC
		"/etc/ssl/cert.pem",                                 // macOS, Alpine, the BSDs
		"/opt/homebrew/etc/ca-certificates/cert.pem",        // Homebrew
		"/usr/local/share/certs/ca-root-nss.crt",            // FreeBSD
	}
}

// systemFolders hold one file per root, where there is no such file.
func systemFolders() []string { return []string{"/etc/ssl/certs", "/etc/pki/tls/certs"} }

// Bundle returns the system's roots followed by extra certificates in PEM, each
// once. See [BundleFrom].
func Bundle(extra ...[]byte) ([]byte, error) { return BundleFrom("", extra...) }

// BundleFrom is Bundle with the roots of rootsFile (what SSL_CERT_FILE names)
// in place of the system's; "" means the system's.
//
// A system without roots gives a bundle of the extra certificates alone: all
// that an agent reaches is intercepted, so it needs no others. What is not a
// certificate is skipped among the roots, as TLS libraries do, and an error in
// extra, where a private key might otherwise be handed to every agent.
func BundleFrom(rootsFile string, extra ...[]byte) ([]byte, error) {
	roots, err := readRoots(rootsFile)
	if err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	var bundle set
	for _, data := range roots {
		certs, _ := parseAll(data)
		bundle.add(certs)
	}
	for _, data := range extra {
		certs, err := parseAll(data)
		if err != nil {
			return nil, fmt.Errorf("bundle: extra certificates: %w", err)
		}
		if len(certs) == 0 {
			return nil, errors.New("bundle: extra certificates: no PEM certificate")
		}
		bundle.add(certs)
	}
	var out bytes.Buffer
	for _, cert := range bundle.certs {
		out.Write(certificatePEM(cert.Raw))
	}
	return out.Bytes(), nil
}

// TrustStore turns a bundle into a PKCS #12 store whose entries Java trusts.
// Java before 8u301 and 11.0.12 cannot read it.
func TrustStore(bundlePEM []byte, password string) ([]byte, error) {
	if password == "" {
		// Java then opens the store, silently, with no entries in it.
		return nil, errors.New("trust store: needs a password, if only the customary \"changeit\"")
	}
	certs, err := parseAll(bundlePEM)
	if err != nil {
		return nil, fmt.Errorf("trust store: %w", err)
	}
	if len(certs) == 0 {
		return nil, errors.New("trust store: the bundle has no certificate")
	}
	var unique set
	unique.add(certs)
	var entries []pkcs12.TrustStoreEntry
	for _, cert := range unique.certs {
		entries = append(entries, pkcs12.TrustStoreEntry{Cert: cert, FriendlyName: alias(cert)})
	}
	store, err := pkcs12.Modern2023.EncodeTrustStoreEntries(entries, password)
	if err != nil {
		return nil, fmt.Errorf("trust store: %w", err)
	}
	return store, nil
}

// alias names an entry. Java compares aliases without case and keeps only one
// entry of each, so subjects will not do: some roots share theirs.
func alias(cert *x509.Certificate) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9':
			return r
		}
		return '-'
	}, strings.ToLower(cert.Subject.CommonName))
	sum := sha256.Sum256(cert.Raw)
	return name + "-" + hex.EncodeToString(sum[:8])
}

// readRoots returns the contents of files that may hold roots.
func readRoots(rootsFile string) ([][]byte, error) {
	if rootsFile != "" {
		data, err := os.ReadFile(rootsFile)
		if err != nil {
			return nil, fmt.Errorf("read roots: %w", err)
		}
		if certs, _ := parseAll(data); len(certs) == 0 {
			return nil, fmt.Errorf("read roots: %s has no PEM certificate", rootsFile)
		}
		return [][]byte{data}, nil
	}
	for _, file := range systemFiles() {
		data, err := os.ReadFile(file)
		if err == nil {
			return [][]byte{data}, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("read the system's roots: %w", err)
		}
	}
	return readFolders(systemFolders())
}

func readFolders(folders []string) ([][]byte, error) {
	for _, folder := range folders {
		var found [][]byte
		for _, pattern := range []string{"*.pem", "*.crt"} {
			names, err := filepath.Glob(filepath.Join(folder, pattern))
			if err != nil {
				return nil, fmt.Errorf("read the system's roots: %w", err)
			}
			for _, name := range names {
				// A dangling link among the roots is common, and no reason to stop.
				if data, err := os.ReadFile(name); err == nil {
					found = append(found, data)
				}
			}
		}
		if len(found) > 0 {
			return found, nil
		}
	}
	return nil, nil
}

// parseAll returns the certificates in data, and an error about the first block
// that is none.
func parseAll(data []byte) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	var first error
	for {
		block, rest := pem.Decode(data)
		if block == nil {
			return certs, first
		}
		data = rest
		cert, err := parseBlock(block)
		switch {
		case err == nil:
			certs = append(certs, cert)
		case first == nil:
			first = err
		}
	}
}

func parseBlock(block *pem.Block) (*x509.Certificate, error) {
	if block.Type != "CERTIFICATE" {
		return nil, fmt.Errorf("a PEM block %q is not a certificate", block.Type)
	}
	return x509.ParseCertificate(block.Bytes)
}

// set keeps certificates in order, each once.
type set struct {
	certs []*x509.Certificate
}

func (s *set) add(certs []*x509.Certificate) {
	for _, cert := range certs {
		if !slices.ContainsFunc(s.certs, cert.Equal) {
			s.certs = append(s.certs, cert)
		}
	}
}
