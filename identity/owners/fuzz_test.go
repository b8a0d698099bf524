package owners_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"sallyport/identity/owners"
	"sallyport/internal/yamldoc"
)

// FuzzParse: a file is accepted or explained, and nobody is an owner who
// is not in it.
func FuzzParse(f *testing.F) {
	f.Add([]byte(directory))
	files, err := filepath.Glob("testdata/bad/*.yaml")
	require.NoError(f, err)
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		o, err := owners.Parse("f", data)
		if err != nil {
			var all yamldoc.Errors
			require.ErrorAs(t, err, &all)
			require.NotEmpty(t, all)
			for _, e := range all {
				require.Equal(t, "f", e.File)
				require.NotEmpty(t, e.Msg)
			}
			require.Nil(t, o)
			return
		}
		require.NotEmpty(t, o.Refs(), "someone must be answerable")
		for _, ref := range o.Refs() {
			require.True(t, o.Has(ref))
			require.Contains(t, []string{"", ref}, o.Accountable(ref))
		}
		require.False(t, o.Has(""))
	})
}
