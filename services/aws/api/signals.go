package api

import (
	"mime"
	"net/textproto"
	"net/url"
	"slices"
	"strings"

	"sallyport/internal/ijson"
)

// signals is what a request says of its operation. It reads the body at most once.
type signals struct {
	*Request

	method     string
	parameters []pair // of the query, decoded
	target     string
	smithy     string
	media      string
	protocol   string // by which it was named

	membersRead    bool
	members        []ijson.Member // of the body, if that is a JSON object
	membersProblem string

	bodyRead bool
	body     []byte
	bodyErr  *Unresolved
	form     []pair   // of the body, if that is a form
	segments []string // of a REST path, decoded
	names    []string // of its parameters, empty for what is fixed
	bucket   string   // S3: the bucket
	key      string   // S3: the key, decoded
	room     [16]pair

	bucketInHost bool // S3: the bucket is in the host's name, not in the path
}

type pair struct{ key, value string }

// maxParameters is far more than any operation takes.
const maxParameters = 4096

func readSignals(r *Request) (*signals, *Unresolved) {
	q := &signals{Request: r, method: r.Method}
	q.parameters = q.room[:0]
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
		if !ok || !ok2 || needless(raw) || len(q.parameters) == maxParameters {
			return nil, unresolved(ReasonQuery, "the query cannot be read")
		}
		q.parameters = append(q.parameters, pair{key, value})
	}
	var err *Unresolved
	if q.target, err = q.one("X-Amz-Target"); err != nil {
		return nil, err
	}
	if q.smithy, err = q.one("Smithy-Protocol"); err != nil {
		return nil, err
	}
	contentType, err := q.one("Content-Type")
	if err != nil {
		return nil, err
	}
	q.media = mediaType(contentType)
	return q, nil
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
func (q *signals) one(name string) (string, *Unresolved) {
	value, count := q.headerValue(name)
	if count > 1 {
		return "", unresolved(ReasonConflict, name+" is there more than once")
	}
	return value, nil
}

func (q *signals) headerValue(name string) (value string, count int) {
	for _, v := range q.Header[textproto.CanonicalMIMEHeaderKey(name)] {
		value = v
		count++
	}
	if len(name) > 6 && strings.EqualFold(name[:6], "x-amz-") {
		for i := range q.parameters {
			if strings.EqualFold(q.parameters[i].key, name) {
				value = q.parameters[i].value
				count++
			}
		}
	}
	return value, count
}

func (q *signals) headerCount(name string) int {
	_, count := q.headerValue(name)
	return count
}

// parameter returns the value of a query key, and how often it is there.
func (q *signals) parameter(key string) (value string, count int) { return lookup(q.parameters, key) }

func lookup(pairs []pair, key string) (value string, count int) {
	for i := range pairs {
		if pairs[i].key == key {
			value = pairs[i].value
			count++
		}
	}
	return value, count
}

// actionCount finds Action in any case: who writes it otherwise wants to be read
// differently.
func actionCount(pairs []pair) (value string, count int) {
	for i := range pairs {
		if strings.EqualFold(pairs[i].key, "Action") {
			value = pairs[i].value
			count++
		}
	}
	return value, count
}

// readBody returns the body, or why it cannot be read.
func (q *signals) readBody() ([]byte, *Unresolved) {
	if q.bodyRead {
		return q.body, q.bodyErr
	}
	q.bodyRead = true
	if q.Body == nil {
		q.bodyErr = unresolved(ReasonBody, "what it does is in its body, which is not known here")
		return nil, q.bodyErr
	}
	for _, encoding := range q.Header["Content-Encoding"] {
		if !strings.EqualFold(encoding, "identity") && encoding != "" {
			q.bodyErr = unresolved(ReasonBody, "the body is encoded; send it as it is")
			return nil, q.bodyErr
		}
	}
	if q.framed() {
		q.bodyErr = unresolved(ReasonBody, "the body is sent in chunks of AWS's own, behind which what it says is not read; send it whole, with its hash in X-Amz-Content-Sha256")
		return nil, q.bodyErr
	}
	body, more, err := q.Body()
	switch {
	case err != nil:
		q.bodyErr = unresolved(ReasonBody, "the body could not be read")
	case more:
		q.bodyErr = unresolved(ReasonTooLarge, "the body is longer than is read to name a request (1 MiB)")
	default:
		q.body = body
	}
	return q.body, q.bodyErr
}

// framed reports whether the body is said to be in AWS's own chunks, by any field or
// parameter that says so: the service takes them apart, and what is in them is not what
// stands here.
func (q *signals) framed() bool {
	const name = "X-Amz-Content-Sha256"
	streams := func(value string) bool {
		return len(value) >= len(streaming) && strings.EqualFold(value[:len(streaming)], streaming)
	}
	return slices.ContainsFunc(q.Header[name], streams) ||
		slices.ContainsFunc(q.parameters, func(p pair) bool { return strings.EqualFold(p.key, name) && streams(p.value) }) ||
		q.headerCount("X-Amz-Decoded-Content-Length") > 0 || q.headerCount("X-Amz-Trailer") > 0
}

const streaming = "STREAMING-"
