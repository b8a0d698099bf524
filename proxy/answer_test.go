package proxy_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
)

// assertProblem holds a refusal's answer to RFC 9457 and RFC 9209, and to its row.
func (d *duration) assertProblem(t *testing.T, status int, c exit, row *audit.Exchange) {
	assert.Equal(t, "application/problem+json", d.header.Get("Content-Type"))
	assert.Regexp(t, `^sallyport; error=[a-z_]+; details="`+c.refusal+`"$`, d.header.Get("Proxy-Status"))
	assert.Equal(t, "no-store", d.header.Get("Cache-Control"))
	assert.Equal(t, status == 429 || status == 503, d.header.Get("Retry-After") != "", "when to come again")
	var said struct {
		Type, Title, Detail, Exchange, Rule, Hint, Message, Why string
		Status                                                  int
		Error                                                   struct{ Message, Type, Code, Status string }
	}
	decoder := json.NewDecoder(strings.NewReader(d.text))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(&said))
	assert.Equal(t, status, said.Status)
	assert.NotEmpty(t, said.Title)
	assert.NotEmpty(t, said.Detail)
	assert.NotEmpty(t, said.Hint)
	assert.Equal(t, "sallyport: "+said.Detail, said.Message, "for who reads one text")
	assert.Equal(t, said.Message, said.Error.Message, "for clients of models")
	assert.Equal(t, c.refusal, said.Error.Code)
	assert.NotEmpty(t, said.Error.Type)
	assert.NotEmpty(t, said.Error.Status)
	final := status < 500 && status != 408 && status != 429 || c.refusal == "credential"
	assert.Equal(t, final, d.header.Get("X-Should-Retry") == "false", "clients of models try again for minutes")
	_, err := uuid.Parse(said.Exchange)
	require.NoError(t, err)
	if c.refusal == "policy" || c.refusal == "approval" {
		assert.Equal(t, "https://sallyport.internal/v1/why?exchange="+said.Exchange, said.Why)
	} else {
		assert.Empty(t, said.Why)
	}
	if row == nil {
		return
	}
	assert.Equal(t, row.ID.String(), said.Exchange)
	if c.refusal == "policy" && row.Outcome.Outcome == audit.OutcomeRefused || c.refusal == "approval" {
		assert.Equal(t, row.Rule, said.Rule)
		assert.NotEmpty(t, said.Rule)
	}
}

// The same refusals where the client speaks gRPC, which reads only trailers.
func TestEveryRefusalInGRPC(t *testing.T) {
	t.Parallel()
	m := newMatrix(t, func(r *rig) { r.sweep = time.Hour })
	for name, c := range exits {
		if c.alone || c.during != nil || c.refusal == "" || c.only == "http" {
			continue
		}
		a := m.agent("a")
		client := m.client(a, true)
		if c.before != nil {
			response, err := client.Get("https://api.test/")
			require.NoError(t, err)
			_ = body(t, response)
			c.before(t, m, a)
		}
		host := c.host
		if host == "" {
			host = "api.test"
		}
		request, err := http.NewRequest(http.MethodPost, "https://"+host+"/", strings.NewReader("\x00\x00\x00\x00\x00"))
		require.NoError(t, err)
		request.URL.Opaque = c.path
		request.Header.Set("Content-Type", "application/grpc+proto")
		response, err := client.Do(request)
		require.NoError(t, err, name)
		assert.Empty(t, body(t, response), name)
		assert.Equal(t, 200, response.StatusCode, name)
		assert.Equal(t, "application/grpc", response.Header.Get("Content-Type"), name)
		code := "7"
		if c.status >= 500 || c.status == 429 {
			code = "14"
		}
		assert.Equal(t, code, response.Header.Get("Grpc-Status"), name)
		assert.Contains(t, response.Header.Get("Proxy-Status"), `details="`+c.refusal+`"`, name)
		message, err := url.PathUnescape(response.Header.Get("Grpc-Message"))
		require.NoError(t, err)
		var row audit.Exchange
		for _, each := range m.rows() {
			if each.Agent == a.ID {
				row = each
				break
			}
		}
		assert.Contains(t, message, "exchange "+row.ID.String(), name)
		assert.Equal(t, c.refusal, row.Outcome.Refusal, name)
	}
}
