package api_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	github "sallyport/services/github/api"
)

var (
	zero = strings.Repeat("0", 40)
	oldO = strings.Repeat("a", 40)
	newO = strings.Repeat("b", 40)
)

func pkt(s string) string { return fmt.Sprintf("%04x%s", len(s)+4, s) }

func create(ref string) string { return zero + " " + newO + " " + ref }
func change(ref string) string { return oldO + " " + newO + " " + ref }
func remove(ref string) string { return oldO + " " + zero + " " + ref }

// pushBody is a command list, its flush included.
func pushBody(capabilities string, commands ...string) string {
	var b strings.Builder
	for i, c := range commands {
		if i == 0 {
			c += "\x00 " + capabilities
		}
		b.WriteString(pkt(c))
	}
	return b.String() + "0000"
}

func zipped(t testing.TB, s string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := io.WriteString(w, s)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.String()
}

func TestReadPush(t *testing.T) {
	t.Parallel()
	body := pkt("shallow "+oldO) +
		pkt(create("refs/heads/agent/x")+"\x00 report-status-v2 side-band-64k atomic push-options object-format=sha1 agent=git/2.39.5\n") +
		pkt(change("refs/heads/main")) + pkt(remove("refs/tags/v1")+"\n") + "0000" +
		pkt("ci.skip\n") + pkt("topic=a b") + "0000"
	pack := "PACK\x00\x00\x00\x02" + strings.Repeat("\xff", 100_000)

	for name, wrap := range map[string]func(io.Reader) io.Reader{
		"whole": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader, "data with EOF": iotest.DataErrReader,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rest := wrap(strings.NewReader(body + pack))
			var taken bytes.Buffer
			p, err := github.ReadPush(io.TeeReader(rest, &taken), "", nil)
			require.NoError(t, err)
			assert.Equal(t, []github.RefUpdate{
				{Ref: "refs/heads/agent/x", Old: zero, New: newO, Update: github.Create},
				{Ref: "refs/heads/main", Old: oldO, New: newO, Update: github.Change},
				{Ref: "refs/tags/v1", Old: oldO, New: zero, Update: github.Delete},
			}, p.Updates)
			assert.Equal(t, []string{"ci.skip", "topic=a b"}, p.Options)
			assert.Equal(t, []string{oldO}, p.Shallow)
			assert.True(t, p.Has("atomic"))
			assert.False(t, p.Has("side-band"))
			replayed, err := io.ReadAll(io.MultiReader(&taken, rest))
			require.NoError(t, err)
			assert.Equal(t, body+pack, string(replayed), "every byte is sent on as it came")
		})
	}
}

func TestReadPushGzip(t *testing.T) {
	t.Parallel()
	pack := make([]byte, 1<<20)
	rand.NewChaCha8([32]byte{}).Read(pack)
	sent := zipped(t, pushBody("report-status", create("refs/heads/x"))+"PACK"+string(pack))
	rest := strings.NewReader(sent)
	var taken bytes.Buffer
	p, err := github.ReadPush(io.TeeReader(rest, &taken), "gzip", nil)
	require.NoError(t, err)
	require.Len(t, p.Updates, 1)
	assert.NotZero(t, rest.Len(), "the pack is not read")
	replayed, err := io.ReadAll(io.MultiReader(&taken, rest))
	require.NoError(t, err)
	assert.Equal(t, sent, string(replayed))
}

func TestReadPushForms(t *testing.T) {
	t.Parallel()
	sha256 := strings.Repeat("c", 64) + " " + strings.Repeat("d", 64) + " refs/heads/x"
	for name, body := range map[string]string{
		"probe":                pushBody(""),
		"delete only":          pushBody("report-status", remove("refs/heads/x")),
		"delete only, pack":    pushBody("report-status", remove("refs/heads/x")) + "PACK",
		"SHA-256":              pushBody("object-format=sha256", sha256) + "PACK",
		"no capabilities":      pkt(change("refs/heads/x")) + "0000PACK",
		"no options follow":    pushBody("push-options", remove("refs/heads/x")) + "0000",
		"upper-case length":    strings.ToUpper(pkt(change("refs/heads/x"))[:4]) + change("refs/heads/x") + "0000PACK",
		"unicode branch":       pushBody("", change("refs/heads/größe/日本")) + "PACK",
		"notes and other refs": pushBody("", change("refs/notes/commits"), create("refs/for/main")) + "PACK",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := github.ReadPush(strings.NewReader(body), "", nil)
			require.NoError(t, err)
			_, err = github.ReadPush(strings.NewReader(zipped(t, body)), "gzip", nil)
			require.NoError(t, err)
		})
	}
}

