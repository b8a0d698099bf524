package proxy

import (
	"bytes"
	"io"
	"net/http"
	"strings"
)

// isEvents reports whether an answer is a stream of events (server-sent events, of the WHATWG's
// HTML standard).
func isEvents(response *http.Response) bool {
	return strings.HasPrefix(response.Header.Get("Content-Type"), "text/event-stream")
}

// eventHead is how much of the beginning of an event tells whether it is a last one.
const eventHead = 256

// events follows a stream of events as it passes, to know whether it was at its end when its
// reader left: many close the connection after the last event, and nothing is missing then.
type events struct {
	next  io.Writer // nil for nobody
	line  int       // bytes of the line so far, without a carriage return
	event []byte    // the beginning of the one that is coming
	last  []byte    // that of the last whole one which is not a comment
}

// Write never fails unless next does.
func (e *events) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		line, after, ended := bytes.Cut(rest, []byte("\n"))
		e.take(line, ended)
		rest = after
	}
	if e.next == nil {
		return len(p), nil
	}
	return e.next.Write(p)
}

// take takes a piece of a line.
func (e *events) take(piece []byte, ended bool) {
	e.line += len(bytes.TrimSuffix(piece, []byte("\r")))
	room := eventHead - len(e.event)
	e.event = append(e.event, piece[:min(room, len(piece))]...)
	switch {
	case !ended:
		return
	case e.line == 0: // a blank line ends an event
		if len(bytes.TrimSpace(e.event)) > 0 && e.event[0] != ':' {
			e.last, e.event = e.event, e.last
		}
		e.event = e.event[:0]
	case len(e.event) < eventHead:
		e.event = append(e.event, '\n')
	}
	e.line = 0
}

// lastEvents begin the events after which nothing comes, in the protocols of models.
var lastEvents = []string{
	"event: message_stop", "event: response.completed", "event: response.failed", "event: response.incomplete", "data: [DONE]",
}

// isOver reports whether the last event was whole, and one after which nothing comes. An
// answer to a call in JSON-RPC is one too.
func (e *events) isOver() bool {
	if e.line > 0 || len(bytes.TrimSpace(e.event)) > 0 && e.event[0] != ':' {
		return false
	}
	for _, beginning := range lastEvents {
		if bytes.HasPrefix(e.last, []byte(beginning)) {
			return true
		}
	}
	has := func(member string) bool { return bytes.Contains(e.last, []byte(`"`+member+`":`)) }
	return has("jsonrpc") && (has("result") || has("error")) && !has("method")
}
