package config_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/config"
)

// update writes the errors anew: go test ./config -run TestBadFilesSayWhatIsWrong -update.
var update = flag.Bool("update", false, "write what bad files say anew")

// says begins the last lines of a bad file, each of which is an error that it must give. HOME
// is where the file lies.
const says = "# says "

// Every file of testdata/bad, as sallyport.yaml, says all that is wrong with it, by line and
// key, and nothing else.
func TestBadFilesSayWhatIsWrong(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob("testdata/bad/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, names)
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(name)
			require.NoError(t, err)
			yaml, _, _ := strings.Cut(string(text), says)
			var want []string
			for line := range strings.SplitSeq(string(text), "\n") {
				if said, ok := strings.CutPrefix(line, says); ok {
					want = append(want, said)
				}
			}
			l := config.Layout{Dir: t.TempDir()}
			write(t, l, "sallyport.yaml", yaml)
			_, err = config.LoadConfig(l)
			require.Error(t, err)
			var got []string
			for line := range strings.SplitSeq(err.Error(), "\n") {
				line, ours := strings.CutPrefix(line, l.Config()+":")
				require.True(t, ours, "it names the file: %s", line)
				got = append(got, strings.ReplaceAll(strings.TrimSpace(line), l.Dir, "HOME"))
			}
			if *update {
				require.NoError(t, os.WriteFile(name, []byte(yaml+says+strings.Join(got, "\n"+says)+"\n"), 0o644)) //nolint:gosec // for everybody to read
				return
			}
			assert.Equal(t, want, got)
		})
	}
}
