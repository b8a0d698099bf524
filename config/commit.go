package config

import (
	"bytes"
	"context"
	"crypto/sha1" //nolint:gosec // git's name of a text, which proves nothing here
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	plumbing "sallyport/internal/git"
)

// gitTime bounds each question to git: what is in force does not wait for it.
const gitTime = 2 * time.Second

// Commit is what a checkout says of the files of a set.
type Commit struct {
	ID      string
	Author  string   // "Dana Ito <dana@example.com>", as the commit has it
	Changed []string // files that are not as the commit has them; empty: the checkout is clean
}

// Commit finds the commit that HOME is a checkout of; false if HOME is no checkout, or the
// commit has none of the set's files. The texts that were parsed are compared with it, and not
// what the folder holds now, which may be newer than what is in force.
func (set *Set) Commit(ctx context.Context, l Layout) (Commit, bool) {
	head, err := git(ctx, l.Dir, "rev-parse", "--verify", "HEAD^{commit}")
	id := strings.TrimSpace(string(head))
	if err != nil || !isObject(id) {
		return Commit{}, false
	}
	tree, err := git(ctx, l.Dir, "ls-tree", "-r", "-z", id, "--", ".")
	if err != nil {
		return Commit{}, false
	}
	c := Commit{ID: id}
	var tracked int
	c.Changed, tracked = set.differ(readTree(tree))
	if tracked == 0 {
		return Commit{}, false
	}
	c.Author = author(ctx, l.Dir, id)
	return c, true
}

func isObject(id string) bool {
	_, err := hex.DecodeString(id)
	return err == nil && (len(id) == 2*sha1.Size || len(id) == 2*sha256.Size)
}

// readTree reads the blobs of a tree by path: "mode blob id<tab>path<zero>".
func readTree(tree []byte) map[string]string {
	blobs := make(map[string]string)
	for entry := range bytes.SplitSeq(tree, []byte{0}) {
		about, path, _ := strings.Cut(string(entry), "\t")
		if words := strings.Fields(about); len(words) == 3 {
			blobs[path] = words[2]
		}
	}
	return blobs
}

// differ are the files that differ from the blobs, those missing on one side among them,
// and how many there are on both.
func (set *Set) differ(blobs map[string]string) (changed []string, tracked int) {
	seen := make(map[string]bool)
	for _, f := range set.Files {
		if filepath.IsAbs(f.Path) {
			continue // roots of upstreams, which are no part of HOME
		}
		seen[f.Path] = true
		blob, ok := blobs[f.Path]
		if ok {
			tracked++
		}
		if !ok || blob != blobID(f.Text, len(blob)) {
			changed = append(changed, f.Path)
		}
	}
	for path := range blobs {
		if filepath.Dir(path) == "policies" && filepath.Ext(path) == ".yaml" && !seen[path] {
			changed = append(changed, path)
		}
	}
	return changed, tracked
}

// blobID is git's name of a text, in a repository whose names have so many digits.
func blobID(text string, digits int) string {
	whole := append(fmt.Appendf(nil, "blob %d\x00", len(text)), text...)
	if digits == 2*sha256.Size {
		sum := sha256.Sum256(whole)
		return hex.EncodeToString(sum[:])
	}
	sum := sha1.Sum(whole) //nolint:gosec // git's name of a text
	return hex.EncodeToString(sum[:])
}

// author is that of a commit, "" if it says none.
func author(ctx context.Context, dir, id string) string {
	text, err := git(ctx, dir, "cat-file", "commit", id)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if line == "\n" {
			break
		}
		if who, ok := strings.CutPrefix(strings.TrimSpace(line), "author "); ok { // NAME <MAIL> SECONDS ZONE
			return who[:strings.LastIndexByte(who, '>')+1]
		}
	}
	return ""
}

// git asks git about HOME's repository, which may belong to anybody: its answers are only
// reported, and no program that its configuration names is run.
func git(ctx context.Context, dir string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, gitTime)
	defer cancel()
	cmd := plumbing.Command(ctx, dir, []string{"GIT_CONFIG_NOSYSTEM=1"}, append([]string{"-c", "safe.directory=*"}, args...)...)
	cmd.WaitDelay = gitTime
	return cmd.Output()
}
