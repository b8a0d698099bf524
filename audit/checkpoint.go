package audit

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Checkpoint is the head of the trail at one moment: how many events, and the
// hash of the tree over them.
type Checkpoint struct {
	Origin string // the name in the key
	Size   int64
	Root   tlog.Hash
}

// Text is what is signed, as C2SP tlog-checkpoint has it.
func (c Checkpoint) Text() string {
	return fmt.Sprintf("%s\n%d\n%s\n", c.Origin, c.Size, c.Root)
}

// OpenCheckpoint verifies a signed checkpoint with the public key.
func OpenCheckpoint(signed []byte, publicKey string) (Checkpoint, error) {
	verifier, err := VerifierOf(publicKey)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("checkpoint: %w", err)
	}
	n, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		return Checkpoint{}, fmt.Errorf("checkpoint: %w", err)
	}
	return ParseCheckpoint(n.Text, verifier.Name())
}

// ParseCheckpoint reads the text of a checkpoint; who signed it is not looked at.
func ParseCheckpoint(text, origin string) (Checkpoint, error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 4 || lines[3] != "" || lines[0] != origin {
		return Checkpoint{}, errors.New("checkpoint: not the text of a checkpoint of this origin")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || strconv.FormatInt(size, 10) != lines[1] {
		return Checkpoint{}, fmt.Errorf("checkpoint: size %q", lines[1])
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil {
		return Checkpoint{}, fmt.Errorf("checkpoint: root %q: %w", lines[2], err)
	}
	return Checkpoint{Origin: origin, Size: size, Root: root}, nil
}

// SignedCheckpoint is a checkpoint as the trail keeps it.
type SignedCheckpoint struct {
	Size uint64    // events it covers
	At   time.Time // of the last of them
	Note string    // the signed text, which OpenCheckpoint verifies
}

// VerifierOf is what verifies the signatures of a public key.
func VerifierOf(publicKey string) (note.Verifier, error) {
	v, err := note.NewVerifier(strings.TrimSpace(publicKey))
	if err != nil {
		return nil, fmt.Errorf("public key: %w", err)
	}
	return v, nil
}

// OpenText verifies what was signed as a text, and returns the text.
func OpenText(signed, publicKey string) (string, error) {
	v, err := VerifierOf(publicKey)
	if err != nil {
		return "", err
	}
	n, err := note.Open([]byte(signed), note.VerifierList(v))
	if err != nil {
		return "", err
	}
	return n.Text, nil
}
