package api

import (
	"bytes"
	"io"
	"mime"
	"net/http"
	"strings"

	"sallyport/internal/ijson"
)

const jsonMedia = "application/json"

// GraphQLMedia is the media type of the body that [ReadGraphQL] returns.
const GraphQLMedia = jsonMedia

// jsonObject reads exactly one JSON object that has one reading, and hands each member to
// take, once each.
func jsonObject(body []byte, take func(key string, value []byte) *Unresolved) *Unresolved {
	if start := bytes.TrimLeft(body, " \t\r\n"); len(start) > 0 && start[0] == '[' {
		return unresolved(ReasonBatch, "the body is a list; send one request at a time")
	}
	members, err := ijson.Object(body)
	if err != nil {
		return unresolved(ReasonSyntax, "the body "+err.Error())
	}
	for _, m := range members {
		if err := take(m.Name, m.Value); err != nil {
			return err
		}
	}
	return nil
}

// jsonString reads a string; null is absent.
func jsonString(value []byte) (s string, ok bool) {
	if string(value) == "null" {
		return "", true
	}
	return ijson.String(value)
}

// readBounded takes the whole body, at most limit bytes of it.
func readBounded(body io.Reader, limit int64) ([]byte, *Unresolved) {
	data, err := io.ReadAll(io.LimitReader(body, limit+1))
	switch {
	case err != nil:
		return nil, unresolved(ReasonTruncated, "the body could not be read to its end")
	case int64(len(data)) > limit:
		return nil, unresolved(ReasonTooLarge, "the body is longer than is read to classify a request")
	}
	return data, nil
}

// contentType returns the media type, or "" when the header is absent, repeated or odd.
func contentType(h http.Header) string {
	values := h.Values("Content-Type")
	if len(values) != 1 {
		return ""
	}
	media, parameters, err := mime.ParseMediaType(values[0])
	if err != nil {
		return ""
	}
	if charset, given := parameters["charset"]; given && !strings.EqualFold(charset, "utf-8") {
		return ""
	}
	return media
}

// plainEncoding reports whether the body is sent as it is.
func plainEncoding(h http.Header) bool {
	values := h.Values("Content-Encoding")
	return len(values) == 0 || len(values) == 1 && (values[0] == "" || strings.EqualFold(values[0], "identity"))
}
