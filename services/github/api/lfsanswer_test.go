package api_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	github "sallyport/services/github/api"
)

const lfsAnswer = `{
  "transfer": "basic",
  "objects": [
    {"oid": "a", "size": 9007199254740993, "authenticated": true, "actions": {
      "upload": {"href": "https://s3.test/a?x=1&y=<2>", "header": {"authorization": "AWS4-HMAC-SHA256 live-1", "x-amz-date": "now"}, "expires_in": 900},
      "verify": {"href": "https://lfs.test/acme/web/verify", "header": {"Authorization": "RemoteAuth live-2"}, "expires_at": "2026-01-01T01:00:00Z"}}},
    {"oid": "b", "size": 1, "_links": {"download": {"href": "https://s3.test/b", "header": {"AUTHORIZATION": "Basic live-3", "Authorization": ["live-4"]}}}},
    {"oid": "c", "error": {"code": 404, "message": "none", "header": {"Authorization": "live-5"}}}
  ],
  "Authorization": "live-6"
}`

func TestLFSAuthorizationsAreTaken(t *testing.T) {
	t.Parallel()
	taken := map[string]github.Authorization{}
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	out, err := github.TakeLFSAuthorizations([]byte(lfsAnswer), now, func(a github.Authorization) string {
		taken[a.Value] = a
		if a.Href == "https://s3.test/b" {
			return ""
		}
		return "placeholder"
	})
	require.NoError(t, err)
	assert.Equal(t, map[string]github.Authorization{
		"AWS4-HMAC-SHA256 live-1": {Href: "https://s3.test/a?x=1&y=<2>", Value: "AWS4-HMAC-SHA256 live-1", Life: 15 * time.Minute},
		"RemoteAuth live-2":       {Href: "https://lfs.test/acme/web/verify", Value: "RemoteAuth live-2", Life: time.Hour},
		"Basic live-3":            {Href: "https://s3.test/b", Value: "Basic live-3"},
	}, taken)
	assert.NotContains(t, string(out), "live-")
	assert.Contains(t, string(out), `"href":"https://s3.test/a?x=1&y=<2>"`)
	assert.Contains(t, string(out), `"size":9007199254740993`)
	assert.Contains(t, string(out), `"x-amz-date":"now"`)
	assert.Equal(t, 2, strings.Count(string(out), `"placeholder"`))
	for _, bad := range []string{"", "<html>", `{"objects":[]`, `{} {"header":{"Authorization":"live"}}`} {
		_, err := github.TakeLFSAuthorizations([]byte(bad), now, nil)
		assert.Error(t, err, bad)
	}
}

// FuzzLFSAuthorizations: no reader of the result finds a field that an authorization is
// in, other than in the place of one that was taken.
func FuzzLFSAuthorizations(f *testing.F) {
	f.Add([]byte(lfsAnswer))
	f.Add([]byte(`{"objects":[{"actions":{"download":{"href":"https://a.test","header":{" Authorization":"x","Authorization":"y"}}}}]}`))
	f.Add([]byte(`[[{"authorization":{"authorization":"x"}}]]`))
	f.Fuzz(func(t *testing.T, answer []byte) {
		out, err := github.TakeLFSAuthorizations(answer, time.Time{}, func(github.Authorization) string { return "placeholder" })
		if err != nil {
			return
		}
		var value any
		require.NoError(t, json.Unmarshal(out, &value))
		var look func(any)
		look = func(value any) {
			switch value := value.(type) {
			case []any:
				for _, one := range value {
					look(one)
				}
			case map[string]any:
				for key, one := range value {
					if strings.EqualFold(strings.TrimSpace(key), "authorization") {
						require.Equal(t, "placeholder", one)
						continue
					}
					look(one)
				}
			}
		}
		look(value)
	})
}
