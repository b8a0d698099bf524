package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
)

// signature is a signature in hex.
type signature [64]byte

// emptyHash is the SHA-256 of nothing.
const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// chain signs one chunk after the other, each signature covering the one before; the
// first covers the request's.
type chain struct {
	key          [32]byte
	stamp, scope string
	previous     signature

	mac  hash.Hash
	text []byte
}

// chunk signs data as the next chunk.
func (c *chain) chunk(data []byte) signature {
	sum := sha256.Sum256(data)
	c.begin("AWS4-HMAC-SHA256-PAYLOAD\n")
	c.text = append(c.text, emptyHash+"\n"...)
	return c.end(sum)
}

// trailer signs the canonical trailer, "name:value\n" for each.
func (c *chain) trailer(canonical []byte) signature {
	sum := sha256.Sum256(canonical)
	c.begin("AWS4-HMAC-SHA256-TRAILER\n")
	return c.end(sum)
}

func (c *chain) begin(kind string) {
	c.text = append(c.text[:0], kind...)
	c.text = append(c.text, c.stamp...)
	c.text = append(c.text, '\n')
	c.text = append(c.text, c.scope...)
	c.text = append(c.text, '\n')
	c.text = append(c.text, c.previous[:]...)
	c.text = append(c.text, '\n')
}

func (c *chain) end(sum [32]byte) signature {
	c.text = hex.AppendEncode(c.text, sum[:])
	c.previous = c.sum(c.text)
	return c.previous
}

func (c *chain) sum(text []byte) (s signature) {
	if c.mac == nil {
		c.mac = hmac.New(sha256.New, c.key[:])
	}
	c.mac.Reset()
	_, _ = c.mac.Write(text)
	var sum [32]byte
	hex.Encode(s[:], c.mac.Sum(sum[:0]))
	return s
}
