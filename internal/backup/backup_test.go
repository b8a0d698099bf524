package backup_test

import (
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"sallyport/internal/backup"
)

const publicKey = "a public key"

// sign and verify stand for the trail's: what is signed is the text itself.
func sign(text string) (string, error) { return "signed: " + text, nil }

func verify(signed, key string) (string, error) {
	text, ok := strings.CutPrefix(signed, "signed: ")
	if !ok || strings.TrimSpace(key) != publicKey {
		return "", errors.New("nobody signed this")
	}
	return text, nil
}

var secrets = []backup.Secret{{Path: "state/ca/agent-ca.key", Data: []byte("canary-key")}, {Path: "acme.pem", Data: []byte("canary-pem")}}

// made is a sealed backup; add adds to it.
func made(t *testing.T, add func(w *backup.Writer)) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "backup")
	w, err := backup.Create(dir)
	require.NoError(t, err)
	require.NoError(t, w.AddHome("sallyport.yaml", []byte("trust_domain: agents.test\n")))
	require.NoError(t, w.AddHome(filepath.Join("policies", "a.yaml"), []byte("policy: a\n")))
	require.NoError(t, w.CopyHome("state/audit.db", func(to string) error { return os.WriteFile(to, []byte("a database"), 0o600) }))
	require.NoError(t, w.AddTrail(publicKey+"\n", "a checkpoint\n"))
	w.Manifest.Trail.Checkpoint = 7
	if add != nil {
		add(w)
	}
	_, err = w.Seal(sign)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return dir
}

func read(t *testing.T, dir string) *backup.Backup {
	t.Helper()
	b, err := backup.Open(dir, publicKey, verify)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	t.Parallel()
	b := read(t, made(t, nil))
	assert.Equal(t, "a checkpoint\n", b.Checkpoint)
	assert.Equal(t, backup.KeysNone, b.Manifest.Keys)
	home := t.TempDir()
	require.NoError(t, b.CopyHome(home))
	for name, want := range map[string]string{"sallyport.yaml": "trust_domain: agents.test\n", "policies/a.yaml": "policy: a\n", "state/audit.db": "a database"} {
		have, err := os.ReadFile(filepath.Join(home, name))
		require.NoError(t, err)
		assert.Equal(t, want, string(have))
		fi, err := os.Stat(filepath.Join(home, name))
		require.NoError(t, err)
		assert.Equal(t, fs.FileMode(0o600), fi.Mode().Perm(), name)
	}
	found, err := b.Secrets(nil)
	require.NoError(t, err)
	assert.Empty(t, found)
}

func TestWhatWasAlteredIsNamed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ file, want string }{
		"a file":         {"home/policies/a.yaml", "home/policies/a.yaml was altered"},
		"a database":     {"home/state/audit.db", "home/state/audit.db was altered"},
		"the checkpoint": {"checkpoint", "checkpoint was altered"},
		"the key":        {"trail.key.pub", "trail.key.pub was altered"},
		"the signature":  {"manifest.sig", "was altered"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := made(t, nil)
			f, err := os.OpenFile(filepath.Join(dir, c.file), os.O_APPEND|os.O_WRONLY, 0)
			require.NoError(t, err)
			_, err = f.WriteString(" ")
			require.NoError(t, errors.Join(err, f.Close()))
			b, err := backup.Open(dir, "", verify)
			if err == nil {
				defer func() { require.NoError(t, b.Close()) }()
				err = b.CopyHome(t.TempDir())
			}
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestManifestsAreReadStrictly(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ from, to, want string }{
		"a path that leads out":  {`"home/sallyport.yaml"`, `"home/../../sallyport.yaml"`, "leads out of the folder"},
		"an absolute path":       {`"home/sallyport.yaml"`, `"/etc/passwd"`, "leads out of the folder"},
		"a path twice":           {`"home/sallyport.yaml"`, `"home/policies/a.yaml"`, "home/policies/a.yaml"},
		"an unknown key":         {`"version"`, `"verzion"`, "unknown field"},
		"another format":         {"sallyport-backup-v1", "sallyport-backup-v2", "use the program that made it"},
		"what nobody signed for": {`"active": 0`, `"active": 1`, "manifest.json was altered"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := made(t, nil)
			file := filepath.Join(dir, "manifest.json")
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Contains(t, string(data), c.from)
			require.NoError(t, os.WriteFile(file, []byte(strings.Replace(string(data), c.from, c.to, 1)), 0o600))
			_, err = backup.Open(dir, "", verify)
			require.ErrorContains(t, err, c.want)
		})
	}
	_, err := backup.Open(made(t, nil), "another key", verify)
	require.ErrorContains(t, err, "of another trail")
	_, err = backup.Open(t.TempDir(), "", verify)
	require.ErrorContains(t, err, "no whole backup")
}