func TestReadPushRefuses(t *testing.T) {
	t.Parallel()
	ok := pushBody("report-status", create("refs/heads/x"))
	for name, c := range map[string]struct {
		body   string
		reason github.Reason
	}{
		"empty":                       {"", github.ReasonTruncated},
		"half a length":               {"00", github.ReasonTruncated},
		"half a line":                 {"0032abc", github.ReasonTruncated},
		"no flush":                    {pkt(create("refs/heads/x")), github.ReasonTruncated},
		"no pack":                     {ok, github.ReasonTruncated},
		"update after the flush":      {ok + pkt(change("refs/heads/main")) + "0000PACK", github.ReasonTrailing},
		"update after an empty list":  {"0000" + pushBody("", change("refs/heads/main")) + "PACK", github.ReasonTrailing},
		"pack after an empty list":    {"0000PACK", github.ReasonTrailing},
		"update after deletes":        {pushBody("", remove("refs/heads/x")) + pkt(change("refs/heads/main")), github.ReasonTrailing},
		"options not announced":       {ok + pkt("ci.skip") + "0000PACK", github.ReasonTrailing},
		"second flush":                {ok + "0000PACK", github.ReasonTrailing},
		"options cut short":           {pushBody("push-options", remove("refs/heads/x")) + pkt("a"), github.ReasonTruncated},
		"length of no number":         {"00zz" + ok, github.ReasonSyntax},
		"delimiter":                   {"0001" + ok, github.ReasonSyntax},
		"length 3":                    {"0003" + ok, github.ReasonSyntax},
		"empty line":                  {"0004" + ok, github.ReasonSyntax},
		"line too long":               {"fff1" + strings.Repeat("a", 65521), github.ReasonSyntax},
		"no command":                  {pkt("hello") + "0000", github.ReasonSyntax},
		"version line":                {pkt("version 1") + ok, github.ReasonSyntax},
		"upper-case object id":        {pushBody("", strings.ToUpper(oldO)+" "+newO+" refs/heads/x"), github.ReasonSyntax},
		"short object id":             {pushBody("", oldO[1:]+" "+newO+" refs/heads/x"), github.ReasonSyntax},
		"nothing to nothing":          {pushBody("", zero+" "+zero+" refs/heads/x"), github.ReasonSyntax},
		"two object formats":          {pushBody("", change("refs/heads/x"), strings.Repeat("c", 64)+" "+strings.Repeat("d", 64)+" refs/heads/y"), github.ReasonSyntax},
		"capabilities twice":          {pkt(change("refs/heads/x")+"\x00 a") + pkt(change("refs/heads/y")+"\x00 push-options") + "0000", github.ReasonSyntax},
		"NUL in capabilities":         {pkt(change("refs/heads/x")+"\x00 a\x00b") + "0000", github.ReasonSyntax},
		"shallow after a command":     {pkt(change("refs/heads/x")) + pkt("shallow "+oldO) + "0000", github.ReasonSyntax},
		"shallow of no id":            {pkt("shallow main") + ok, github.ReasonSyntax},
		"signed push":                 {pkt("push-cert\x00 report-status\n") + pkt("certificate version 0.1\n") + "0000", github.ReasonSignedPush},
		"ref twice":                   {pushBody("", change("refs/heads/x"), remove("refs/heads/x")), github.ReasonRef},
		"ref outside refs":            {pushBody("", change("HEAD")), github.ReasonRef},
		"ref with a space":            {pushBody("", change("refs/heads/a b")), github.ReasonRef},
		"ref with a newline":          {pushBody("", change("refs/heads/a\nb")), github.ReasonRef},
		"ref with dots":               {pushBody("", change("refs/heads/../tags/v1")), github.ReasonRef},
		"ref with odd bytes":          {pushBody("", change("refs/heads/a\xff")), github.ReasonRef},
		"ref with a direction change": {pushBody("", change("refs/heads/\u202eniam")), github.ReasonRef},
		"ref with a zero-width space": {pushBody("", change("refs/heads/ma\u200bin")), github.ReasonRef},
		"ref with an escape":          {pushBody("", change("refs/heads/\x1b[31m")), github.ReasonRef},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := github.ReadPush(strings.NewReader(c.body), "", nil)
			assert.Equal(t, c.reason, reasonOf(t, err))
			assert.Nil(t, p)
			_, err = github.ReadPush(strings.NewReader(zipped(t, c.body)), "gzip", nil)
			assert.Error(t, err, "compressed")
		})
	}
}

func TestReadPushLimits(t *testing.T) {
	t.Parallel()
	commands := make([]string, github.MaxPushUpdates+1)
	for i := range commands {
		commands[i] = create(fmt.Sprintf("refs/heads/%s/%d", strings.Repeat("x", 200), i))
	}
	p, err := github.ReadPush(strings.NewReader(pushBody("", commands[1:]...)+"PACK"), "", nil)
	require.NoError(t, err)
	assert.Len(t, p.Updates, github.MaxPushUpdates)
	_, err = github.ReadPush(strings.NewReader(pushBody("", commands...)+"PACK"), "", nil)
	assert.Equal(t, github.ReasonTooLarge, reasonOf(t, err))

	endless := strings.NewReader(strings.Repeat(pkt("shallow "+oldO), 200_000))
	_, err = github.ReadPush(endless, "", nil)
	assert.Equal(t, github.ReasonTooLarge, reasonOf(t, err))
	assert.NotZero(t, endless.Len(), "reading stopped")

	bomb := zipped(t, strings.Repeat(pkt("shallow "+oldO), 300_000))
	require.Less(t, len(bomb), 100_000)
	_, err = github.ReadPush(strings.NewReader(bomb), "gzip", nil)
	assert.Equal(t, github.ReasonTooLarge, reasonOf(t, err))
}

