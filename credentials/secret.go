package credentials

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// redacted is what every form of a Secret prints as, and what Scrub leaves in the
// place of a hit.
const redacted = "[redacted]"

// Secret is bytes that do not print. Every fmt verb, JSON, text, YAML and slog give
// "[redacted]"; gob and other binary encodings are refused. The zero Secret is
// empty. A Secret is immutable and safe for concurrent use.
//
// The bytes are held in a closure, because fmt and other printers that use
// reflection cannot call the methods of a Secret that sits in an unexported field,
// and would print any other kind of field.
type Secret struct {
	reveal func() []byte
}

// NewSecret returns a Secret that holds a copy of b.
func NewSecret(b []byte) Secret {
	held := bytes.Clone(b)
	return Secret{reveal: func() []byte { return held }}
}

// Reveal returns a copy of the bytes: the only way out of a Secret.
func (s Secret) Reveal() []byte { return bytes.Clone(s.bytes()) }

// IsZero reports whether the secret is empty.
func (s Secret) IsZero() bool { return len(s.bytes()) == 0 }

// bytes returns the held bytes themselves, for readers inside this package.
func (s Secret) bytes() []byte {
	if s.reveal == nil {
		return nil
	}
	return s.reveal()
}

// Format implements [fmt.Formatter] for every verb and flag.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// String implements [fmt.Stringer].
func (Secret) String() string { return redacted }

// GoString implements [fmt.GoStringer].
func (Secret) GoString() string { return redacted }

// LogValue implements [slog.LogValuer].
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON implements json.Marshaler.
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalText implements encoding.TextMarshaler.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalYAML implements yaml.Marshaler.
func (Secret) MarshalYAML() (any, error) { return redacted, nil }

// GobEncode refuses: a binary copy of a secret has no reader here.
func (Secret) GobEncode() ([]byte, error) { return nil, errSecretEncoded }

// MarshalBinary refuses, as GobEncode does.
func (Secret) MarshalBinary() ([]byte, error) { return nil, errSecretEncoded }

var errSecretEncoded = errors.New("a secret is not encoded")
