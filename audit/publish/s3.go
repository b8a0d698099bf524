package publish

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// S3 keeps every checkpoint as an object of its own, in a bucket whose object
// lock lets nobody change or delete it until a time. A request is signed by one
// of the credentials, which never goes to a host that it is not bound to.
type S3 struct {
	Address string // of the bucket, with a slash at the end
	Region  string
	Prefix  string        // of the objects' keys
	Lock    string        // COMPLIANCE or GOVERNANCE; "": as the bucket says
	Retain  time.Duration // from now on, if Lock is set
	Client  func() (client *http.Client, done func())
	// Sign replaces the signature of a request, which is made with keys that open
	// nothing.
	Sign func(ctx context.Context, r *http.Request) error
	Now  func() time.Time
}

// Name is the address.
func (s S3) Name() string { return s.Address + s.Prefix }

// Publish puts the object. Its key names the checkpoint's content, so that one
// which is there already is the same, and another head of the same trail would be
// an object beside it.
func (s S3) Publish(ctx context.Context, note []byte) error {
	r, err := s.request(ctx, note)
	if err != nil {
		return err
	}
	if err := s.Sign(ctx, r); err != nil {
		return err
	}
	client, done := s.Client()
	defer done()
	resp, err := client.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	switch resp.StatusCode {
	case http.StatusOK, http.StatusPreconditionFailed:
		return nil
	}
	return fmt.Errorf("it answered with status %d%s", resp.StatusCode, errorCode(answer))
}

// errorCode is the code in an error document of S3, with a space before it. The
// rest of such a document may hold anything.
func errorCode(document []byte) string {
	if m := regexp.MustCompile(`<Code>([A-Za-z]{1,64})</Code>`).FindSubmatch(document); m != nil {
		return " " + string(m[1])
	}
	return ""
}

// key is PREFIX, the size with leading zeros, so that keys sort, and the hash of
// the content.
func (s S3) key(note []byte) string {
	_, rest, _ := bytes.Cut(note, []byte("\n"))
	size, _, _ := bytes.Cut(rest, []byte("\n"))
	sum := sha256.Sum256(note)
	return fmt.Sprintf("%s%020s-%s", s.Prefix, size, hex.EncodeToString(sum[:8]))
}

func (s S3) request(ctx context.Context, note []byte) (*http.Request, error) {
	base, err := url.Parse(s.Address)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPut, base.JoinPath(s.key(note)).String(), bytes.NewReader(note))
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(note)
	now := s.Now().UTC()
	h := r.Header
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("If-None-Match", "*")
	h.Set("X-Amz-Content-Sha256", hex.EncodeToString(sum[:]))
	// Object lock asks for one of S3's checksums beside the signature.
	h.Set("X-Amz-Checksum-Sha256", base64.StdEncoding.EncodeToString(sum[:]))
	if s.Lock != "" {
		h.Set("X-Amz-Object-Lock-Mode", s.Lock)
		h.Set("X-Amz-Object-Lock-Retain-Until-Date", now.Add(s.Retain).Format(time.RFC3339))
	}
	stamp := now.Format("20060102T150405Z")
	h.Set("X-Amz-Date", stamp)
	h.Set("Authorization", "AWS4-HMAC-SHA256 Credential=sallyport/"+stamp[:8]+"/"+s.Region+"/s3/aws4_request, "+
		"SignedHeaders=content-type;host;if-none-match, Signature="+strings.Repeat("0", 64))
	return r, nil
}
