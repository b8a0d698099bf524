package audit

import (
	"crypto/sha256"
	"strings"
)

// RecodeIntent decodes and encodes an intent's payload.
func RecodeIntent(payload []byte) ([]byte, error) {
	var in Intent
	if err := DecodeIntent(payload, &in); err != nil {
		return nil, err
	}
	return AppendIntent(nil, &in, &in.Instance), nil
}

// RecodeOutcome decodes and encodes an outcome's payload.
func RecodeOutcome(payload []byte) ([]byte, error) {
	var out Outcome
	if err := DecodeOutcome(payload, &out); err != nil {
		return nil, err
	}
	return AppendOutcome(nil, &out), nil
}

// RecodeMap decodes and encodes any other payload.
func RecodeMap(payload []byte) ([]byte, error) {
	m, err := DecodeMap(payload)
	if err != nil {
		return nil, err
	}
	return EncodeMap(m)
}

// EncodeIntent and EncodeOutcome encode what a log would store.
func EncodeIntent(in *Intent, instance string) []byte {
	return AppendIntent(nil, in, &instance)
}

func EncodeOutcome(out *Outcome) []byte { return AppendOutcome(nil, out) }

// GlobMatch is the matching of operations.
func GlobMatch(pattern, s string) bool { return globMatch(pattern, s) }

// Hasher returns what hashes one event after the other into a tree.
func Hasher() func(payload []byte) {
	var t Tree
	var row []byte
	return func(payload []byte) {
		e := Encoded{Seq: uint64(t.Size + 1), Type: TypeIntent, Payload: payload}
		row = t.Append(row[:0], e.Leaf(sha256.Sum256(payload)))
	}
}

// EventKeys are the keys of the payload of an event of this type; nil if they are not all known.
func EventKeys(name string) []string { return strings.Fields(eventTypeOf(name).keys) }

// DecodedIntent and DecodedOutcome are what payloads say.
func DecodedIntent(payload []byte) (in Intent, err error) {
	err = DecodeIntent(payload, &in)
	return in, err
}

func DecodedOutcome(payload []byte) (out Outcome, err error) {
	err = DecodeOutcome(payload, &out)
	return out, err
}
