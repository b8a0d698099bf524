package backup

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// The names in a backup.
const (
	manifestName   = "manifest.json"
	signatureName  = "manifest.sig"
	checkpointName = "checkpoint"
	publicKeyName  = "trail.key.pub"
	plainName      = "secrets.tar"
	encryptedName  = "secrets.tar.age"
	homeName       = "home/"
)

const format = "sallyport-backup-v1"

// How the keys are in a backup.
const (
	KeysNone      = "none"
	KeysEncrypted = "encrypted"
	KeysPlain     = "plain"
)

// Manifest says what a backup holds.
type Manifest struct {
	Format      string    `json:"format"`
	MadeAt      time.Time `json:"made_at"`
	Version     string    `json:"version"` // of the program that made it
	TrustDomain string    `json:"trust_domain"`
	Trail       Trail     `json:"trail"`
	Agents      Agents    `json:"agents"`
	// Keys is none, encrypted or plain; Recipients are those that can decrypt them.
	Keys       string   `json:"keys"`
	Recipients []string `json:"recipients"`
	// LeftOut names what HOME refers to and the backup does not hold.
	LeftOut []string `json:"left_out"`
	Files   []File   `json:"files"`
}

// Trail is the head of the copied trail.
type Trail struct {
	Events     uint64 `json:"events"`
	Root       string `json:"root"`       // of the tree over all of them, in base64
	Checkpoint uint64 `json:"checkpoint"` // events that the signed checkpoint covers; 0: there is none
}

// Agents counts those of the copied registry.
type Agents struct {
	All    int `json:"all"`
	Active int `json:"active"`
}

// File is one file of a backup.
type File struct {
	Path   string `json:"path"` // in the backup, with slashes
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// encode is the manifest's bytes, which are what is signed for.
func (m *Manifest) encode() ([]byte, error) {
	m.Format = format
	data, err := json.MarshalIndent(m, "", "  ")
	return append(data, '\n'), err
}

// statement is the text that is signed for a manifest.
func statement(manifest []byte) string {
	return "sallyport backup manifest\n" + hash(manifest) + "\n"
}

func hash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// parseManifest refuses what it does not know, and every path that leads elsewhere.
func parseManifest(data []byte) (*Manifest, error) {
	var m Manifest
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return nil, fmt.Errorf("%s: %w", manifestName, err)
	}
	if m.Format != format {
		return nil, fmt.Errorf("%s: format %.40q is not %s: use the program that made it", manifestName, m.Format, format)
	}
	seen := map[string]bool{}
	for _, f := range m.Files {
		if err := checkPath(f.Path); err != nil || seen[f.Path] {
			return nil, errors.Join(fmt.Errorf("%s: file %.200q", manifestName, f.Path), err)
		}
		seen[f.Path] = true
	}
	return &m, nil
}

var errOutside = errors.New("its path leads out of the folder, or is not in its shortest form")

func checkPath(p string) error {
	if !filepath.IsLocal(filepath.FromSlash(p)) || path.Clean(p) != p || strings.Contains(p, `\`) {
		return errOutside
	}
	return nil
}
