package app_test

import (
	"encoding/base32"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// answerer answers what it is asked.
type answerer func(r *http.Request) (*http.Response, error)

func (f answerer) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// forms are some in which a server may give back what it was sent, in a sentence.
func forms(secret string) []string {
	return []string{secret, strings.ToUpper(secret), fmt.Sprintf("%x", secret), base32.StdEncoding.EncodeToString([]byte(secret))}
}

func TestGitHubsWordsBringNoToken(t *testing.T) {
	t.Parallel()
	for n := range forms("") {
		a := newApp(t, time.Now, "installation: 17")
		sent := ""
		_, err := a.Check(t.Context(), answerer(func(r *http.Request) (*http.Response, error) {
			_, sent, _ = strings.Cut(r.Header.Get("Authorization"), " ")
			text, err := json.Marshal(map[string]any{
				"message": "Bad token " + forms(sent)[n] + " here", "errors": []map[string]string{{"resource": "App", "message": forms(sent)[n]}},
			})
			return &http.Response{StatusCode: 422, Header: http.Header{}, Request: r, Body: io.NopCloser(strings.NewReader(string(text)))}, err
		}))
		require.ErrorContains(t, err, "GET /app/installations/17: 422 Bad token ")
		for part := range strings.SplitSeq(sent, ".") {
			for _, form := range forms(part) {
				assert.NotContains(t, err.Error(), form[:20])
			}
		}
	}
}
