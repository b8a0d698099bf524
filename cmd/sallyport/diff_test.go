package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	sallyport "sallyport/cmd/sallyport"
)

// FuzzDiff: applied by git, a difference makes the one text of the other.
func FuzzDiff(f *testing.F) {
	f.Add("a\nb\nc\n", "a\nx\nc\n")
	f.Add("1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n13\n14\n15\n16\n17\n18\n19\n20\n", "1\n2\n3\nx\n5\n6\n7\n8\n9\n10\n11\n12\n13\n14\n15\n16\n17\ny\n19\n20\n")
	f.Add("", "a\n")
	f.Add("a\nb\n", "")
	f.Add("a\na\nb\nb\na\n", "b\na\na\n")
	f.Fuzz(func(t *testing.T, from, to string) {
		diff := sallyport.Diff(from, to)
		if from == to {
			assert.Empty(t, diff)
			return
		}
		if from == "" || to == "" || from[len(from)-1] != '\n' || to[len(to)-1] != '\n' {
			return // git says more of these
		}
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "f"), []byte(from), 0o600))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "p"), []byte("--- a/f\n+++ b/f\n"+diff), 0o600))
		cmd := exec.Command("git", "apply", "p")
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s\n%s", out, diff)
		data, err := os.ReadFile(filepath.Join(dir, "f"))
		require.NoError(t, err)
		assert.Equal(t, to, string(data))
	})
}
