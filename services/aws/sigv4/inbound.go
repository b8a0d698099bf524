package sigv4

import (
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	algorithm  = "AWS4-HMAC-SHA256"
	algorithmA = "AWS4-ECDSA-P256-SHA256"
	terminator = "aws4_request"
	timeFormat = "20060102T150405Z"

	maxAuthorization = 8 << 10
)

// Inbound is what a client's signature says of its request. None of it is verified;
// it is a claim, checked against the host before anything is signed.
type Inbound struct {
	AccessKeyID string // of the placeholder, or of keys the client should not have
	Region      string // or several, or "*", where the signature is SigV4A
	Service     string
	Presigned   bool   // the signature was in the query
	Payload     string // how the body is signed: one of the words below, for the trail

	// Holder is who sends the request. Each holder has a share of the room for bodies that
	// are read ahead.
	Holder string
	// Memory takes n more bytes of memory for the body, or gives some back if n is negative. It
	// is false if there are none left. Nil stands for memory without a bound.
	Memory func(n int64) bool

	by     string    // the algorithm
	until  time.Time // that a presigned request is good for
	signed []string  // the names of the headers it covers, in lower case
	stated string    // the body's hash, or the word in its place; empty if none was stated
}

// memory is Memory.
func (in *Inbound) memory(n int64) bool { return in.Memory == nil || in.Memory(n) }

// Read finds the request's signature, in its header or its query, and takes it apart.
// It leaves r as it is.
func Read(r *http.Request) (*Inbound, error) {
	query, err := parseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, err
	}
	if err := refuseOthers(r, query); err != nil {
		return nil, err
	}
	in, err := readSignature(r, query)
	if err != nil {
		return nil, err
	}
	if err := in.refuseDropped(r.Header); err != nil {
		return nil, err
	}
	in.Payload, err = in.payloadWord()
	return in, err
}

func readSignature(r *http.Request, query rawQuery) (*Inbound, error) {
	values := r.Header["Authorization"]
	presigned := query.has("X-Amz-Signature") || query.has("X-Amz-Algorithm")
	switch {
	case len(values) > 1 || presigned && len(values) > 0:
		return nil, refuse(Ambiguous, "the request is signed more than once; sign it in the Authorization header or in the query, once")
	case presigned:
		return readPresigned(r, query)
	case len(values) == 1:
		if name := query.header(); name != "" {
			// Whether a server reads it there depends on the server.
			return nil, refuse(Ambiguous, "the query holds %s, which belongs in a header where the signature is in one", name)
		}
		return readHeader(r, values[0])
	case isForm(r):
		return nil, refuse(PostPolicy, "a form upload signed by a POST policy cannot be signed again; upload with PutObject")
	default:
		return nil, refuse(Unsigned, "the request is not signed; configure the client with its placeholder keys")
	}
}

func isForm(r *http.Request) bool {
	return r.Method == http.MethodPost && strings.HasPrefix(strings.ToLower(r.Header.Get("Content-Type")), "multipart/form-data")
}

// refuseDropped refuses a header that is named as one of the connection alone: it ends
// here, and what is signed would not be what the client has signed, or what a policy
// has read.
func (in *Inbound) refuseDropped(h http.Header) error {
	for _, value := range h["Connection"] {
		for name := range strings.SplitSeq(value, ",") {
			name = strings.ToLower(strings.TrimSpace(name))
			if strings.HasPrefix(name, "x-amz-") || signable(name) && slices.Contains(in.signed, name) {
				return refuse(Malformed, "Connection names %s, which is signed", name)
			}
		}
	}
	return nil
}

// refuseOthers names the kinds of signature that are not signed again here.
func refuseOthers(r *http.Request, query rawQuery) error {
	authorization := r.Header.Get("Authorization")
	signature := query.has("Signature") || query.has("SignatureVersion")
	switch {
	case strings.HasPrefix(authorization, "AWS "), strings.HasPrefix(authorization, "AWS3"), signature && query.has("AWSAccessKeyId"):
		return refuse(SigV2, "the request is signed by a signature version before 4; configure the client for Signature Version 4")
	case len(r.Header["X-Amz-S3session-Token"]) > 0, query.has("X-Amz-S3session-Token"):
		return refuse(S3Express, "the request uses an S3 Express session, which is not supported; use a general purpose bucket")
	}
	return nil
}

