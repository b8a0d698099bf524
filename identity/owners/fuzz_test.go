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
	f.Add([]byte(rotating))
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
			a := o.Answers(ref, now)
			require.Equal(t, a.Person, o.Accountable(ref, now))
			require.True(t, a.Person == "" || o.Has(a.Person), "%+v", a)
			require.True(t, a.Until.IsZero() || a.Until.After(now), "%+v", a)
			require.False(t, a.Since.After(now), "%+v", a)
		}
		require.False(t, o.Has(""))
	})
}
