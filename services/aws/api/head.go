package api

import (
	"mime"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
)

// head is what a request says by its line and its header.
type head struct {
	*Request

	parameters []pair // of the query, decoded
	target     string // X-Amz-Target
	smithy     string // Smithy-Protocol
	media      string
	room       [16]pair
}

type pair struct{ key, value string }

// maxParameters is far more than any operation takes.
const maxParameters = 4096

func readHead(r *Request) (*head, *Unresolved) {
	h := &head{Request: r}
	h.parameters = h.room[:0]
	for part := range strings.SplitSeq(r.Query, "&") {
		if part == "" {
			continue
		}
		if strings.Contains(part, "+") {
			return nil, unresolved(ReasonQuery, "a + in the query is read as a space by some; write %20 or %2B")
		}
		raw, value, _ := strings.Cut(part, "=")
		key, ok := unescape(raw) // no ";" divides
		value, ok2 := unescape(value)
		if !ok || !ok2 || needless(raw) || len(h.parameters) == maxParameters {
			return nil, unresolved(ReasonQuery, "the query cannot be read")
		}
		h.parameters = append(h.parameters, pair{key, value})
	}
	var err *Unresolved
	if h.target, err = h.one("X-Amz-Target"); err != nil {
		return nil, err
	}
	if h.smithy, err = h.one("Smithy-Protocol"); err != nil {
		return nil, err
	}
	contentType, err := h.one("Content-Type")
	if err != nil {
		return nil, err
	}
	h.media = mediaType(contentType)
	return h, nil
}

// mediaType parses what is not one of the usual forms. Text in another encoding than
// UTF-8 is of no type that is read.
func mediaType(value string) string {
	if !strings.ContainsAny(value, "; \t") {
		return strings.ToLower(value)
	}
	media, parameters, err := mime.ParseMediaType(value)
	charset, given := parameters["charset"]
	if err != nil || given && !strings.EqualFold(charset, "utf-8") && !strings.EqualFold(charset, "utf8") {
		return "?"
	}
	return media
}

func unescape(s string) (string, bool) {
	if !strings.Contains(s, "%") {
		return s, true
	}
	s, err := url.PathUnescape(s)
	return s, err == nil
}

// one returns a header that may be there once. A presigned query carries headers as
// parameters, and S3 reads them from there.
func (h *head) one(name string) (string, *Unresolved) {
	value, count := h.headerValue(name)
	if count > 1 {
		return "", unresolved(ReasonConflict, name+" is there more than once")
	}
	return value, nil
}

func (h *head) headerValue(name string) (value string, count int) {
	for _, v := range h.Header[textproto.CanonicalMIMEHeaderKey(name)] {
		value = v
		count++
	}
	if len(name) > 6 && strings.EqualFold(name[:6], "x-amz-") {
		for i := range h.parameters {
			if strings.EqualFold(h.parameters[i].key, name) {
				value = h.parameters[i].value
				count++
			}
		}
	}
	return value, count
}

func (h *head) headerCount(name string) int {
	_, count := h.headerValue(name)
	return count
}

// parameter returns the value of a query key, and how often it is there.
func (h *head) parameter(key string) (value string, count int) { return lookup(h.parameters, key) }

func lookup(pairs []pair, key string) (value string, count int) {
	for i := range pairs {
		if pairs[i].key == key {
			value = pairs[i].value
			count++
		}
	}
	return value, count
}

// actionCount counts Action, whatever its case, since servers differ in whether they tell cases
// apart.
func actionCount(pairs []pair) (value string, count int) {
	for i := range pairs {
		if strings.EqualFold(pairs[i].key, "Action") {
			value = pairs[i].value
			count++
		}
	}
	return value, count
}

// framed reports whether the body is said to be in AWS's own chunks, by any field or
// parameter that says so: the service takes them apart, and what is in them is not what
// stands here.
func (h *head) framed() bool {
	const name = "X-Amz-Content-Sha256"
	streams := func(value string) bool {
		return len(value) >= len(streaming) && strings.EqualFold(value[:len(streaming)], streaming)
	}
	return slices.ContainsFunc(h.Header[name], streams) ||
		slices.ContainsFunc(h.parameters, func(p pair) bool { return strings.EqualFold(p.key, name) && streams(p.value) }) ||
		h.headerCount("X-Amz-Decoded-Content-Length") > 0 || h.headerCount("X-Amz-Trailer") > 0
}

const streaming = "STREAMING-"

// partition is that of the region that the request is signed for.
func (h *head) partition() string {
	if h.Partition == "" {
		return "aws"
	}
	return h.Partition
}

// arn is that of something in the request's region and, where account is empty, the
// caller's account.
func (h *head) arn(service, account, resource string) string {
	return "arn:" + h.partition() + ":" + service + ":" + h.Region + ":" + account + ":" + resource
}
