package sigv4

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Options is what a Signer needs to know beside its keys. The zero value is for AWS.
type Options struct {
	Clock *Clock    // ours, as it is, if nil
	Agree Agreement // AWS's own hosts if nil
	Spool *Spool    // for bodies that are read ahead; one of the signer's own if nil
}

// Agreement says whether host serves service in region, as the client claims that it
// does. The error is a [*Refusal].
type Agreement func(host, service, region string) error

// Accept checks a claim against the host that the request goes to, and a presigned one
// against the clock. Signing does so too; keys that are obtained for one request need
// not be obtained for one that will be refused. The error is a [*Refusal].
func (o Options) Accept(in *Inbound, host string) error {
	name := withoutPort(strings.ToLower(host))
	agree := o.Agree
	if agree == nil {
		agree = AWS
	}
	if err := agree(name, in.Service, in.Region); err != nil {
		return err
	}
	if in.Presigned && o.Clock.At(name).After(in.until) {
		return refuse(Expired, "the presigned URL has expired; make a new one")
	}
	return nil
}

// Signer signs requests with one set of keys. It is safe for concurrent use.
type Signer struct {
	keys    Keys
	options Options
	derived derivedKeys
	pair    keyPair
}

// NewSigner returns a Signer.
func NewSigner(keys Keys, options Options) (*Signer, error) {
	if keys.AccessKeyID == "" || keys.secret == nil || keys.secret() == "" {
		return nil, errors.New("new signer: keys are empty")
	}
	if options.Spool == nil {
		options.Spool = &Spool{}
	}
	return &Signer{keys: keys, options: options}, nil
}

// Resign signs r, an outbound request, with the signer's keys, in the place of the
// signature that the client's request was found to have; what of that is still in r is
// removed. It must be the last step before the wire: what changes afterwards is not
// what was signed. An error is a [*Refusal] or that of reading the body; r must not be
// sent then.
//
// Resign sets r.Host, r.Header, r.URL (path and query in a form that every server reads
// alike), and r.Body, whose Read may fail with a [*Refusal] later, before its last byte.
// What it holds for the body is let go when r's context ends.
func (s *Signer) Resign(r *http.Request, in *Inbound) error {
	query, err := parseQuery(r.URL.RawQuery)
	if err != nil {
		return err
	}
	if r.URL.Scheme != "https" || r.URL.User != nil {
		return refuse(Malformed, "only https requests without user information are signed")
	}
	host := hostOf(r)
	if err := s.options.Accept(in, host); err != nil {
		return err
	}
	if err := sendCanonical(r.URL, in.Service); err != nil {
		return err
	}
	p, err := s.payload(r, in)
	if err != nil {
		return err
	}
	if query, err = in.strip(r, query); err != nil {
		return err
	}
	// The date comes after the body that was read ahead, which may have taken a while.
	now := s.options.Clock.At(withoutPort(host)).UTC()
	r.Host = host
	r.URL.RawQuery = query.wire()
	r.Header["X-Amz-Date"] = []string{now.Format(timeFormat)}
	if token := s.keys.token(); token != "" {
		r.Header["X-Amz-Security-Token"] = []string{token}
	}
	if p.stated {
		r.Header["X-Amz-Content-Sha256"] = []string{p.hash}
	}
	if in.by == algorithmA {
		r.Header["X-Amz-Region-Set"] = []string{in.Region}
	}
	chain, err := s.sign(r, in, query, p.hash, now)
	if err != nil {
		return err
	}
	if p.chunked != nil {
		p.chunked.chain = chain
	}
	return nil
}

// hostOf is the Host that is sent and signed: lower case, and 443 left out, which is
// what every client and server make of it.
func hostOf(r *http.Request) string {
	host := r.Host
	if host == "" {
		host = r.URL.Host
	}
	return strings.TrimSuffix(strings.ToLower(host), ":443")
}

func withoutPort(host string) string {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		return host[:i]
	}
	return host
}

// buffers holds the room for canonical requests, which are a few KiB and made for
// every request.
type buffers struct{ canonical, text []byte }

//nolint:gochecknoglobals // a pool is shared by its nature and holds no state
var pool = sync.Pool{New: func() any { return &buffers{} }}

