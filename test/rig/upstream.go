package rig

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// Upstream is a real HTTPS server (HTTP/1.1 and HTTP/2) on loopback, with a
// certificate authority of its own.
type Upstream struct {
	Address string // host:port on loopback
	Roots   string // PEM file with its CA
	server  *http.Server
}

// NewUpstream serves handler under the given names; dir receives roots.pem.
func NewUpstream(dir string, names []string, handler http.Handler) (*Upstream, error) {
	cert, roots, err := Certificate(dir, names)
	if err != nil {
		return nil, err
	}
	u := &Upstream{Roots: roots}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	u.Address = ln.Addr().String()
	u.server = &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12},
		ErrorLog:          log.New(io.Discard, "", 0), // cut connections are what the tests are for
	}
	go func() {
		// Close ends it with http.ErrServerClosed; anything else shows up as
		// refused connections in the test that uses it.
		_ = u.server.ServeTLS(ln, "", "")
	}()
	return u, nil
}

// Close cuts every connection and stops listening.
func (u *Upstream) Close() error { return u.server.Close() }

// Certificate makes a server certificate for names, and writes the CA above it to a file
// in dir.
func Certificate(dir string, names []string) (cert tls.Certificate, roots string, err error) {
	cert, ca, err := certificate(names)
	if err != nil {
		return cert, "", fmt.Errorf("make the upstream's certificate: %w", err)
	}
	roots = filepath.Join(dir, "upstream-roots.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca})
	if err := os.WriteFile(roots, block, 0o600); err != nil {
		return cert, "", fmt.Errorf("write the upstream's CA: %w", err)
	}
	return cert, roots, nil
}

// certificate makes a CA and a server certificate for names below it.
func certificate(names []string) (tls.Certificate, []byte, error) {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test upstream CA"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: names[0]}, DNSNames: names,
		NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, ca, key.Public(), caKey)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	return tls.Certificate{Certificate: [][]byte{leafDER}, PrivateKey: key}, caDER, nil
}
