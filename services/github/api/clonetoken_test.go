package api_test

import (
	"encoding/json"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	github "sallyport/services/github/api"
)

func TestWithoutCloneTokens(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]string{
		`{"temp_clone_token":"ABC","id":1}`:                    `{"temp_clone_token":""   ,"id":1}`,
		`{"temp_clone_token" : "A\"B\\","id":1}`:               `{"temp_clone_token" : ""      ,"id":1}`,
		`{"temp_clone_token":"","id":1}`:                       `{"temp_clone_token":"","id":1}`,
		`{"temp_clone_token":null,"x":"y"}`:                    `{"temp_clone_token":null,"x":"y"}`,
		`[{"temp_clone_token":"a"},{"temp_clone_token":"bc"}]`: `[{"temp_clone_token":"" },{"temp_clone_token":""  }]`,
		`{"name":"temp_clone_token","body":"text"}`:            `{"name":"temp_clone_token","body":"text"}`,
		`{"body":"\"temp_clone_token\":\"kept\""}`:             `{"body":"\"temp_clone_token\":\"kept\""}`,
		`{"a":"","temp_clone_token":"x"}`:                      `{"a":"","temp_clone_token":"" }`,
		`{"temp_clone_token":"cut off`:                         `{"temp_clone_token":""      `,
	} {
		for _, from := range []io.Reader{strings.NewReader(answer), iotest.OneByteReader(strings.NewReader(answer))} {
			got, err := io.ReadAll(github.WithoutCloneTokens(from))
			require.NoError(t, err)
			assert.Equal(t, want, string(got))
		}
	}
}

// FuzzWithoutCloneTokens: whatever else an answer holds stays as it is, and it stays JSON.
func FuzzWithoutCloneTokens(f *testing.F) {
	f.Add("name", "value", "token")
	f.Add("temp_clone_token", "temp_clone_token", `"`)
	f.Fuzz(func(t *testing.T, key, value, token string) {
		type answer struct {
			Before map[string]string `json:"before"`
			Token  string            `json:"temp_clone_token"`
			After  string            `json:"after"`
		}
		if key == "temp_clone_token" {
			key = "other"
		}
		sent, err := json.Marshal(answer{map[string]string{key: value}, token, value})
		require.NoError(t, err)
		got, err := io.ReadAll(github.WithoutCloneTokens(strings.NewReader(string(sent))))
		require.NoError(t, err)
		require.Len(t, got, len(sent))
		var want, read answer
		require.NoError(t, json.Unmarshal(sent, &want))
		require.NoError(t, json.Unmarshal(got, &read), "%s", got)
		want.Token = ""
		require.Equal(t, want, read)
	})
}
