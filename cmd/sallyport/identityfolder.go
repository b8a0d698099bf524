package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"sallyport/admin"
	"sallyport/certs"
	"sallyport/internal/hint"
	"sallyport/sandbox/environment"
)

// The files of an identity folder, which sidecar and env read.
const (
	fileCertificate = "agent.crt"
	fileKey         = "agent.key"
	fileCA          = "ca.crt"
	fileBundle      = "bundle.crt"
	fileTruststore  = "truststore.p12"
	fileDescription = "agent.json"
)

// truststorePassword guards nothing: the store holds public certificates, and
// Java's tools expect this word.
const truststorePassword = "changeit"

// description is agent.json.
type description struct {
	ID                 string    `json:"id"`
	Name               string    `json:"name"`
	Policy             string    `json:"policy"`
	Owner              string    `json:"owner"`
	SPIFFEID           string    `json:"spiffe_id"`
	TrustDomain        string    `json:"trust_domain"`
	Proxy              string    `json:"proxy"`               // host:port; "" if unknown
	Region             string    `json:"region"`              // "" if the policy names no AWS credential
	Variables          []string  `json:"variables,omitempty"` // more that want the placeholder
	Enrol              string    `json:"enrol,omitempty"`     // host:port where it renews itself; "" if it does not
	TruststorePassword string    `json:"truststore_password"`
	CreatedAt          time.Time `json:"created_at"`
	ExpiresAt          time.Time `json:"expires_at"`
}

// identityFiles are the paths that create answers with.
type identityFiles struct {
	Certificate string `json:"cert"`
	Key         string `json:"key"`
	CA          string `json:"ca"`
	Bundle      string `json:"bundle"`
	Truststore  string `json:"truststore"`
}

// identityFolder writes an agent's identity so that DIR never holds half of
// one: all files are complete on disk, beside or in DIR, before any has its name.
type identityFolder struct {
	shown  string // as the user wrote it
	dir    string // absolute
	exists bool
	staged string // the temporary folder; "" once it is gone
}

// stageIdentity makes sure, before an agent is created, that its folder can be
// written. occupied is asked if the folder holds an identity already; it gets
// the agent's id, or "" if agent.json does not say whose.
func stageIdentity(dir string, occupied func(id string) error) (*identityFolder, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("find folder %s: %w", dir, err)
	}
	f := &identityFolder{shown: dir, dir: abs}
	info, err := os.Stat(abs)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("look at folder: %w", err)
	case !info.IsDir():
		return nil, hint.With(fmt.Errorf("%s is not a folder", dir), "choose another --out")
	default:
		f.exists = true
		if f.holdsIdentity() {
			if err := occupied(f.owner()); err != nil {
				return nil, err
			}
		}
	}
	parent, name := filepath.Dir(abs), "."+filepath.Base(abs)+".new-*"
	if f.exists {
		parent, name = abs, ".identity.new-*"
	}
	if f.staged, err = os.MkdirTemp(parent, name); err != nil { // mode 0700
		return nil, fmt.Errorf("make folder for the identity: %w", err)
	}
	return f, nil
}

func (f *identityFolder) holdsIdentity() bool {
	names := append([]string{fileCertificate, fileKey, fileCA, fileBundle, fileTruststore, fileDescription}, environment.FileNames()...)
	for _, name := range names {
		if _, err := os.Lstat(filepath.Join(f.dir, name)); err == nil {
			return true
		}
	}
	return false
}

// owner is the id of the agent whose identity the folder holds.
func (f *identityFolder) owner() string {
	data, err := os.ReadFile(filepath.Join(f.dir, fileDescription))
	var d description
	if err != nil || json.Unmarshal(data, &d) != nil || d.ID == "" {
		return ""
	}
	return d.ID
}

// publish writes the files and gives them their names.
func (f *identityFolder) publish(e admin.Enrolment) error {
	contents, err := identityContents(e, f.dir, "")
	if err != nil {
		return err
	}
	for _, c := range contents {
		if err := writeDurably(filepath.Join(f.staged, c.name), c.data, c.mode); err != nil {
			return fmt.Errorf("write identity: %w", err)
		}
	}
	if !f.exists {
		if err := os.Rename(f.staged, f.dir); err != nil {
			return fmt.Errorf("write identity: %w", err)
		}
		f.staged = ""
		return nil
	}
	// The folder stays, for it may hold other files. A reader that comes between two
	// renames finds a key that does not fit the certificate, and reads again.
	for _, c := range contents {
		if err := os.Rename(filepath.Join(f.staged, c.name), filepath.Join(f.dir, c.name)); err != nil {
			return fmt.Errorf("write identity: %w", err)
		}
	}
	return nil
}

// discard removes what publish did not use.
func (f *identityFolder) discard() {
	if f.staged != "" {
		_ = os.RemoveAll(f.staged)
	}
}

func (f *identityFolder) files() identityFiles {
	return identityFiles{
		Certificate: filepath.Join(f.dir, fileCertificate),
		Key:         filepath.Join(f.dir, fileKey),
		CA:          filepath.Join(f.dir, fileCA),
		Bundle:      filepath.Join(f.dir, fileBundle),
		Truststore:  filepath.Join(f.dir, fileTruststore),
	}
}

type identityContent struct {
	name string
	data []byte
	mode fs.FileMode
}

// identityContents are the files of an identity that is to be in dir. An agent that renews
// itself does so at enrol.
func identityContents(e admin.Enrolment, dir, enrol string) ([]identityContent, error) {
	truststore, err := certs.TrustStore(e.Bundle, truststorePassword)
	if err != nil {
		return nil, fmt.Errorf("make trust store: %w", err)
	}
	about, err := json.MarshalIndent(description{
		ID: e.Agent.ID.String(), Name: e.Agent.Name, Policy: e.Agent.Policy, Owner: e.Agent.Owner,
		SPIFFEID: e.Agent.SPIFFEID, TrustDomain: e.TrustDomain, Proxy: e.Proxy, Region: e.Region, Variables: e.Variables, Enrol: enrol,
		TruststorePassword: truststorePassword, CreatedAt: e.Agent.CreatedAt, ExpiresAt: e.Agent.ExpiresAt,
	}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("describe agent: %w", err)
	}
	contents := []identityContent{
		{fileCA, e.CA, 0o644},
		{fileBundle, e.Bundle, 0o644},
		{fileTruststore, truststore, 0o644},
	}
	for _, f := range environment.Files(dir, fileBundle, string(e.Bundle), string(e.CA)) {
		contents = append(contents, identityContent{f.Name, []byte(f.Content), 0o644})
	}
	return append(contents,
		identityContent{fileCertificate, e.Certificate, 0o644},
		identityContent{fileKey, e.Key, 0o600},
		identityContent{fileDescription, append(about, '\n'), 0o644},
	), nil
}

// writeDurably creates a file that is on the disk when it returns, or is not there: half
// a file would be taken for one that somebody wrote.
func writeDurably(path string, data []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// replaceFile puts a file there whole, and on the disk, in the place of one that may be there.
func replaceFile(path string, data []byte, mode fs.FileMode) error {
	staged := path + ".new"
	if err := os.Remove(staged); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := writeDurably(staged, data, mode); err != nil {
		return err
	}
	return os.Rename(staged, path)
}
