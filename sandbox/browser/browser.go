// Package browser makes what Chromium and what is built on it trust: a database of NSS, for they
// read neither a variable nor a file of certificates. Only NSS's own tool can make one.
//
// It promises that a database is whole or not there, and never touches one that it has not made.
package browser

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// ErrNoTool says that NSS's tool is not there, which is certutil.
var ErrNoTool = errors.New("certutil, by which browsers are made to trust the proxy, is not installed")

// makeTime bounds the tool, which takes a tenth of a second.
const makeTime = 20 * time.Second

// database is where Chromium looks below $XDG_DATA_HOME, if there is no ~/.pki/nssdb
// (GetDefaultConfigDirectory in its crypto/nss_util.cc).
var database = filepath.Join("pki", "nssdb") //nolint:gochecknoglobals // a constant

// madeFor is the file that says which authority the database beside it is for.
const madeFor = "authority.crt"

// Trust makes dir a folder of a user's data ($XDG_DATA_HOME) in which browsers find the
// authority, which is in PEM. One that is there already, and for this authority, stays.
func Trust(ctx context.Context, dir string, authority []byte) error {
	if there, err := os.ReadFile(filepath.Join(dir, madeFor)); err == nil && bytes.Equal(there, authority) {
		return nil
	}
	tool, err := exec.LookPath("certutil")
	if err != nil {
		return ErrNoTool
	}
	staged, err := os.MkdirTemp(filepath.Dir(dir), ".browsers-*") // mode 0700
	if err != nil {
		return fmt.Errorf("make a folder for browsers: %w", err)
	}
	defer os.RemoveAll(staged) //nolint:errcheck // it has its name by then, or is of no use
	at := filepath.Join(staged, database)
	file := filepath.Join(staged, madeFor)
	if err := errors.Join(os.MkdirAll(at, 0o700), os.WriteFile(file, authority, 0o600)); err != nil {
		return fmt.Errorf("make a folder for browsers: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, makeTime)
	defer cancel()
	for _, args := range [][]string{
		{"-N", "--empty-password"},
		{"-A", "-t", "C,,", "-n", "sallyport", "-i", file},
	} {
		cmd := exec.CommandContext(ctx, tool, append([]string{"-d", "sql:" + at}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s %s: %w: %s", tool, args[0], err, strings.TrimSpace(string(out)))
		}
	}
	if err := errors.Join(os.RemoveAll(dir), os.Rename(staged, dir)); err != nil {
		return fmt.Errorf("put the folder for browsers in place: %w", err)
	}
	return nil
}

// Overrules is the database in a home folder that Chromium reads in place of the one in
// $XDG_DATA_HOME; "" if there is none.
func Overrules(home string) string {
	legacy := filepath.Join(home, ".pki", "nssdb")
	if _, err := os.Stat(legacy); err != nil {
		return ""
	}
	return legacy
}
