package audit

import (
	"crypto/sha256"
	"strings"
)

// RecodeIntent decodes and encodes an intent's payload.
func RecodeIntent(payload []byte) ([]byte, error) {
	var in Intent
	if err := decodeIntent(payload, &in); err != nil {
		return nil, err
	}
	return appendIntent(nil, &in, &in.Instance), nil
}

// RecodeOutcome decodes and encodes an outcome's payload.
func RecodeOutcome(payload []byte) ([]byte, error) {
	var out Outcome
	if err := decodeOutcome(payload, &out); err != nil {
		return nil, err
	}
	return appendOutcome(nil, &out), nil
}

// RecodeMap decodes and encodes any other payload.
func RecodeMap(payload []byte) ([]byte, error) {
	m, err := decodeMap(payload)
	if err != nil {
		return nil, err
	}
	return encodeMap(m)
}

// EncodeIntent and EncodeOutcome encode what a Trail would store.
func EncodeIntent(in *Intent, instance string) []byte {
	return appendIntent(nil, in, &instance)
}

func EncodeOutcome(out *Outcome) []byte { return appendOutcome(nil, out) }

// EncodeMap is the payload of any other event.
func EncodeMap(m map[string]any) ([]byte, error) { return encodeMap(m) }

// GlobMatch is the matching of operations.
func GlobMatch(pattern, s string) bool { return globMatch(pattern, s) }

// Hasher returns what hashes one event after the other into a tree.
func Hasher() func(payload []byte) {
	var t tree
	var row []byte
	return func(payload []byte) {
		e := event{seq: uint64(t.size + 1), typ: TypeIntent, payload: payload}
		row = t.append(row[:0], e.leaf(sha256.Sum256(payload)))
	}
}

// EventKeys are the keys of the payload of an event of this type; nil if they are not all known.
func EventKeys(name string) []string { return strings.Fields(eventTypeOf(name).keys) }

// DecodedIntent and DecodedOutcome are what payloads say.
func DecodedIntent(payload []byte) (in Intent, err error) {
	err = decodeIntent(payload, &in)
	return in, err
}

func DecodedOutcome(payload []byte) (out Outcome, err error) {
	err = decodeOutcome(payload, &out)
	return out, err
}