// sign computes the signature and sets Authorization. The chain it returns is where
// the signatures of chunks go on.
func (s *Signer) sign(r *http.Request, in *Inbound, query rawQuery, payload string, now time.Time) (*chain, error) {
	fields := in.covered(r)
	stamp := now.Format(timeFormat)
	scope := stamp[:8] + "/" + in.Region + "/" + in.Service + "/" + terminator
	if in.by == algorithmA {
		scope = stamp[:8] + "/" + in.Service + "/" + terminator
	}
	room, _ := pool.Get().(*buffers)
	defer pool.Put(room)

	b := append(room.canonical[:0], r.Method...)
	b = append(b, '\n')
	b, err := appendPath(b, r.URL.EscapedPath(), in.Service)
	if err != nil {
		return nil, err
	}
	b = append(b, '\n')
	b = query.appendCanonical(b)
	b = append(b, '\n')
	for _, f := range fields {
		b = appendHeader(b, r, f)
	}
	b = append(b, '\n')
	start := len(b)
	for i, f := range fields {
		if i > 0 {
			b = append(b, ';')
		}
		b = append(b, f.lower...)
	}
	signed := string(b[start:])
	b = append(b, '\n')
	b = append(b, payload...)
	room.canonical = b
	hash := sha256.Sum256(b)

	text := append(room.text[:0], in.by+"\n"...)
	text = append(text, stamp...)
	text = append(text, '\n')
	text = append(text, scope...)
	text = append(text, '\n')
	text = hex.AppendEncode(text, hash[:])
	room.text = text

	var signature string
	var c *chain
	if in.by == algorithmA {
		if signature, err = s.signAsymmetric(text); err != nil {
			return nil, err
		}
	} else {
		c = &chain{key: s.derived.key(s.keys, derivation{stamp[:8], in.Region, in.Service}), stamp: stamp, scope: scope}
		c.previous = c.sum(text)
		signature = string(c.previous[:])
	}
	r.Header["Authorization"] = []string{
		in.by + " Credential=" + s.keys.AccessKeyID + "/" + scope + ", SignedHeaders=" + signed + ", Signature=" + signature,
	}
	return c, nil
}

// field is the name of a header to sign: as it is signed and as Go keeps it.
type field struct{ lower, key string }

// covered lists the headers to sign, sorted: what the client signed and is still
// there, every X-Amz- header, and host.
func (in *Inbound) covered(r *http.Request) []field {
	fields := make([]field, 0, len(in.signed)+8)
	fields = append(fields, field{lower: "host"})
	for _, name := range in.signed {
		switch {
		case name == "host", strings.HasPrefix(name, "x-amz-"), !signable(name):
		case name == "content-length":
			// The transport writes it from r.ContentLength, and not always when that is 0.
			if r.ContentLength > 0 {
				fields = append(fields, field{lower: name})
			}
		default:
			if key := http.CanonicalHeaderKey(name); len(r.Header[key]) > 0 {
				fields = append(fields, field{name, key})
			}
		}
	}
	for key := range r.Header {
		if strings.HasPrefix(key, "X-Amz-") {
			fields = append(fields, field{strings.ToLower(key), key})
		}
	}
	slices.SortFunc(fields, func(a, b field) int { return strings.Compare(a.lower, b.lower) })
	return slices.Compact(fields)
}

// signable leaves out what proxies and transports on the way may change: the list
// that AWS's own SDKs use.
func signable(name string) bool {
	switch name {
	case "authorization", "connection", "expect", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "user-agent", "x-amzn-trace-id":
		return false
	}
	return !strings.HasPrefix(name, "proxy-")
}

// appendHeader appends "name:value\n": repeated values joined by commas in their
// order, white space around them dropped and within them made one space.
func appendHeader(b []byte, r *http.Request, f field) []byte {
	b = append(b, f.lower...)
	b = append(b, ':')
	switch f.lower {
	case "host":
		b = append(b, r.Host...)
	case "content-length":
		b = strconv.AppendInt(b, r.ContentLength, 10)
	default:
		for i, value := range r.Header[f.key] {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendCollapsed(b, value)
		}
	}
	return append(b, '\n')
}

func appendCollapsed(b []byte, value string) []byte {
	start := len(b)
	for i := range len(value) {
		c := value[i]
		if c == '\t' || c == '\r' || c == '\n' {
			c = ' '
		}
		if c == ' ' && (len(b) == start || b[len(b)-1] == ' ') {
			continue
		}
		b = append(b, c)
	}
	if len(b) > start {
		b = bytes.TrimSuffix(b, []byte(" "))
	}
	return b
}
