package api_test

import (
	"bufio"
	"encoding/json"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	github "sallyport/services/github/api"
)

// npmGraphQL is a process that reads documents by npm's graphql, which shares no code
// with our parser.
type npmGraphQL struct {
	mu  sync.Mutex
	in  io.Writer
	out *bufio.Reader
}

// opinion is what it finds in the body that an agent sent and in the one that leaves.
type opinion struct {
	Given, Sent            string // why it does not take it
	Keys, Names            []string
	Definitions, Fragments int
	Alike                  bool
}

func newNPMGraphQL(t testing.TB) *npmGraphQL {
	t.Helper()
	clients, err := filepath.Abs(filepath.Join("..", "..", "..", ".cache", "clients", "node_modules"))
	require.NoError(t, err)
	library := filepath.Join(clients, "graphql")
	node := filepath.Join(clients, "node", "bin", "node")
	for _, file := range []string{library, node} {
		if _, err := os.Stat(file); err != nil {
			if os.Getenv("REQUIRE_CLIENTS") == "1" {
				t.Fatalf("%s is not installed: run test/e2e/install-clients.sh", file)
			}
			t.Skipf("%s is not installed", file)
		}
	}
	cmd := exec.CommandContext(t.Context(), node, filepath.Join("testdata", "graphql.cjs"), library)
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	cmd.Stderr = os.Stderr
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	return &npmGraphQL{in: in, out: bufio.NewReader(out)}
}

func (n *npmGraphQL) ask(t testing.TB, given, sent string) opinion {
	t.Helper()
	line, err := json.Marshal([]string{given, sent})
	require.NoError(t, err)
	n.mu.Lock()
	defer n.mu.Unlock()
	_, err = n.in.Write(append(line, '\n'))
	require.NoError(t, err)
	answer, err := n.out.ReadBytes('\n')
	require.NoError(t, err)
	var o opinion
	require.NoError(t, json.Unmarshal(answer, &o))
	return o
}

// judgedAlike asks about one body; taken reports whether it has a name.
func (n *npmGraphQL) judgedAlike(t testing.TB, given string) (taken bool) {
	t.Helper()
	operations, sent, err := github.ParseGraphQL(jsonType, []byte(given))
	if err != nil {
		return false
	}
	var names []string
	for _, o := range operations {
		if o.Name != "graphql/repository.tempCloneToken" {
			names = append(names, o.Name)
		}
	}
	slices.Sort(names) // a name sorts by all of its bytes there
	o := n.ask(t, given, string(sent))
	assert.Empty(t, o.Given, "what has a name is a document: %s", given)
	assert.Empty(t, o.Sent, "what leaves is a document: %s", sent)
	assert.Equal(t, names, o.Names, "what leaves was judged: %s", sent)
	assert.Equal(t, 1+o.Fragments, o.Definitions, "nothing leaves that would not run: %s", sent)
	assert.True(t, o.Alike, "what leaves says what was meant: %s\n%s", given, sent)
	return true
}

// Nobody who reads what leaves finds anything but what was judged, and nobody who reads
// what was meant finds anything else in what leaves.
func FuzzGraphQLAgainstNPM(f *testing.F) {
	npm := newNPMGraphQL(f)
	for _, seed := range documentSeeds(f) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) { npm.judgedAlike(t, body) })
}

// Documents are put together from what lexers differ in.
func TestGraphQLAgainstNPM(t *testing.T) {
	t.Parallel()
	npm := newNPMGraphQL(t)
	random := rand.New(rand.NewPCG(1, 2)) // the same documents each time
	pick := func(list []string) string { return list[random.IntN(len(list))] }
	mixed := func(plain, hostile []string) string {
		if random.IntN(20) == 0 {
			return pick(hostile)
		}
		return pick(plain)
	}
	inString := func() string {
		return mixed([]string{`\"`, `\\`, `\u0041`, `\u005c`, `\ud83d\ude00`, `\u{1F600}`, `\n`, "\t", " ", "  x", "#", "{", "}", "'", "é", "\u2028", "\ufeff", "\u0085", "u0041"},
			[]string{"\n", "\r\n", "\r", `"`, `""`, `"""`, `\"""`, `\\"""`, `\ud83d`, `\x`})
	}
	between := func() string {
		return mixed([]string{" ", ",", "\n", "\r\n", "\t", "#c\n", "#\"\"\"\n", "# \r\n", "", ""}, []string{"\r", "# \r", "#\u2028\n", "\ufeff", "\u00a0", `"`})
	}
	value := func() string {
		var b strings.Builder
		for range random.IntN(5) {
			b.WriteString(inString())
		}
		quotes := pick([]string{`"`, `"""`, `"""`})
		if quotes == `"""` && random.IntN(2) == 0 {
			b.WriteString("\n  indented\n\tmore\n")
		}
		return pick([]string{"", "[", "{x:"}) + quotes + b.String() + quotes + mixed([]string{"", "", " "}, []string{`"x"`, " 1-2", " 0x1", " 1.5e3"})
	}
	taken := 0
	for range 4000 {
		text := value()
		switch text[0] {
		case '[':
			text += "]"
		case '{':
			text += "}"
		}
		query := pick([]string{"{", "mutation {", "query Q($a: Int = 1 @d) @d {", "{...f " + between() + "}fragment f on Query {"}) + between() +
			"a" + between() + "(b:" + between() + text + between() + ")" + between() + pick([]string{"@d", "{c}", "c:d", "...on Q{e}", ""}) + between() + "}" + between()
		if npm.judgedAlike(t, document(t, query, pick([]string{"", `,"variables":{"a":[1,{"b":"\ud83d\ude00\u0041"}]}`}))) {
			taken++
		}
	}
	assert.Greater(t, taken, 400, "the documents are worth reading")
}