// A link that somebody put into a backup leads nowhere.
func TestLinksAreNotFollowedOut(t *testing.T) {
	t.Parallel()
	dir := made(t, nil)
	outside := filepath.Join(t.TempDir(), "outside")
	require.NoError(t, os.WriteFile(outside, []byte("policy: a\n"), 0o600))
	file := filepath.Join(dir, "home", "policies", "a.yaml")
	require.NoError(t, os.Remove(file))
	require.NoError(t, os.Symlink(outside, file))
	require.ErrorContains(t, read(t, dir).CopyHome(t.TempDir()), "escapes")
}

func TestWhatIsNotSealedIsGone(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "backup")
	w, err := backup.Create(dir)
	require.NoError(t, err)
	require.NoError(t, w.AddHome("sallyport.yaml", []byte("x")))
	require.NoError(t, w.Close())
	assert.NoDirExists(t, dir)

	require.NoError(t, os.Mkdir(dir, 0o700))
	w, err = backup.Create(dir)
	require.NoError(t, err)
	require.ErrorContains(t, w.AddHome("../x", nil), "leads out")
	require.NoError(t, w.Close())
	assert.DirExists(t, dir, "it was there before")

	_, err = backup.Create(made(t, nil))
	require.ErrorContains(t, err, "is not empty")
}

func sshKeys(t *testing.T) (public, private string) {
	t.Helper()
	pub, key, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	at, err := ssh.NewPublicKey(pub)
	require.NoError(t, err)
	block, err := ssh.MarshalPrivateKey(key, "")
	require.NoError(t, err)
	return string(ssh.MarshalAuthorizedKey(at)), string(pem.EncodeToMemory(block))
}

func TestSecretsAreReadByWhoTheyAreFor(t *testing.T) {
	t.Parallel()
	x25519, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	stranger, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	public, private := sshKeys(t)
	keys := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(keys, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	to, err := backup.ParseRecipients([]string{x25519.Recipient().String(), write("team.pub", "# the team\n\n"+public)})
	require.NoError(t, err)
	dir := made(t, func(w *backup.Writer) { require.NoError(t, w.AddSecrets(secrets, to)) })
	b := read(t, dir)
	assert.Equal(t, backup.KeysEncrypted, b.Manifest.Keys)
	assert.Equal(t, []string{x25519.Recipient().String(), strings.TrimSpace(public)}, b.Manifest.Recipients)
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		assert.NotContains(t, string(data), "canary", path)
		return err
	}))
	for _, file := range []string{write("age.key", "# mine\n"+x25519.String()+"\n"), write("ssh.key", private)} {
		with, err := backup.ReadIdentities([]string{file})
		require.NoError(t, err)
		found, err := b.Secrets(with)
		require.NoError(t, err)
		assert.Equal(t, secrets, found)
	}
	with, err := backup.ReadIdentities([]string{write("stranger.key", stranger.String())})
	require.NoError(t, err)
	_, err = b.Secrets(with)
	require.ErrorContains(t, err, "decrypt the keys")
	_, err = b.Secrets(nil)
	require.ErrorContains(t, err, "the keys are encrypted")

	home := t.TempDir()
	require.NoError(t, backup.WriteSecrets(home, secrets))
	have, err := os.ReadFile(filepath.Join(home, "state", "ca", "agent-ca.key"))
	require.NoError(t, err)
	assert.Equal(t, "canary-key", string(have))
	require.ErrorIs(t, backup.WriteSecrets(home, secrets), fs.ErrExist, "it replaces nothing")
}

func TestPlainSecrets(t *testing.T) {
	t.Parallel()
	b := read(t, made(t, func(w *backup.Writer) { require.NoError(t, w.AddSecrets(secrets, nil)) }))
	assert.Equal(t, backup.KeysPlain, b.Manifest.Keys)
	found, err := b.Secrets(nil)
	require.NoError(t, err)
	assert.Equal(t, secrets, found)
}

func TestRecipientsAndIdentitiesThatAreNone(t *testing.T) {
	t.Parallel()
	identity, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	_, private := sshKeys(t)
	file := filepath.Join(t.TempDir(), "keys")
	for _, given := range []string{"age1nonsense", "ssh-ed25519 nonsense", "no-such-file", identity.String()} {
		_, err := backup.ParseRecipients([]string{given})
		require.Error(t, err)
		assert.NotContains(t, err.Error(), identity.String(), "a private key is not repeated")
	}
	for _, text := range []string{"", identity.String(), private} {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		_, err := backup.ParseRecipients([]string{file})
		require.Error(t, err)
		assert.NotContains(t, err.Error(), identity.String(), "a private key is not repeated")
	}
	require.NoError(t, os.WriteFile(file, []byte("AGE-SECRET-KEY-1canary\n"), 0o600))
	_, err = backup.ReadIdentities([]string{file})
	require.ErrorContains(t, err, "holds no private keys")
	assert.NotContains(t, err.Error(), "canary")
}
