package owners_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/identity/owners"
	"sallyport/internal/yamldoc"
)

var now = time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)

const directory = `
people:
  dana: {name: Dana Ito, email: dana@example.com}
  kim.lee-2: {name: "Kim Lee"}
  "007": {email: bond@example.com}
teams:
  platform: {members: [dana, kim.lee-2, "007"]}
  dana: {members: [dana]}
`

func TestParseOwners(t *testing.T) {
	t.Parallel()
	o, err := owners.Parse("owners.yaml", []byte(directory))
	require.NoError(t, err)
	for ref, accountable := range map[string]string{
		"person:dana": "person:dana", "person:kim.lee-2": "person:kim.lee-2", "person:007": "person:007",
		"team:platform": "", "team:dana": "",
	} {
		assert.True(t, o.Has(ref), ref)
		assert.Equal(t, accountable, o.Accountable(ref, now), ref)
	}
	for _, ref := range []string{
		"", "dana", "person:", "team:", "person:platform", "team:kim.lee-2", "person:Dana", "Person:dana", " person:dana",
		"person:dana ", "person:dana\x00", "person:person:dana", "agent:dana", "people:dana",
	} {
		assert.False(t, o.Has(ref), "%q", ref)
		assert.Empty(t, o.Accountable(ref, now), "%q", ref)
	}
	var nobody *owners.Directory
	assert.False(t, nobody.Has("person:dana"))
	assert.Empty(t, nobody.Accountable("person:dana", now))
}

// A person answers for their own agents; for a team's its fallback, then the file's,
// who answers for agents of an owner who is gone, too.
func TestSomebodyAnswers(t *testing.T) {
	t.Parallel()
	people := "people: {dana: {name: Dana}, kim: {name: Kim}}\nteams:\n  ops: {members: [dana], fallback: dana}\n  web: {members: [dana]}\n"
	without, err := owners.Parse("owners.yaml", []byte(people))
	require.NoError(t, err)
	assert.Equal(t, "person:dana", without.Accountable("team:ops", now))
	assert.Empty(t, without.Accountable("team:web", now))
	assert.Empty(t, without.Accountable("person:gone", now))
	require.Len(t, without.Warnings(), 1)
	assert.Contains(t, without.Warnings()[0], "teams.web has no fallback")

	with, err := owners.Parse("owners.yaml", []byte(people+"fallback: kim\n"))
	require.NoError(t, err)
	for ref, accountable := range map[string]string{
		"person:dana": "person:dana", "team:ops": "person:dana", "team:web": "person:kim", "team:gone": "person:kim", "person:gone": "person:kim",
	} {
		assert.Equal(t, accountable, with.Accountable(ref, now), ref)
	}
	assert.Empty(t, with.Warnings())
}

// Each file says in its first lines what its errors begin with.
func TestParseOwnersNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/bad/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			o, err := owners.Parse("HOME/owners.yaml", data)
			require.Error(t, err)
			assert.Nil(t, o)
			var all yamldoc.Errors
			require.ErrorAs(t, err, &all)
			var wants int
			for line := range strings.Lines(string(data)) {
				want, ok := strings.CutPrefix(line, "# want: ")
				if !ok {
					break
				}
				wants++
				assert.ErrorContains(t, err, strings.TrimSuffix(want, "\n"))
			}
			assert.Len(t, all, wants, "%v", err)
			for line := range strings.Lines(err.Error()) {
				assert.True(t, strings.HasPrefix(line, "HOME/owners.yaml:"), line)
			}
		})
	}
}

func TestParseOwnersRefusesHugeFiles(t *testing.T) {
	t.Parallel()
	_, err := owners.Parse("owners.yaml", make([]byte, 5<<20))
	assert.ErrorContains(t, err, "larger")
	_, err = owners.Parse("owners.yaml", []byte(strings.Repeat("[", 100_000)))
	assert.Error(t, err)
}

func TestErrorsCanBeTakenApart(t *testing.T) {
	t.Parallel()
	_, err := owners.Parse("f", []byte("people: {dana: {name: 1}}"))
	var one yamldoc.Error
	require.ErrorAs(t, err, &one)
	assert.Equal(t, yamldoc.Error{File: "f", Line: 1, Key: "people.dana.name", Msg: "1 is not text; put it in quotes"}, one)
}

// A reference has a form, whether or not anybody of that name is there.
func TestReferencesHaveAForm(t *testing.T) {
	t.Parallel()
	o, err := owners.Parse("owners.yaml", []byte(directory))
	require.NoError(t, err)
	for _, ref := range o.Refs() {
		assert.NoError(t, owners.CheckRef(ref), "whoever is there can be named")
	}
	assert.Equal(t, []string{"person:007", "person:dana", "person:kim.lee-2", "team:dana", "team:platform"}, o.Refs())
	for _, ref := range []string{"person:nobody", "team:x", "team:a.b_c-d", "person:" + strings.Repeat("x", 128)} {
		assert.NoError(t, owners.CheckRef(ref), ref)
	}
	for ref, want := range map[string]string{
		"":                     `owner "": write person:NAME or team:NAME`,
		"dana":                 `owner "dana": write person:NAME or team:NAME`,
		"agent:dana":           `write person:NAME or team:NAME`,
		"Person:dana":          `write person:NAME or team:NAME`,
		" person:dana":         `write person:NAME or team:NAME`,
		"person:":              `owner is empty`,
		"team:":                `owner is empty`,
		"person:Dana":          `owner "Dana": use lower-case letters`,
		"person:-dana":         `owner "-dana": use lower-case letters`,
		"person:.":             `owner ".": use lower-case letters`,
		"person:da na":         `owner "da na": use lower-case letters`,
		"person:dana\x1b[31m":  `owner "dana\x1b[31m": use lower-case letters`,
		"person:däna":          `use lower-case letters`,
		"person:team:platform": `use lower-case letters`,
		"person:../../etc":     `use lower-case letters`,
	} {
		assert.ErrorContains(t, owners.CheckRef(ref), want, "%q", ref)
		assert.False(t, o.Has(ref), "%q", ref)
	}
	long := owners.CheckRef("team:" + strings.Repeat("x", 100_000))
	require.ErrorContains(t, long, "is longer than 128 characters")
	assert.Less(t, len(long.Error()), 100, "what is too long is not repeated")
}
