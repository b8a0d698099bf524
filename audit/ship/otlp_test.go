package ship_test

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	"google.golang.org/protobuf/encoding/protojson"

	"sallyport/audit/ship"
)

// TestOTLPIsWhatTheProtocolSays reads what is sent with the protocol's own
// message types, which refuse any field they do not know.
func TestOTLPIsWhatTheProtocolSays(t *testing.T) {
	t.Parallel()
	_, path, ids := filled(t, 40)
	seen := map[string]bool{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		var sent logs.LogsData // the request's own type has the same one field
		if !assert.NoError(t, protojson.Unmarshal(body, &sent)) {
			return
		}
		resource := sent.GetResourceLogs()[0]
		assert.Equal(t, "service.name", resource.GetResource().GetAttributes()[0].GetKey())
		for _, record := range resource.GetScopeLogs()[0].GetLogRecords() {
			assert.NotZero(t, record.GetTimeUnixNano())
			assert.EqualValues(t, 9, record.GetSeverityNumber())
			attributes := map[string]any{}
			for _, a := range record.GetAttributes() {
				attributes[a.GetKey()] = a.GetValue().GetStringValue()
				if a.GetKey() == "http.response.status_code" {
					assert.EqualValues(t, 200, a.GetValue().GetIntValue())
				}
			}
			assert.Equal(t, "\\xff\n", attributes["sallyport.agent.name"], "no byte is lost")
			for _, id := range readIDs(t, bytes.NewReader([]byte(record.GetBody().GetStringValue()))) {
				assert.Equal(t, id.String(), attributes["sallyport.exchange.id"])
				seen[id.String()] = true
			}
		}
		_, _ = io.WriteString(w, `{"partialSuccess": {"rejectedLogRecords": "2", "errorMessage": "too old"}}`)
	}))
	defer server.Close()
	var log bytes.Buffer
	d := ship.OTLP{Post: ship.Post{Address: server.URL + "/v1/logs", Client: server.Client()}, Version: "1", Log: slog.New(slog.NewTextHandler(&log, nil))}
	cursor, err := ship.OpenCursor(filepath.Join(t.TempDir(), "cursor"), d.Name(), 0)
	require.NoError(t, err)
	n, err := ship.Run(t.Context(), config(reader(t, path), d, cursor))
	require.NoError(t, err)
	assert.EqualValues(t, 40, n)
	for id := range ids {
		assert.True(t, seen[id.String()])
	}
	assert.Contains(t, log.String(), `rejected=2 reason="too old"`)
	assert.NotContains(t, seen, uuid.Nil.String())
}
