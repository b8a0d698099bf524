package audit_test

import (
	"crypto/rand"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"sallyport/audit"
)

// signerOf makes a key; what it signs, public verifies.
func signerOf(t *testing.T, origin string) (key note.Signer, public string) {
	t.Helper()
	private, public, err := note.GenerateKey(rand.Reader, origin)
	require.NoError(t, err)
	key, err = note.NewSigner(private)
	require.NoError(t, err)
	return key, public
}

func sign(t *testing.T, key note.Signer, text string) []byte {
	t.Helper()
	signed, err := note.Sign(&note.Note{Text: text}, key)
	require.NoError(t, err)
	return signed
}

func headOf(size int64) audit.Checkpoint {
	return audit.Checkpoint{Origin: "prod.example", Size: size, Root: tlog.RecordHash([]byte{byte(size)})}
}

func TestACheckpointIsThreeLines(t *testing.T) {
	t.Parallel()
	c := headOf(42)
	assert.Equal(t, "prod.example\n42\n"+c.Root.String()+"\n", c.Text(), "as other readers of transparency logs expect it")
}

func TestASignedCheckpointComesBack(t *testing.T) {
	t.Parallel()
	key, public := signerOf(t, "prod.example")
	for _, size := range []int64{0, 1, 1 << 40} {
		c, err := audit.OpenCheckpoint(sign(t, key, headOf(size).Text()), public)
		require.NoError(t, err)
		assert.Equal(t, headOf(size), c)
	}
	_, err := audit.OpenCheckpoint(sign(t, key, headOf(1).Text()), "  "+public+"\n")
	require.NoError(t, err, "a key read from a file has white space around it")
}

func TestACheckpointOfAnotherKeyIsRefused(t *testing.T) {
	t.Parallel()
	key, public := signerOf(t, "prod.example")
	other, otherPublic := signerOf(t, "prod.example")
	signed := sign(t, key, headOf(42).Text())
	_, err := audit.OpenCheckpoint(sign(t, other, headOf(42).Text()), public)
	require.ErrorContains(t, err, "checkpoint: ")
	_, err = audit.OpenCheckpoint(signed, otherPublic)
	require.Error(t, err)
	_, err = audit.OpenCheckpoint(signed, "not a key")
	require.ErrorContains(t, err, "checkpoint: public key: ")
	_, err = audit.OpenCheckpoint([]byte(strings.Replace(string(signed), "\n42\n", "\n43\n", 1)), public)
	require.Error(t, err, "it was altered after it was signed")
	_, err = audit.OpenCheckpoint(nil, public)
	require.Error(t, err)
}

// TestOnlyTheTextOfACheckpointIsOne: whatever else the key signs, backups among it, is none.
func TestOnlyTheTextOfACheckpointIsOne(t *testing.T) {
	t.Parallel()
	root := headOf(42).Root.String()
	for name, c := range map[string]struct{ text, want string }{
		"another origin":  {"test.example\n42\n" + root + "\n", "of this origin"},
		"a line too few":  {"prod.example\n42\n", "of this origin"},
		"a line too many": {"prod.example\n42\n" + root + "\nmore\n", "of this origin"},
		"no end of line":  {"prod.example\n42\n" + root, "of this origin"},
		"empty":           {"", "of this origin"},
		"below zero":      {"prod.example\n-1\n" + root + "\n", `size "-1"`},
		"leading zero":    {"prod.example\n042\n" + root + "\n", `size "042"`},
		"plus sign":       {"prod.example\n+42\n" + root + "\n", `size "+42"`},
		"no number":       {"prod.example\nmany\n" + root + "\n", `size "many"`},
		"too large":       {"prod.example\n9223372036854775808\n" + root + "\n", "size"},
		"no hash":         {"prod.example\n42\nroot\n", `root "root"`},
		"short hash":      {"prod.example\n42\nAAAA\n", `root "AAAA"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := audit.ParseCheckpoint(c.text, "prod.example")
			require.ErrorContains(t, err, c.want)
			key, public := signerOf(t, "prod.example")
			if strings.HasSuffix(c.text, "\n") {
				_, err = audit.OpenCheckpoint(sign(t, key, c.text), public)
				require.ErrorContains(t, err, c.want, "a good signature does not make it one")
			}
		})
	}
}

func TestATextIsReadOnlyUnderItsKey(t *testing.T) {
	t.Parallel()
	key, public := signerOf(t, "prod.example")
	_, other := signerOf(t, "prod.example")
	signed := string(sign(t, key, "sallyport-backup-v1\nfiles\n"))
	text, err := audit.OpenText(signed, public)
	require.NoError(t, err)
	assert.Equal(t, "sallyport-backup-v1\nfiles\n", text)
	for _, c := range [][2]string{{signed, other}, {strings.Replace(signed, "files", "filez", 1), public}, {"no note", public}, {signed, ""}} {
		text, err = audit.OpenText(c[0], c[1])
		require.Error(t, err)
		assert.Empty(t, text, "nothing of what nobody vouches for is handed on")
	}
}

func TestAVerifierNamesItsKey(t *testing.T) {
	t.Parallel()
	key, public := signerOf(t, "prod.example")
	v, err := audit.VerifierOf("\n" + public + "\n")
	require.NoError(t, err)
	assert.Equal(t, key.Name(), v.Name())
	assert.Equal(t, key.KeyHash(), v.KeyHash())
	_, err = audit.VerifierOf("")
	require.ErrorContains(t, err, "public key: ")
}