// readHeader reads "AWS4-HMAC-SHA256 Credential=..., SignedHeaders=..., Signature=...".
func readHeader(r *http.Request, authorization string) (*Inbound, error) {
	if len(authorization) > maxAuthorization {
		return nil, refuse(Malformed, "the Authorization header is longer than %d bytes", maxAuthorization)
	}
	by, rest, _ := strings.Cut(authorization, " ")
	if by != algorithm && by != algorithmA {
		return nil, refuse(Unsigned, "the Authorization header is no AWS signature (%s); configure the client with its placeholder keys", algorithm)
	}
	var credential, signed, signature string
	for part := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		var field *string
		switch name {
		case "Credential":
			field = &credential
		case "SignedHeaders":
			field = &signed
		case "Signature":
			field = &signature
		}
		if field == nil || *field != "" {
			return nil, refuse(Malformed, "the Authorization header must hold Credential, SignedHeaders and Signature, once each")
		}
		*field = value
	}
	if !isSignature(signature, by) {
		return nil, refuse(Malformed, "the Authorization header's signature is malformed")
	}
	in := &Inbound{by: by, stated: r.Header.Get("X-Amz-Content-Sha256")}
	if len(r.Header["X-Amz-Content-Sha256"]) > 1 {
		return nil, refuse(Malformed, "X-Amz-Content-Sha256 is there more than once")
	}
	day, err := in.scope(credential, signed, r.Header.Get("X-Amz-Region-Set"))
	if err != nil {
		return nil, err
	}
	return in, sameDay(day, r.Header)
}

// sameDay checks that the scope is of the day that the request is dated.
func sameDay(day string, h http.Header) error {
	var at time.Time
	var err error
	if stamp := h.Get("X-Amz-Date"); stamp != "" {
		at, err = time.Parse(timeFormat, stamp)
	} else {
		at, err = http.ParseTime(h.Get("Date"))
	}
	if err != nil || at.UTC().Format("20060102") != day {
		return refuse(Malformed, "the request's date is missing, malformed, or of another day than its signature")
	}
	return nil
}

// readPresigned reads a signature from the query. How long it is good for is the
// client's own limit, so it is kept.
func readPresigned(r *http.Request, query rawQuery) (*Inbound, error) {
	values := map[string]string{}
	for _, name := range []string{"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature"} {
		value, count := query.value(name)
		if count != 1 {
			return nil, refuse(Malformed, "the presigned query must hold %s once", name)
		}
		values[name] = value
	}
	by := values["X-Amz-Algorithm"]
	if by != algorithm && by != algorithmA || !isSignature(values["X-Amz-Signature"], by) {
		return nil, refuse(Malformed, "the presigned query is malformed")
	}
	regions, _ := query.value("X-Amz-Region-Set")
	in := &Inbound{by: by, Presigned: true, stated: r.Header.Get("X-Amz-Content-Sha256")}
	if hash, count := query.value("X-Amz-Content-Sha256"); count > 0 && in.stated == "" {
		in.stated = hash
	}
	day, err := in.scope(values["X-Amz-Credential"], values["X-Amz-SignedHeaders"], regions)
	if err == nil {
		err = sameDay(day, http.Header{"X-Amz-Date": {values["X-Amz-Date"]}})
	}
	if err != nil {
		return nil, err
	}
	in.until, err = validUntil(values["X-Amz-Date"], values["X-Amz-Expires"])
	return in, err
}

// validUntil is when a presigned request ends to be good.
func validUntil(stamp, lifetime string) (time.Time, error) {
	at, err := time.Parse(timeFormat, stamp)
	seconds, err2 := strconv.ParseUint(lifetime, 10, 32)
	if err != nil || err2 != nil || seconds > 7*24*3600 {
		return time.Time{}, refuse(Malformed, "X-Amz-Expires must be a number of seconds up to a week")
	}
	return at.Add(time.Duration(seconds) * time.Second), nil
}

