package proxy_test

import (
	"context"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
)

// Clients of models close the connection after the last event, and wait for no end of the
// answer.
func TestAStreamThatIsLeftAfterItsLastEventIsCompleted(t *testing.T) {
	pairs(t, func(t *testing.T, agentSide, upstreamSide bool) {
		for text, outcome := range map[string]string{
			"event: message_start\ndata: {}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n": audit.OutcomeCompleted,
			"data: {\"choices\":[]}\r\n\r\ndata: [DONE]\r\n\r\n":                                           audit.OutcomeCompleted,
			"event: response.completed\ndata: {}\n\n: a comment\n\n":                                       audit.OutcomeCompleted,
			"event: message\ndata: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n\n":                       audit.OutcomeCompleted,
			"event: message\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/x\"}\n\n":               audit.OutcomeClientGone,
			"event: message_start\ndata: {}\n\nevent: content_block_delta\ndata: {}\n\n":                   audit.OutcomeClientGone,
			"event: message_stop\ndata: {}\n\nevent: another\n":                                            audit.OutcomeClientGone,
			"event: message_stop\ndata: {}\n":                                                              audit.OutcomeClientGone,
		} {
			r := newRig(t)
			r.upstream(func(w http.ResponseWriter, req *http.Request) {
				w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
				_, _ = io.WriteString(w, text)
				_ = http.NewResponseController(w).Flush()
				<-req.Context().Done()
			}, upstreamSide, "api.test")
			ctx, leave := context.WithCancel(t.Context())
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://api.test/events", nil)
			require.NoError(t, err)
			response, err := r.client(r.agent("a"), agentSide).Do(request)
			require.NoError(t, err)
			_, err = io.ReadFull(response.Body, make([]byte, len(text)))
			require.NoError(t, err)
			leave()
			_ = response.Body.Close()
			row := r.rows()[0]
			assert.Equal(t, outcome, row.Outcome.Outcome, text)
			assert.Equal(t, outcome == audit.OutcomeCompleted, row.Outcome.Error == "", row.Outcome.Error)
		}
	})
}