// TestReadPushAsksForRoom counts what a list takes, also of one that was compressed.
func TestReadPushAsksForRoom(t *testing.T) {
	t.Parallel()
	commands := make([]string, 1000)
	for i := range commands {
		commands[i] = create(fmt.Sprintf("refs/heads/%s/%d", strings.Repeat("x", 200), i))
	}
	list := pushBody("", commands...) + "PACK"
	for encoding, body := range map[string]string{"": list, "gzip": zipped(t, list)} {
		left := int64(len(list))
		rest := strings.NewReader(body)
		_, err := github.ReadPush(rest, encoding, func(n int64) bool { left -= n; return left >= 0 })
		assert.Equal(t, github.ReasonTooLarge, reasonOf(t, err), "beside its lines a list takes more: %q", encoding)
		left = int64(3 * len(list))
		p, err := github.ReadPush(strings.NewReader(body), encoding, func(n int64) bool { left -= n; return left >= 0 })
		require.NoError(t, err)
		assert.Len(t, p.Updates, len(commands))
		assert.Less(t, left, int64(len(list)), "%q", encoding)
	}
	few := strings.Repeat(pkt("shallow "+oldO), 1001) + list
	_, err := github.ReadPush(strings.NewReader(few), "", nil)
	assert.Equal(t, github.ReasonTooLarge, reasonOf(t, err))
}

func TestReadPushEncodings(t *testing.T) {
	t.Parallel()
	body := pushBody("", remove("refs/heads/x"))
	_, err := github.ReadPush(strings.NewReader(body), "br", nil)
	assert.Equal(t, github.ReasonEncoding, reasonOf(t, err))
	_, err = github.ReadPush(strings.NewReader(body), "gzip", nil)
	assert.Equal(t, github.ReasonEncoding, reasonOf(t, err))
	_, err = github.ReadPush(strings.NewReader(zipped(t, body)+zipped(t, body)), "gzip", nil)
	assert.Equal(t, github.ReasonTrailing, reasonOf(t, err), "a second member")
	_, err = github.ReadPush(strings.NewReader(zipped(t, body)+"junk"), "gzip", nil)
	assert.Equal(t, github.ReasonTrailing, reasonOf(t, err))
}

func TestWriteRefusal(t *testing.T) {
	t.Parallel()
	why := func(u github.RefUpdate) string { return "rule says no to\n" + u.Ref + "\x1b[31m" }
	for name, c := range map[string]struct{ capabilities, want string }{
		"plain": {"report-status", pkt("unpack ok\n") + pkt("ng refs/heads/x rule says no to refs/heads/x[31m\n") + "0000"},
		"side band": {
			"report-status-v2 side-band-64k",
			pkt("\x02ask your owner\n") + pkt("\x01"+pkt("unpack ok\n")+pkt("ng refs/heads/x rule says no to refs/heads/x[31m\n")+"0000") + "0000",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := github.ReadPush(strings.NewReader(pushBody(c.capabilities, remove("refs/heads/x"))), "", nil)
			require.NoError(t, err)
			require.True(t, p.CanReport())
			var answer strings.Builder
			require.NoError(t, p.WriteRefusal(&answer, "ask your\nowner", why))
			assert.Equal(t, c.want, answer.String())
		})
	}
	p, err := github.ReadPush(strings.NewReader(pushBody("", remove("refs/heads/x"))), "", nil)
	require.NoError(t, err)
	assert.False(t, p.CanReport())
}

// A report longer than a packet is cut into packets that git puts together again.
func TestWriteRefusalOfManyRefs(t *testing.T) {
	t.Parallel()
	for _, capability := range []string{"side-band-64k", "side-band"} {
		var commands []string
		for i := range 2000 {
			commands = append(commands, remove(fmt.Sprintf("refs/heads/%d", i)))
		}
		p, err := github.ReadPush(strings.NewReader(pushBody("report-status "+capability, commands...)), "", nil)
		require.NoError(t, err)
		var answer bytes.Buffer
		require.NoError(t, p.WriteRefusal(&answer, "", func(github.RefUpdate) string { return "no" }))
		var report strings.Builder
		for {
			var n int
			_, err := fmt.Sscanf(string(answer.Next(4)), "%04x", &n)
			require.NoError(t, err)
			if n == 0 {
				break
			}
			require.LessOrEqual(t, n, map[string]int{"side-band-64k": 65520, "side-band": 1000}[capability])
			packet := answer.Next(n - 4)
			require.Equal(t, byte(1), packet[0])
			report.Write(packet[1:])
		}
		assert.Zero(t, answer.Len())
		assert.Equal(t, 2000, strings.Count(report.String(), "ng refs/heads/"))
		assert.True(t, strings.HasSuffix(report.String(), "0000"))
	}
}
