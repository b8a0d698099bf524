package sigv4

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// The words that X-Amz-Content-Sha256 holds in the place of a hash.
const (
	unsignedPayload  = "UNSIGNED-PAYLOAD"
	unsignedTrailer  = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
	signedChunks     = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	signedTrailer    = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
	signedEvents     = "STREAMING-AWS4-HMAC-SHA256-EVENTS"
	asymmetricPrefix = "STREAMING-AWS4-ECDSA-"
)

// The words for a body whose hash is signed: stated by the client and verified, or
// found out here.
const (
	statedHash = "sha256"
	readAhead  = "sha256, read ahead"
)

// payloadWord says how the body is signed. The client's own choice is kept, since
// services tell the modes apart.
func (in *Inbound) payloadWord() (string, error) {
	switch word := in.stated; {
	case in.by == algorithmA && (word == signedChunks || word == signedTrailer):
		return "", refuse(Malformed, "the chunks are signed by another algorithm than the request")
	case word == unsignedPayload, word == unsignedTrailer, word == signedChunks, word == signedTrailer:
		return word, nil
	case word == "" && in.Presigned && isS3(in.Service):
		return unsignedPayload, nil
	case word == "" && isS3(in.Service):
		return "", refuse(PayloadMode, "S3 requests must state X-Amz-Content-Sha256")
	case word == "":
		return readAhead, nil
	case isHash(strings.ToLower(word)):
		return statedHash, nil
	case word == signedEvents:
		return "", refuse(EventStream, "event streams of %s are signed frame by frame, which is not supported; use an operation without one", in.Service)
	case strings.HasPrefix(word, asymmetricPrefix):
		return "", refuse(SigV4A, "chunks signed by SigV4A are not supported; let the client send them unsigned, with a checksum as trailer")
	}
	return "", refuse(PayloadMode, "X-Amz-Content-Sha256 must be a SHA-256 in hex or one of the words that AWS documents")
}

// payload is how the body is signed.
type payload struct {
	hash    string     // in the canonical request
	stated  bool       // sent as X-Amz-Content-Sha256
	chunked *rechainer // the body, if its chunks are signed
}

// payload puts the reader that sees to r's body in its place.
func (s *Signer) payload(r *http.Request, in *Inbound) (payload, error) {
	switch in.Payload {
	case statedHash:
		return verified(r, strings.ToLower(in.stated))
	case readAhead:
		return s.options.Spool.readAhead(r, in)
	case signedChunks, signedTrailer:
		return rechained(r, in)
	default:
		// What frames an unsigned trailer is not signed, so the body stays as it is.
		return payload{hash: in.Payload, stated: true}, nil
	}
}

// verified signs the hash that the client stated, and sees that the body has it.
func verified(r *http.Request, claimed string) (payload, error) {
	p := payload{hash: claimed, stated: true}
	if isEmpty(r) {
		if claimed != emptyHash {
			return payload{}, refuse(BodyMismatch, "the body is empty, but X-Amz-Content-Sha256 states another hash")
		}
		return p, nil
	}
	r.Body = &verifier{body: r.Body, hash: sha256.New(), want: claimed}
	r.GetBody = nil
	return p, nil
}

func isEmpty(r *http.Request) bool {
	return r.Body == nil || r.Body == http.NoBody
}

// verifier passes a body on but for its last byte, which follows once the hash of the
// whole is what was signed: nobody can take a body with another hash for complete.
type verifier struct {
	body io.ReadCloser
	hash hash.Hash
	want string

	held bool // last is a byte that was read and not passed on
	last byte
	err  error // what ended the body; io.EOF once its hash is right
}

func (v *verifier) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	n := 0
	for n == 0 && v.err == nil {
		n = v.step(b)
	}
	if errors.Is(v.err, io.EOF) && v.held && n < len(b) {
		b[n], v.held = v.last, false
		n++
	}
	if n > 0 {
		return n, nil
	}
	return 0, v.err
}

// step reads into b, putting the byte in hand first and taking the last one instead.
func (v *verifier) step(b []byte) int {
	n, err := v.body.Read(b)
	_, _ = v.hash.Write(b[:n])
	if n > 0 {
		last := b[n-1]
		if v.held {
			copy(b[1:n], b[:n-1])
			b[0] = v.last
		} else {
			n--
		}
		v.held, v.last = true, last
	}
	if errors.Is(err, io.EOF) && hex.EncodeToString(v.hash.Sum(nil)) != v.want {
		err = refuse(BodyMismatch, "the body is not the one whose hash X-Amz-Content-Sha256 states")
	}
	v.err = err
	return n
}

func (v *verifier) Close() error { return v.body.Close() }

// contentLength reads a length stated in a header.
func contentLength(h http.Header, name string) (int64, bool) {
	values := h[name]
	if len(values) != 1 {
		return 0, false
	}
	n, err := strconv.ParseUint(values[0], 10, 62)
	return int64(n), err == nil
}
