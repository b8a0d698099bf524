package backup

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/age"
	"filippo.io/age/agessh"
)

// Secret is a file of HOME that only who holds the keys may read.
type Secret struct {
	Path string // in HOME
	Data []byte
}

// maxSecrets bounds what is read of an archive of secrets.
const maxSecrets = 64 << 20

// Recipients are those that can decrypt the secrets of a backup.
type Recipients struct {
	names []string
	to    []age.Recipient
}

// ParseRecipients reads recipients, each a public key of age ("age1...") or of SSH
// ("ssh-ed25519 ...", "ssh-rsa ..."), or a file with one such key a line.
func ParseRecipients(given []string) (*Recipients, error) {
	var r Recipients
	for _, one := range given {
		if strings.HasPrefix(strings.ToUpper(one), "AGE-") { // not repeated: it may be a private key
			return nil, errors.New("a recipient is not a public key of age (age1...); a private key belongs to restore --identity, in a file")
		}
		lines := one
		if !strings.HasPrefix(one, "age1") && !strings.HasPrefix(one, "ssh-") {
			data, err := os.ReadFile(one)
			if err != nil {
				return nil, fmt.Errorf("recipient %.80q is neither a public key of age or SSH, nor a file of such keys: %w", one, err)
			}
			lines = string(data)
		}
		before := len(r.to)
		for line := range strings.Lines(lines) {
			if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
				continue
			}
			to, err := parseRecipient(line)
			if err != nil {
				return nil, err
			}
			r.to, r.names = append(r.to, to), append(r.names, line)
		}
		if len(r.to) == before {
			return nil, fmt.Errorf("recipient %.80q holds no public key", one)
		}
	}
	return &r, nil
}

// parseRecipient does not repeat what it cannot read: it may be a private key.
func parseRecipient(line string) (age.Recipient, error) {
	if strings.HasPrefix(line, "ssh-") {
		to, err := agessh.ParseRecipient(line)
		if err != nil {
			return nil, errors.New("a recipient that begins with ssh- is not a public key of SSH that age can encrypt to: use ssh-ed25519 or ssh-rsa")
		}
		return to, nil
	}
	to, err := age.ParseRecipients(strings.NewReader(line))
	if err != nil || len(to) != 1 {
		return nil, errors.New("a recipient is not a public key of age (age1...)")
	}
	return to[0], nil
}

// AddSecrets adds secrets, encrypted to recipients, or in plain if they are nil.
func (w *Writer) AddSecrets(secrets []Secret, to *Recipients) error {
	var archive bytes.Buffer
	if err := writeTar(&archive, secrets); err != nil {
		return fmt.Errorf("collect the secrets: %w", err)
	}
	if to == nil {
		w.Manifest.Keys = KeysPlain
		return w.add(plainName, archive.Bytes())
	}
	var sealed bytes.Buffer
	out, err := age.Encrypt(&sealed, to.to...)
	if err != nil {
		return fmt.Errorf("encrypt the secrets: %w", err)
	}
	_, err = out.Write(archive.Bytes())
	if err = errors.Join(err, out.Close()); err != nil {
		return fmt.Errorf("encrypt the secrets: %w", err)
	}
	w.Manifest.Keys, w.Manifest.Recipients = KeysEncrypted, to.names
	return w.add(encryptedName, sealed.Bytes())
}

func writeTar(to io.Writer, secrets []Secret) error {
	t := tar.NewWriter(to)
	for _, s := range secrets {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: filepath.ToSlash(s.Path), Mode: 0o600, Size: int64(len(s.Data))}
		if err := t.WriteHeader(h); err != nil {
			return err
		}
		if _, err := t.Write(s.Data); err != nil {
			return err
		}
	}
	return t.Close()
}

// Identities are private keys that decrypt a backup's secrets.
type Identities struct{ with []age.Identity }

// ReadIdentities reads files of private keys, of age or of SSH without a passphrase.
func ReadIdentities(files []string) (*Identities, error) {
	var all Identities
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read identity: %w", err)
		}
		if bytes.Contains(data, []byte("-----BEGIN ")) {
			one, err := agessh.ParseIdentity(data)
			if err != nil { // not the error's text, which may say something of the key
				return nil, fmt.Errorf("identity %s is not a private key of SSH that age can use; one with a passphrase must be decrypted first (ssh-keygen -p on a copy)", file)
			}
			all.with = append(all.with, one)
			continue
		}
		some, err := age.ParseIdentities(bytes.NewReader(data))
		if err != nil {
			return nil, fmt.Errorf("identity %s holds no private keys of age (AGE-SECRET-KEY-...)", file)
		}
		all.with = append(all.with, some...)
	}
	return &all, nil
}

// Secrets returns the secrets; identities are for those that are encrypted.
func (b *Backup) Secrets(with *Identities) ([]Secret, error) {
	switch b.Manifest.Keys {
	case KeysPlain:
		data, err := b.read(plainName)
		if err != nil {
			return nil, err
		}
		return readTar(bytes.NewReader(data))
	case KeysEncrypted:
		data, err := b.read(encryptedName)
		if err != nil {
			return nil, err
		}
		if with == nil || len(with.with) == 0 {
			return nil, errors.New("the keys are encrypted")
		}
		archive, err := age.Decrypt(bytes.NewReader(data), with.with...)
		if err != nil {
			return nil, fmt.Errorf("decrypt the keys: %w", err)
		}
		return readTar(archive)
	}
	return nil, nil
}

func readTar(from io.Reader) ([]Secret, error) {
	t := tar.NewReader(io.LimitReader(from, maxSecrets))
	var secrets []Secret
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return secrets, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read the secrets: %w", err)
		}
		if err := checkPath(h.Name); err != nil || h.Typeflag != tar.TypeReg {
			return nil, errors.Join(fmt.Errorf("secrets: file %.200q", h.Name), err)
		}
		data, err := io.ReadAll(t)
		if err != nil {
			return nil, fmt.Errorf("read the secrets: %w", err)
		}
		secrets = append(secrets, Secret{Path: h.Name, Data: data})
	}
}

// Names are the recipients' public keys.
func (r *Recipients) Names() []string {
	if r == nil {
		return nil
	}
	return r.names
}
