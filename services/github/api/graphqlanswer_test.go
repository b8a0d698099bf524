package api_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	github "sallyport/services/github/api"
)

func errorsOf(answer string, piece int) []string {
	var a github.GraphQLAnswer
	for len(answer) > 0 {
		n := min(piece, len(answer))
		_, _ = a.Write([]byte(answer[:n]))
		answer = answer[n:]
	}
	return a.Errors()
}

func TestGraphQLErrorsAreFoundAsTheAnswerPasses(t *testing.T) {
	t.Parallel()
	const notFound = `[{"type":"NOT_FOUND","path":["a"],"message":"Could not \"resolve\""}]`
	long := `[{"message":"` + strings.Repeat("x", 20_000) + `"}]`
	for answer, want := range map[string][]string{
		`{"data":{"viewer":{"login":"x"}}}`:             nil,
		`{"data":{"errors":[{"message":"inner"}]}}`:     nil,
		`{"data":"errors","x":["errors",{"errors":1}]}`: nil,
		`{"errors":[]}`:                                                                nil,
		`{"errors":null,"data":{}}`:                                                    nil,
		`{"data":{"a":null},"errors":` + notFound + `}`:                                {`NOT_FOUND: Could not "resolve"`},
		`{ "errors" : ` + notFound + ` , "data" : null }`:                              {`NOT_FOUND: Could not "resolve"`},
		`{"data":{"a":"}]\\\",{"},"errors":` + notFound + `,"extensions":{}}`:          {`NOT_FOUND: Could not "resolve"`},
		`{"errors":[{"message":"1"},{"message":"2"},{"message":"3"},{"message":"4"}]}`: {"1", "2", "3"},
		`{"errors":` + long + `}`:                                                      {"an error that is too long to be told"},
		`{"errors":[{"message":"1"},` + long[1:] + `}`:                                 {"1"},
		`[{"errors":[{"message":"a list is no answer"}]}]`:                             nil,
		``: nil,
	} {
		for _, piece := range []int{1, 7, 1 << 20} {
			assert.Equal(t, want, errorsOf(answer, piece), answer[:min(len(answer), 80)])
		}
	}
}

// FuzzGraphQLAnswer: how an answer is cut into pieces does not matter, and memory is bounded.
func FuzzGraphQLAnswer(f *testing.F) {
	f.Add(`{"data":null,"errors":[{"type":"A","message":"b"}]}`, 3)
	f.Add(`{"errors`, 1)
	f.Fuzz(func(t *testing.T, answer string, piece int) {
		assert.Equal(t, errorsOf(answer, 1<<30), errorsOf(answer, max(1, piece%64)))
	})
}