// scope reads "AKID/20130524/us-east-1/s3/aws4_request" and "host;range". The scope of
// SigV4A has no region; regions has them.
func (in *Inbound) scope(credential, signed, regions string) (day string, err error) {
	malformed := refuse(Malformed, "the signature's credential must be KEY/DATE/REGION/SERVICE/%s", terminator)
	parts := strings.Split(credential, "/")
	last := len(parts) - 1
	if in.by == algorithmA && last >= 3 {
		parts = slices.Insert(parts, last-1, regions)
		last++
	}
	if last < 4 || parts[last] != terminator {
		return "", malformed
	}
	in.AccessKeyID = strings.Join(parts[:last-3], "/")
	day, in.Region, in.Service = parts[last-3], parts[last-2], parts[last-1]
	named := isName(in.Region) || in.by == algorithmA && isRegionSet(in.Region)
	if in.AccessKeyID == "" || len(in.AccessKeyID) > 128 || !named || !isName(in.Service) || len(day) != 8 {
		return "", malformed
	}
	in.signed = strings.Split(signed, ";")
	if slices.ContainsFunc(in.signed, func(name string) bool { return !isHeaderName(name) }) || !slices.Contains(in.signed, "host") {
		return "", refuse(Malformed, "SignedHeaders must be header names in lower case, separated by ; and with host among them")
	}
	return day, nil
}

// isName reports whether s can be a region or a service.
func isName(s string) bool {
	for i := range len(s) {
		if c := s[i]; !unreserved(c) || c == '.' || c == '_' || c == '~' {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

// isHeaderName reports whether s is a field name (RFC 9110 section 5.6.2) in lower case.
func isHeaderName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && strings.IndexByte("!#$%&'*+.^_`|~", c) < 0 {
			return false
		}
	}
	return s != "" && len(s) <= 256
}

// isHash reports whether s is a SHA-256 in lower-case hex.
func isHash(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return len(s) == 64
}

// strip removes everything of the inbound signature from r. Parameters that a presign
// carries in the query although they belong in headers (X-Amz-Acl, X-Amz-Meta-...)
// become headers, since S3 reads them from the query of presigned requests only.
func (in *Inbound) strip(r *http.Request, query rawQuery) (rawQuery, error) {
	for _, name := range []string{
		"Authorization", "X-Amz-Date", "Date", "X-Amz-Security-Token", "X-Amz-S3session-Token", "X-Amz-Content-Sha256",
		"X-Amz-Region-Set", "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-Signedheaders", "X-Amz-Expires",
	} {
		delete(r.Header, name)
	}
	kept, hoisted := in.divide(query)
	for _, p := range hoisted {
		if err := hoist(r.Header, textproto.CanonicalMIMEHeaderKey(p.decoded()), p); err != nil {
			return nil, err
		}
	}
	return kept, nil
}

// divide leaves out the signature's own parameters, and tells apart those that leave as
// headers.
func (in *Inbound) divide(query rawQuery) (kept, hoisted rawQuery) {
	for _, p := range query {
		switch name := textproto.CanonicalMIMEHeaderKey(p.decoded()); {
		case isPresignParameter(name):
		case in.Presigned && strings.HasPrefix(name, "X-Amz-"):
			hoisted = append(hoisted, p)
		default:
			kept = append(kept, p)
		}
	}
	return kept, hoisted
}

// Sent returns path and query as the request leaves once it is signed, for whoever has
// to judge that and not what the client sent. The error is a [*Refusal].
func (in *Inbound) Sent(path, rawQuery string) (sentPath, sentQuery string, err error) {
	query, err := parseQuery(rawQuery)
	if err == nil && isS3(in.Service) {
		path, err = sentToS3(path)
	}
	if err != nil {
		return "", "", err
	}
	kept, _ := in.divide(query)
	return path, kept.wire(), nil
}

// Fields returns the values that a request has for a field of S3's, in its header or, if it
// is presigned, in its query, from where they become header fields. name is canonical.
func (in *Inbound) Fields(r *http.Request, name string) []string {
	values := r.Header[name]
	if !in.Presigned {
		return values
	}
	query, err := parseQuery(r.URL.RawQuery)
	if err != nil {
		return values // it is refused before it is signed
	}
	for _, p := range query {
		if textproto.CanonicalMIMEHeaderKey(p.decoded()) == name {
			values = append(slices.Clone(values), p.decodedValue())
		}
	}
	return values
}

func isPresignParameter(canonicalName string) bool {
	switch canonicalName {
	case "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-Signedheaders", "X-Amz-Signature",
		"X-Amz-Security-Token", "X-Amz-Content-Sha256", "X-Amz-Region-Set", "X-Amz-S3session-Token":
		return true
	}
	return false
}

func hoist(h http.Header, name string, p parameter) error {
	value := p.decodedValue()
	_, there := h[name]
	if there || !isHeaderName(strings.ToLower(name)) || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return refuse(Malformed, "the presigned query holds a header twice, or one that cannot be a header; send it as a header")
	}
	h[name] = []string{value}
	return nil
}
