package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// bringing are the templates that write credentials, with the names of these.
func bringing(t *testing.T) map[string][]string {
	t.Helper()
	var all []struct {
		Name string
		Adds []string
	}
	typeLine(t, t.TempDir(), "policy", "new", "--list", "-o", "json").into(t, &all)
	found := map[string][]string{}
	for _, one := range all {
		for _, command := range one.Adds {
			words := strings.Fields(command)
			require.Equal(t, []string{"sallyport", "credential", "add"}, words[:3])
			found[one.Name] = append(found[one.Name], words[3])
		}
	}
	require.NotEmpty(t, found)
	return found
}

// A template for an agent that people run brings the credential of its model, and keeps the one
// that is there.
func TestTemplatesBringCredentials(t *testing.T) {
	t.Parallel()
	for template, names := range bringing(t) {
		t.Run(template, func(t *testing.T) {
			t.Parallel()
			home := newHome(t)
			file := filepath.Join(home, "credentials.yaml")
			var made struct {
				Policy, File string
				Credentials  []string
			}
			typeLine(t, home, "policy", "new", "mine", "--from", template, "-o", "json").into(t, &made)
			assert.Equal(t, "mine", made.Policy)
			assert.Equal(t, filepath.Join(home, "policies", "mine.yaml"), made.File)
			assert.ElementsMatch(t, names, made.Credentials)
			var listed []struct {
				Name     string
				Policies []string
			}
			typeLine(t, home, "credential", "list", "-o", "json").into(t, &listed)
			require.Len(t, listed, len(names))
			for _, one := range listed {
				assert.Equal(t, []string{"mine"}, one.Policies)
			}
			typeLine(t, home, "policy", "check").done(t)

			before := text(t, file)
			other := typeLine(t, home, "policy", "new", "other", "--from", template, "-o", "json")
			other.into(t, &made)
			assert.Empty(t, made.Credentials, "they are there")
			assert.Equal(t, before, text(t, file))
			taken := typeLine(t, home, "policy", "new", "mine", "--from", template)
			assert.Equal(t, 1, taken.code)
			assert.Contains(t, taken.err, "mine.yaml is there already\nhint: choose another name, or edit it\n")
			assert.Equal(t, before, text(t, file))
		})
	}
}

// What cannot be made leaves the home as it was: no policy, and no credential for it.
func TestATemplateThatDoesNotFitLeavesNothing(t *testing.T) {
	t.Parallel()
	for template, names := range bringing(t) {
		t.Run(template, func(t *testing.T) {
			t.Parallel()
			home := newHome(t)
			file := filepath.Join(home, "credentials.yaml")
			unmade := func(code int, want string, args ...string) {
				t.Helper()
				before := tree(t, home)
				got := typeLine(t, home, append([]string{"policy", "new"}, args...)...)
				assert.Equal(t, code, got.code, got.err)
				assert.Empty(t, got.out)
				assert.Contains(t, got.err, want)
				after := tree(t, home)
				before[home], after[home] = "", ""
				policies := filepath.Join(home, "policies")
				before[policies], after[policies] = "", ""
				assert.Equal(t, before, after)
			}
			unmade(2, "is not a name: letters, digits", "a b", "--from", template)
			unmade(2, "is not a name: letters, digits", "../up", "--from", template)
			unmade(1, "is there already", "example", "--from", template)

			// One of that name goes elsewhere, so that the template's rules must not send it.
			last := names[len(names)-1]
			typeLine(t, home, "credential", "add", last, "--kind", "bearer", "--secret", "env:USER", "--host", "elsewhere.example").done(t)
			unmade(1, "nothing was written", "mine", "--from", template)
			assert.Equal(t, 1, strings.Count(text(t, file), "kind: bearer\n"))

			// A home that is not in order is not added to.
			require.NoError(t, os.WriteFile(filepath.Join(home, "owners.yaml"), []byte("peple: {}\n"), 0o600))
			unmade(1, "owners.yaml:1: peple: unknown key", "mine", "--from", template)
		})
	}
}
