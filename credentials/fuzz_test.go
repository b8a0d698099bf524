package credentials_test

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/credentials"
)

// FuzzParse: whatever the file holds, the parser answers with a set or with errors
// that name the file, never both, and every credential of a set is bound to hosts.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	require.NoError(f, err)
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(string(data))
	}
	f.Add(every)
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "file") {
			t.Skip("reads the machine's own files")
		}
		set, err := credentials.Parse("c.yaml", []byte(text), credentials.Options{Getenv: environment("KEY", canary), Kinds: kinds()})
		if err != nil {
			require.Nil(t, set)
			for line := range strings.Lines(err.Error()) {
				require.True(t, strings.HasPrefix(line, "c.yaml:"), line)
			}
			return
		}
		for _, name := range set.Names() {
			require.NotEmpty(t, set.Lookup(name).Hosts())
			require.NotEmpty(t, set.Lookup(name).Kind())
		}
	})
}

// FuzzParameter: after Apply the parameter is there once, with our value, as every
// server would read it; every pair that does not name it is there byte for byte.
func FuzzParameter(f *testing.F) {
	for _, seed := range []string{"", "a=1&key=2;key=3", "%6bey=1&k+y", "&&;;=", "key", "a&", "%zz=%&k%65y=1&%6B%65%79"} {
		f.Add(seed, "key")
	}
	f.Add("a+b=1&a%20b=2&a%2Bb=3", "a+b")
	f.Fuzz(func(t *testing.T, raw, name string) {
		rest := credentials.RemoveParameter(raw, name)
		assert.Equal(t, rest, credentials.RemoveParameter(rest, name), "nothing is left to remove")
		separator := func(r rune) bool { return r == '&' || r == ';' }
		var want []string
		for pair := range strings.SplitSeq(strings.ReplaceAll(raw, ";", "&"), "&") {
			spelled, _, _ := strings.Cut(pair, "=")
			if decoded, err := url.QueryUnescape(spelled); err == nil && decoded == name {
				continue
			}
			if !strings.Contains(spelled, "%") && spelled == name {
				continue
			}
			want = append(want, pair)
		}
		kept := strings.FieldsFunc(rest, separator)
		if !strings.ContainsAny(name, "+%") && !strings.Contains(raw, "%") {
			assert.Equal(t, strings.FieldsFunc(strings.Join(want, "&"), separator), kept)
		}
		values, _ := url.ParseQuery(rest)
		assert.NotContains(t, values, name)
		assert.LessOrEqual(t, len(rest), len(raw))
	})
}

// FuzzScrub: a value without the secret stays as it is, and none keeps it.
func FuzzScrub(f *testing.F) {
	f.Add("Bearer "+canary, "x")
	f.Add("%63"+canary[1:], `\u0063`+canary[1:])
	i := injection(f, canary, asBearer)
	f.Fuzz(func(t *testing.T, a, b string) {
		h := http.Header{"X": {a, b}}
		hits := i.Scrub(h)
		if hits == 0 {
			assert.Equal(t, []string{a, b}, h["X"])
		}
		for _, value := range h["X"] {
			assert.NotContains(t, strings.ToLower(value), strings.ToLower(canary))
			decoded, err := url.QueryUnescape(value)
			assert.False(t, err == nil && strings.Contains(decoded, canary) && !strings.Contains(value, "+"))
		}
	})
}
