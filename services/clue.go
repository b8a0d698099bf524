package services

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"sallyport/audit"
)

// Clue is something by which another system shows a request, and what finds it in the trail.
type Clue struct {
	audit.Mark
	Filter audit.Filter // of the exchanges that have the mark
	// Carriers are the exchanges that may have brought the mark without naming it, as a push
	// brings the commits between the two that it names; nil if there is no such thing.
	Carriers *audit.Filter
}

// NewClue is a clue to the exchanges that have the mark as it is written.
func NewClue(kind audit.MarkKind, value string) Clue {
	return Clue{Mark: audit.Mark{Kind: kind, Value: value}, Filter: audit.Filter{Mark: value}}
}

// Sighting is one event in which another system shows a request.
type Sighting struct {
	At    time.Time // zero if the event does not say
	Clues []Clue    // the one that says most first
}

// Recognizer is a Service that tells by its form what its servers, logs and clients show.
type Recognizer interface {
	// Recognize returns what the value leads to; false if it has no form of the service's.
	Recognize(value string) (Clue, bool)
}

// LogReader is a Service with a log of its own, of which people have events.
type LogReader interface {
	// ReadLog reads one JSON object: an event, or a file of them. It returns nothing for what
	// is not from the service's log, and an empty list for a file without an event.
	ReadLog(object []byte) ([]Sighting, error)
}

// fingerprint is the form in which the trail shows a secret's SHA-256.
var fingerprint = regexp.MustCompile(`^[0-9a-fA-F]{64}$`)

// Recognize says what a value leads to that a person has seen somewhere. What has no service's
// form is a fingerprint of the trail's own, or else the id of a request: those have any form.
func Recognize(all []Service, value string) Clue {
	for _, s := range all {
		if r, ok := s.(Recognizer); ok {
			if clue, ok := r.Recognize(value); ok {
				return clue
			}
		}
	}
	if fingerprint.MatchString(value) {
		return NewClue(audit.MarkToken, strings.ToLower(value))
	}
	return NewClue(audit.MarkRequest, value)
}

// ReadLog reads what a person has of the log of some service: an object, or a list of them.
// An event of nobody's log is a sighting without clues.
func ReadLog(all []Service, data []byte) ([]Sighting, error) {
	objects := make([]json.RawMessage, 1)
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("[")) {
		if err := json.Unmarshal(data, &objects); err != nil {
			return nil, fmt.Errorf("read events: %w", err)
		}
	} else if err := json.Unmarshal(data, &objects[0]); err != nil {
		return nil, fmt.Errorf("read event: %w", err)
	}
	var found []Sighting
	for _, object := range objects {
		one, err := readObject(all, object)
		if err != nil {
			return nil, fmt.Errorf("read event: %w", err)
		}
		found = append(found, one...)
	}
	if len(found) == 0 {
		return nil, errors.New("there is no event in it")
	}
	return found, nil
}

// readObject asks one service after another whose event it is.
func readObject(all []Service, object []byte) ([]Sighting, error) {
	var problem error
	for _, s := range all {
		r, ok := s.(LogReader)
		if !ok {
			continue
		}
		found, err := r.ReadLog(object)
		if err == nil && found != nil {
			return found, nil
		}
		if problem == nil {
			problem = err
		}
	}
	return []Sighting{{}}, problem
}
