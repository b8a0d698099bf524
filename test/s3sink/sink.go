// Package s3sink is the far end of an upload in tests: it verifies what AWS verifies,
// by AWS's documents and with no code of Sallyport's, and keeps nothing but the digest of
// what arrived. Real servers prove more (test/aws), and cost more; this one takes
// gigabytes.
package s3sink

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// Sink verifies requests that are signed with one set of keys.
type Sink struct {
	AccessKeyID, Secret, Token string
	Now                        func() time.Time // time.Now if nil

	mu   sync.Mutex
	seen []Upload
}

// Upload is one request that was accepted.
type Upload struct {
	Method, Host, URI string
	Mode              string // X-Amz-Content-Sha256, "sha256" for a hash, "" if there is none
	Proto             string
	Length            int64  // of the data, decoded
	SHA256            string // of the data, decoded
	Header            http.Header
}

// Seen returns what was accepted.
func (s *Sink) Seen() []Upload {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.seen)
}

// ServeHTTP answers 200 to what verifies, and 403 with the reason to everything else.
func (s *Sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	upload, err := s.verify(r)
	if err != nil {
		_, _ = io.Copy(io.Discard, r.Body)
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	s.mu.Lock()
	s.seen = append(s.seen, upload)
	s.mu.Unlock()
	w.Header().Set("Etag", upload.SHA256)
}

// claim is an Authorization header, taken apart.
type claim struct {
	key, signed, signature string
	scope                  []string // date, region, service, aws4_request
}

func parse(authorization string) (claim, error) {
	rest, ok := strings.CutPrefix(authorization, "AWS4-HMAC-SHA256 ")
	fields := map[string]string{}
	for part := range strings.SplitSeq(rest, ", ") {
		name, value, _ := strings.Cut(part, "=")
		fields[name] = value
	}
	scope := strings.Split(fields["Credential"], "/")
	if !ok || len(scope) != 5 || scope[4] != "aws4_request" {
		return claim{}, errors.New("AuthorizationHeaderMalformed")
	}
	return claim{scope[0], fields["SignedHeaders"], fields["Signature"], scope[1:]}, nil
}

func (s *Sink) verify(r *http.Request) (Upload, error) {
	none := Upload{}
	if len(r.Header["Authorization"]) != 1 {
		return none, errors.New("AccessDenied: there is not one Authorization")
	}
	c, err := parse(r.Header.Get("Authorization"))
	if err != nil {
		return none, err
	}
	stamp := r.Header.Get("X-Amz-Date")
	at, err := time.Parse("20060102T150405Z", stamp)
	now := time.Now
	if s.Now != nil {
		now = s.Now
	}
	switch {
	case c.key != s.AccessKeyID:
		return none, errors.New("InvalidAccessKeyId")
	case r.Header.Get("X-Amz-Security-Token") != s.Token:
		return none, errors.New("InvalidToken")
	case err != nil || !strings.HasPrefix(stamp, c.scope[0]):
		return none, errors.New("MalformedDate")
	case now().Sub(at).Abs() > 15*time.Minute:
		return none, errors.New("RequestTimeTooSkewed")
	}
	key := []byte("AWS4" + s.Secret)
	for _, part := range c.scope {
		key = mac(key, part)
	}
	scope := strings.Join(c.scope, "/")
	mode := r.Header.Get("X-Amz-Content-Sha256")
	body := &body{mode: mode, header: r.Header, seed: c.signature, key: key, stamp: stamp, scope: scope}
	if mode == "" { // other services than S3: the hash is signed and not stated
		if err := body.read(r.Body); err != nil {
			return none, err
		}
		mode = body.digest()
	}
	request, err := canonical(r, c, mode)
	if err != nil {
		return none, err
	}
	want := hex.EncodeToString(mac(key, "AWS4-HMAC-SHA256\n"+stamp+"\n"+scope+"\n"+hashOf([]byte(request))))
	if want != c.signature {
		return none, fmt.Errorf("SignatureDoesNotMatch: of\n%s", request)
	}
	if body.mode != "" {
		if err := body.read(r.Body); err != nil {
			return none, err
		}
	}
	if len(mode) == 64 && body.mode != "" {
		body.mode = "sha256"
	}
	return Upload{r.Method, r.Host, r.RequestURI, body.mode, r.Proto, body.length, body.digest(), r.Header.Clone()}, nil
}

// canonical is the canonical request, from what arrived on the wire.
func canonical(r *http.Request, c claim, payload string) (string, error) {
	signed := strings.Split(c.signed, ";")
	if !slices.IsSorted(signed) || !slices.Contains(signed, "host") {
		return "", errors.New("SignedHeaders are not sorted, or host is not among them")
	}
	for name := range r.Header {
		if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-amz-") && !slices.Contains(signed, lower) {
			return "", errors.New("AccessDenied: not signed: " + lower)
		}
	}
	rawPath, rawQuery, _ := strings.Cut(r.RequestURI, "?")
	path, err := url.PathUnescape(rawPath)
	if err != nil {
		return "", err
	}
	segments := strings.Split(path, "/")
	for i := range segments {
		segments[i] = encode(segments[i])
		if c.scope[2] != "s3" {
			segments[i] = encode(segments[i])
		}
	}
	var pairs []string
	for pair := range strings.SplitSeq(rawQuery, "&") {
		name, value, _ := strings.Cut(pair, "=")
		name, err1 := url.PathUnescape(name)
		value, err2 := url.PathUnescape(value)
		if err := errors.Join(err1, err2); err != nil {
			return "", err
		}
		if pair != "" {
			pairs = append(pairs, encode(name)+"="+encode(value))
		}
	}
	slices.Sort(pairs)
	var headers strings.Builder
	for _, name := range signed {
		value := strings.Join(r.Header.Values(name), ",")
		switch name {
		case "host":
			value = r.Host
		case "content-length":
			value = fmt.Sprint(r.ContentLength)
		}
		headers.WriteString(name + ":" + strings.Join(strings.Fields(value), " ") + "\n")
	}
	return strings.Join([]string{r.Method, strings.Join(segments, "/"), strings.Join(pairs, "&"), headers.String(), c.signed, payload}, "\n"), nil
}

// encode is AWS's UriEncode.
func encode(s string) string {
	return strings.NewReplacer("+", "%20", "%7E", "~").Replace(url.QueryEscape(s))
}

func mac(key []byte, text string) []byte {
	m := hmac.New(sha256.New, key)
	_, _ = io.WriteString(m, text)
	return m.Sum(nil)
}

func hashOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// body is what is read of a request, with its digest.
type body struct {
	mode         string
	header       http.Header
	seed         string
	key          []byte
	stamp, scope string
	length       int64
	sum          hash.Hash
	previous     string
}

func (b *body) digest() string { return hex.EncodeToString(b.sum.Sum(nil)) }
