package credentials_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/credentials"
)

func TestAddLeavesTheRestAsItIs(t *testing.T) {
	t.Parallel()
	entry := []credentials.Key{{Name: "kind", Value: "bearer"}, {Name: "secret", Value: "{env: KEY}"}, {Name: "hosts", Value: "[a.example]"}}
	const added = "new:\n    kind: bearer\n    secret: {env: KEY}\n    hosts: [a.example]\n"
	old := "old:\n    kind: bearer # why\n    secret: {env: KEY}\n    hosts: [b.example]\n"
	deep := "    old:\n      kind: bearer\n      secret: {env: KEY}\n      hosts: [b.example]\n"
	for name, c := range map[string]struct{ before, after string }{
		"as init leaves it": {"# about\ncredentials: {}\n#  x:\n#    kind: header\n", "# about\ncredentials:\n#  x:\n#    kind: header\n  " + added},
		"nothing":           {"", "credentials:\n  " + added},
		"no value":          {"credentials:\n", "credentials:\n  " + added},
		"another":           {"credentials:\n  " + old, "credentials:\n  " + old + "  " + added},
		"no line end":       {strings.TrimSuffix("credentials:\n  "+old, "\n"), "credentials:\n  " + old + "  " + added},
		"comments after":    {"credentials:\n  " + old + "# the end\n", "credentials:\n  " + old + "# the end\n  " + added},
		"indented by four":  {"credentials:\n" + deep, "credentials:\n" + deep + strings.ReplaceAll("    "+added, "\n    ", "\n      ")},
	} {
		got, err := credentials.Add("credentials.yaml", []byte(c.before), "new", entry)
		require.NoError(t, err, name)
		assert.Equal(t, c.after, string(got), name)
		set, err := credentials.Parse("credentials.yaml", got, credentials.Options{
			Kinds: kinds(),
			Home:  t.TempDir(), Getenv: func(string) string { return "canary" }, FingerprintKey: make([]byte, 32), Now: time.Now,
		})
		require.NoError(t, err, name)
		assert.Contains(t, set.Names(), "new", name)
	}
}

func TestAddRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ before, name, want string }{
		"a name twice":     {"credentials:\n  new: {kind: bearer}\n", "new", "already"},
		"a bad name":       {"credentials: {}\n", "New One", "use lower-case letters"},
		"one line":         {"credentials: {old: {kind: bearer}}\n", "new", "in one line"},
		"another file":     {"policy: x\n", "new", "its one key must be credentials"},
		"what is not YAML": {"credentials: [\n", "new", "not valid YAML"},
	} {
		_, err := credentials.Add("credentials.yaml", []byte(c.before), c.name, nil)
		assert.ErrorContains(t, err, c.want, name)
	}
}
