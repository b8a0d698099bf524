package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	github "sallyport/services/github/api"
)

func TestOneThingHasOneMark(t *testing.T) {
	t.Parallel()
	for mark, forms := range map[string][]string{
		"github.com/acme/web#17": {
			"acme/web#17", "Acme/Web#17", "https://github.com/acme/web/pull/17", "https://GitHub.com/Acme/web/issues/17", "https://github.com/acme/web/pull/17/files",
			"https://github.com/acme/web/discussions/17#top", "https://github.com/acme/web/pull/17/",
		},
		"github.com/acme/web#17#issuecomment-5":    {"https://github.com/acme/web/pull/17#issuecomment-5", "https://github.com/acme/web/issues/17#issuecomment-5"},
		"github.com/acme/web/releases/tag/v1.0%2B": {"https://github.com/acme/web/releases/tag/v1.0%2B"},
		"github.com/acme/web":                      {"https://github.com/acme/web"},
		"git.corp.example/acme/web#1":              {"https://git.corp.example/acme/web/pull/1"},
	} {
		for _, form := range forms {
			got, ok := github.MarkOf(form)
			assert.True(t, ok, form)
			assert.Equal(t, mark, got, form)
		}
	}
	for _, none := range []string{
		"", "7fd1a60b01f91b314f59955a4e4d4e80d8edf11d", "C0FE:1234:5678", "acme/web#x", "acme#1", "http://github.com/acme/web/pull/1", "https://u@github.com/acme/web/pull/1",
		"https://github.com/", "https://github.com/acme", "https:///a/b", "https://github.com/a/" + strings.Repeat("b", 1100),
	} {
		_, ok := github.MarkOf(none)
		assert.False(t, ok, none)
	}
}

func TestWhatAnAnswerSaysWasMade(t *testing.T) {
	t.Parallel()
	const pull = `"html_url":"https://github.com/acme/web/pull/17"`
	for answer, want := range map[string]int{
		`{"id":1,` + pull + `,"body":"\"html_url\":\"https://github.com/acme/web/pull/1\""}`: 1,
		`{"id":1,` + pull + `,"title":"cut o`:                                                1,
		`{"head":{` + pull + `}}`:                                                            0,
		`[{` + pull + `}]`:                                                                   0,
		`{"html_url":"https://elsewhere.example/acme/web/pull/17"}`:                          0,
		`{"html_url":7}`:                                                                     0,
		`{"html_url":"https://gist.github.com/dana/0123456789abcdef0123456789abcdef"}`:       1,
		``: 0, `null`: 0,
	} {
		made := github.DotCom().MadeBy([]byte(answer))
		require.Len(t, made, want, answer)
		if want > 0 && strings.Contains(answer, "pull") {
			assert.Equal(t, github.Made{URL: "https://github.com/acme/web/pull/17", Mark: "github.com/acme/web#17"}, made[0])
		}
	}
	made := github.DotCom().MadeByDocument([]byte(`{"data":{"a":{"pullRequest":{"title":"url","url":"https://github.com/acme/web/pull/17"}},"b":{"url":"https://github.com/acme/web/issues/18"},"url":`))
	require.Len(t, made, 2)
	assert.Equal(t, "github.com/acme/web#18", made[1].Mark)
	assert.Empty(t, github.DotCom().MadeByDocument([]byte(`{"data":{"labels":["url","https://github.com/acme/web/pull/1"],"url":["https://github.com/acme/web/pull/2"],"title":"url","x":"https://github.com/acme/web/pull/3"}}`)))
	assert.LessOrEqual(t, len(github.DotCom().MadeByDocument([]byte("["+strings.Repeat(`{"url":"https://github.com/a/b/pull/1"},`, 100)))), 20)
}

// An alias could pass a text of the agent's own off as the address of what it made.
func TestAnAliasIsNoAddress(t *testing.T) {
	t.Parallel()
	for document, want := range map[string]bool{
		`mutation { createIssue(input: {title: "t"}) { issue { url } } }`:                                true,
		`mutation { createIssue(input: {title: "t"}) { issue { address: url } } }`:                       true,
		`mutation { createIssue(input: {title: "t"}) { issue { url: body } } }`:                          false,
		`mutation { createIssue(input: {title: "t"}) { ... on X { issue { a { url: title } } } } }`:      false,
		`mutation { createIssue(input: {title: "t"}) { ...F } } fragment F on X { issue { url: body } }`: false,
		`query { viewer { url } }`: false,
	} {
		operations, _, err := github.ReadGraphQL(http.Header{"Content-Type": {"application/json"}}, strings.NewReader(`{"query":`+quote(document)+`}`))
		require.NoError(t, err, document)
		assert.Equal(t, want, operations[0].Addresses, document)
	}
}

func quote(text string) string { return `"` + strings.ReplaceAll(text, `"`, `\"`) + `"` }

func FuzzMade(f *testing.F) {
	f.Add(`{"html_url":"https://github.com/acme/web/pull/17"}`)
	f.Add(`{"data":{"url":"https://github.com/acme/web/pull/17"}}`)
	f.Add("https://github.com/acme/web/pull/17#issuecomment-1")
	f.Fuzz(func(t *testing.T, text string) {
		for _, made := range append(github.DotCom().MadeBy([]byte(text)), github.DotCom().MadeByDocument([]byte(text))...) {
			mark, ok := github.MarkOf(made.URL)
			assert.True(t, ok)
			assert.Equal(t, made.Mark, mark)
		}
		_, _ = github.MarkOf(text)
	})
}
