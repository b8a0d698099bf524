package github

import (
	"bytes"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"
)

// jsonObject reads exactly one JSON object and hands each member to take, once each.
// What JSON readers are known to differ in is refused: repeated keys, invalid UTF-8,
// data after the object.
func jsonObject(body []byte, take func(key string, value json.RawMessage) *Unresolved) *Unresolved {
	if !utf8.Valid(body) {
		return unresolved(ReasonSyntax, "the body is not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		if t == json.Delim('[') {
			return unresolved(ReasonBatch, "the body is a list; send one request at a time")
		}
		return unresolved(ReasonSyntax, "the body is not a JSON object")
	}
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		key, ok := t.(string)
		if err != nil || !ok {
			return unresolved(ReasonSyntax, "the body is not valid JSON")
		}
		if seen[key] {
			return unresolved(ReasonSyntax, "the body names a key twice")
		}
		seen[key] = true
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return unresolved(ReasonSyntax, "the body is not valid JSON")
		}
		if err := take(key, value); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return unresolved(ReasonSyntax, "the body is not valid JSON")
	}
	if _, err := d.Token(); err != io.EOF { //nolint:errorlint // Token documents io.EOF itself
		return unresolved(ReasonSyntax, "the body goes on after its JSON object")
	}
	return nil
}

// jsonString reads a string that every reader reads alike; null is absent.
func jsonString(value json.RawMessage) (s string, ok bool) {
	if string(value) == "null" {
		return "", true
	}
	if len(value) == 0 || value[0] != '"' || json.Unmarshal(value, &s) != nil {
		return "", false
	}
	// A lone surrogate becomes U+FFFD here and something else elsewhere.
	return s, !strings.ContainsRune(s, utf8.RuneError)
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
