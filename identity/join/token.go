package join

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// prefix begins every token, so that people and secret scanners know one when they see it.
const prefix = "sallyport-join-"

// maxToken bounds a token, which has some 350 bytes.
const maxToken = 4 << 10

// Token is what an invite is handed over as: one string from which an agent finds the
// enrolment listener, knows it to be the right one, and may join.
type Token struct {
	Enrol  string // host:port of the enrolment listener
	Proxy  string // host:port where agents send their traffic; "" if that was unknown
	CA     string // [Hash] of the authority's certificate
	Invite uuid.UUID
	Secret string // of which the registry has only the hash
}

// written is a Token as JSON, with names that keep it short.
type written struct {
	Enrol  string    `json:"e"`
	Proxy  string    `json:"p,omitempty"`
	CA     string    `json:"c"`
	Invite uuid.UUID `json:"i"`
	Secret string    `json:"s"`
}

// String keeps a token out of logs and errors.
func (Token) String() string { return prefix + "[secret]" }

// GoString does the same for %#v.
func (t Token) GoString() string { return t.String() }

// Text is the token as it is handed over: a secret.
func (t Token) Text() string {
	data, err := json.Marshal(written(t)) //nolint:gosec // a token is a secret, and this is how it is handed over
	if err != nil {
		panic(err) // strings and a UUID can always be written
	}
	return prefix + base64.RawURLEncoding.EncodeToString(data)
}

// NewSecret makes the secret of a token: 160 bits.
func NewSecret() string {
	return (rand.Text() + rand.Text())[:32]
}

// HashSecret is what the registry keeps of a secret. A secret is random and long, so that
// nothing slower is needed.
func HashSecret(secret string) string {
	sum := sha256.Sum256([]byte("sallyport join " + secret))
	return hex.EncodeToString(sum[:])
}

// Hash is how a token names an authority.
func Hash(authority *x509.Certificate) string {
	sum := sha256.Sum256(authority.Raw)
	return hex.EncodeToString(sum[:])
}

// errToken says no more than what to do: the text of a token is a secret.
var errToken = errors.New("this is no join token; copy the whole line that `sallyport agent invite` printed")

// ParseToken reads what Text wrote, with white space around it. Its errors hold nothing of
// the text.
func ParseToken(text string) (Token, error) {
	encoded, ok := strings.CutPrefix(strings.TrimSpace(text), prefix)
	if !ok || len(encoded) > maxToken {
		return Token{}, errToken
	}
	data, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return Token{}, errToken
	}
	var w written
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if dec.Decode(&w) != nil {
		return Token{}, errToken
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Token{}, errToken
	}
	return Token(w), w.check()
}

func (w written) check() error {
	hash, err := hex.DecodeString(w.CA)
	switch {
	case err != nil, len(hash) != sha256.Size, w.CA != strings.ToLower(w.CA), w.Invite == uuid.Nil, len(w.Secret) < 20:
		return errToken
	}
	if err := checkAddress(w.Enrol); err != nil {
		return fmt.Errorf("the join token's enrolment address: %w", err)
	}
	if w.Proxy == "" {
		return nil
	}
	if err := checkAddress(w.Proxy); err != nil {
		return fmt.Errorf("the join token's proxy address: %w", err)
	}
	return nil
}

func checkAddress(address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" || strings.ContainsAny(host, " \t\r\n/@") {
		return fmt.Errorf("%.80q is not HOST:PORT", address)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Errorf("%.80q is not HOST:PORT", address)
	}
	return nil
}
