package main_test

import (
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	sallyport "sallyport/cmd/sallyport"
)

// commands are all that people can type, without the groups.
func commands() (all []*cobra.Command) {
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Hidden || c.Name() == "help" || c.Name() == "completion" {
			return
		}
		if len(c.Commands()) == 0 {
			all = append(all, c)
		}
		for _, below := range c.Commands() {
			walk(below)
		}
	}
	walk(sallyport.Root())
	return all
}

// words are those by which a command is typed.
func words(c *cobra.Command) []string { return strings.Fields(c.CommandPath())[1:] }

// What a person finds under --help: a sentence, an example that can be typed as it stands, and
// what each flag is for.
func TestEveryCommandExplainsItself(t *testing.T) {
	t.Parallel()
	for _, c := range commands() {
		t.Run(c.CommandPath(), func(t *testing.T) {
			t.Parallel()
			assert.Regexp(t, `^[A-Z].*[^.]$`, c.Short, "one sentence, without its full stop")
			help := typeLine(t, t.TempDir(), append(words(c), "--help")...)
			out := help.done(t)
			assert.Empty(t, help.err)
			assert.Contains(t, out, "Usage:\n  sallyport "+strings.Join(words(c), " "))
			assert.Contains(t, out, "Examples:\n"+c.Example)
			c.Flags().VisitAll(func(f *pflag.Flag) {
				assert.Regexp(t, `^\S.*[^.]$`, f.Usage, "--%s", f.Name)
				assert.Contains(t, out, "--"+f.Name)
			})
			for example := range strings.SplitSeq(c.Example, "\n") {
				assertTypable(t, example)
			}
		})
	}
}

// assertTypable asserts that the commands of an example and their flags are there.
func assertTypable(t *testing.T, example string) {
	t.Helper()
	_, line, found := strings.Cut(example, "sallyport ")
	require.True(t, found, "%q", example)
	line, _, _ = strings.Cut(line, " > ") // the shell's
	line, _, _ = strings.Cut(line, " -- ")
	args := strings.Fields(strings.NewReplacer("'", "", `"`, "", " &", "", " | ", " ").Replace(line))
	help := typeLine(t, t.TempDir(), append(args, "--help")...)
	assert.Zero(t, help.code, "%s\n%s", example, help.err)
	command, _, err := sallyport.Root().Find(args)
	require.NoError(t, err, example)
	assert.Empty(t, command.Commands(), "%s names a command", example)
}

// What cannot be meant is told on standard error with what to try, as code 2, and does nothing.
func TestNoCommandGuesses(t *testing.T) {
	t.Parallel()
	for _, c := range commands() {
		t.Run(c.CommandPath(), func(t *testing.T) {
			t.Parallel()
			home := filepath.Join(t.TempDir(), "home")
			for _, args := range [][]string{
				{"--no-such-flag"}, {"-o", "xml"}, {"--output", ""}, {"too", "many", "arguments", "for", "whatever", "it", "is", ""}, {""},
			} {
				got := typeLine(t, home, append(words(c), args...)...)
				assert.Equal(t, 2, got.code, "%s\n%s", got.line, got.err)
				assert.Empty(t, got.out, got.line)
				assert.Regexp(t, `^sallyport: `, got.err, got.line)
				assert.Contains(t, got.err, "\nhint: ", got.line)
			}
			assert.NoDirExists(t, home)
		})
	}
}

// Where there is no home, a command says so, or does without one; it makes none by the way.
func TestNoCommandMakesAHomeByTheWay(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"serve": "", "reload": "no server is running",
		"agent create --policy example --owner person:dana": "", "agent list": "", "agent show a": "", "agent renew a --out a": "",
		"agent suspend a": "", "agent resume a": "", "agent revoke a": "", "agent revoke-certificate 1": "",
		"policy check": "sallyport.yaml: no such file", "policy explain --policy a https://a.example/": "sallyport.yaml: no such file",
		"policy new a --from github": "no such file", "credential list": "", "credential check a": "",
		"credential add a --kind bearer --secret env:A --host a.example": "no such file",
		"audit list": "there is no trail yet", "audit show 0198c5f2-6f5e-7c3a-9b1a-3f0e7c1d2a4b": "there is no trail yet", "audit tail": "there is no trail yet",
		"audit events": "there is no trail yet", "audit stats --by agent": "there is no trail yet", "audit verify": "there is no trail yet",
		"audit export --format csv": "there is no trail yet", "audit whodid x": "there is no trail yet", "audit policy --at 1h": "there is no trail yet",
		"audit checkpoint": "there is no trail yet", "audit prove 1": "there is no trail yet",
		"run --policy example --owner person:dana -- true": "no such file or directory\nhint: run `sallyport init`",
	} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			home := filepath.Join(t.TempDir(), "home")
			got := typeWith(t, home, "", strings.Fields(strings.ReplaceAll(line, "--out a", "--out "+filepath.Join(t.TempDir(), "a")))...)
			assert.Equal(t, 1, got.code, got.err)
			assert.Empty(t, got.out)
			if want == "" {
				want = "no such folder; run `sallyport init`"
			}
			assert.Contains(t, got.err, want)
			assert.NoDirExists(t, home)
		})
	}
}

var errFull = errors.New("no space left on device")

// full takes no byte.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }

// A result that could not be printed is none: whoever reads it by a program must not take the
// half for the whole.
func TestWhatCannotBePrintedHasFailed(t *testing.T) {
	t.Parallel()
	home := newHome(t)
	folder := newAgent(t, home, "builder")
	for _, line := range []string{
		"init", "version", "version -o json", "help", "audit --help", "--version", "completion bash",
		"agent list", "agent list -o json", "agent show builder", "agent suspend builder", "agent resume builder", "agent renew builder --out " + folder,
		"policy check", "policy explain --policy example https://example.com/", "policy new --list", "credential list", "credential list -o json",
		"audit list", "audit list -o json", "audit events", "audit events -o json", "audit stats --by agent", "audit verify", "audit verify -o json",
		"audit checkpoint", "audit export --format csv", "audit export --format jsonl", "audit export --format ocsf", "audit prove 1",
		"env --proxy http://127.0.0.1:1 --identity " + folder, "doctor", "backup " + filepath.Join(t.TempDir(), "copy"),
	} {
		var complaints strings.Builder
		getenv := func(name string) string { return map[string]string{"SALLYPORT_HOME": home}[name] }
		code := sallyport.Run(t.Context(), strings.Fields(line), getenv, strings.NewReader(""), full{}, &complaints)
		assert.Equal(t, 1, code, line)
		assert.Contains(t, complaints.String(), "sallyport: "+errFull.Error(), line)
		assert.NotContains(t, complaints.String(), "--after", "nobody goes on after what was not written")
	}
	assert.Equal(t, 1, sallyport.Run(t.Context(), []string{"version"}, func(string) string { return "" }, strings.NewReader(""), io.MultiWriter(full{}), io.Discard))
}
