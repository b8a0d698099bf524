// Package ijson reads JSON that has one reading: I-JSON (RFC 7493), and a little
// stricter.
//
// It promises that what it accepts says the same to every reader. Names that come
// twice, invalid UTF-8, half surrogate pairs, a NUL in a name, a byte order mark,
// comments, data after the end and numbers that common readers round to nothing or to
// infinity are refused, at every depth.
//
// It never changes what it reads, and binds nothing to Go's types: a value is handed out
// as it was written, or spelled anew with the same meaning.
package ijson

import (
	"encoding/json"
	"errors"
	"slices"
	"unicode/utf8"
)

// MaxDepth is how deep lists and objects may lie in each other, far deeper than anything
// that is judged.
const MaxDepth = 200

// The errors, each the end of a sentence that begins with what was read.
var (
	ErrUTF8      = errors.New("is not UTF-8")
	ErrSyntax    = errors.New("is not valid JSON")
	ErrNoObject  = errors.New("is not a JSON object")
	ErrRepeated  = errors.New("names a key twice")
	ErrTrailing  = errors.New("goes on after its JSON value")
	ErrDepth     = errors.New("has more levels than are read")
	ErrSurrogate = errors.New("holds half of a surrogate pair")
	ErrNumber    = errors.New("holds a number that is not read alike by every reader")
	ErrNUL       = errors.New("has a key with a NUL in it")
)

// Member is one member of an object. Value is as it was written, without white space
// around it.
type Member struct {
	Name  string
	Value []byte
}

// Object reads exactly one JSON object, all of it.
func Object(text []byte) ([]Member, error) {
	s := scanner{text: text}
	if !utf8.Valid(text) {
		return nil, ErrUTF8
	}
	s.space()
	if s.peek() != '{' {
		return nil, ErrNoObject
	}
	var members []Member
	if err := s.object(&members); err != nil {
		return nil, err
	}
	return members, s.end()
}

// Check reads exactly one JSON value, all of it.
func Check(text []byte) error {
	s := scanner{text: text}
	if !utf8.Valid(text) {
		return ErrUTF8
	}
	s.space()
	if err := s.value(); err != nil {
		return err
	}
	return s.end()
}

// Elements returns the elements of a list that was read; ok is false if it is none.
func Elements(value []byte) (elements [][]byte, ok bool) {
	if len(value) == 0 || value[0] != '[' {
		return nil, false
	}
	s := scanner{text: value}
	err := s.list(func(element []byte) { elements = append(elements, element) })
	return elements, err == nil
}

// String returns what a value that was read says, if it is a string.
func String(value []byte) (text string, ok bool) {
	if len(value) < 2 || value[0] != '"' {
		return "", false
	}
	return unquote(value), true
}

// unquote is for strings that were read: they hold nothing that has two readings.
func unquote(quoted []byte) string {
	if !slices.Contains(quoted, '\\') {
		return string(quoted[1 : len(quoted)-1])
	}
	var text string
	if json.Unmarshal(quoted, &text) != nil {
		return "" // not reached: the scanner takes less than encoding/json does
	}
	return text
}
