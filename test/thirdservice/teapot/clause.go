package teapot

import (
	"errors"
	"fmt"
	"strings"

	"sallyport/credentials"
	"sallyport/policy"
)

// Language implements [services.Service]: teapot: {operations: [brew]}.
func (Service) Language(func(name string) *credentials.Credential) policy.Service {
	return policy.Service{
		Key: Key, Title: "the teapot", Keys: []string{"operations", "access"}, Example: "{operations: [brew]}", Signed: true,
		Operations: func(text string) (policy.Operations, error) { return parsePattern(text) },
		Meaning: func(policy.Query, []string) *policy.Meaning {
			return nil // what a request does is in its body
		},
		Question: question,
	}
}

// pattern is the name of an order, or * for all.
type pattern string

func parsePattern(text string) (pattern, error) {
	if text != "*" && orders()[text] == 0 {
		return "", fmt.Errorf("%q is no order; there are menu, brew and descale", text)
	}
	return pattern(text), nil
}

func (p pattern) String() string                { return string(p) }
func (p pattern) Matches(operation string) bool { return p == "*" || string(p) == operation }
func (p pattern) Catches(string) bool           { return false }
func (p pattern) Exact() bool                   { return p != "*" }

// question reads "teapot brew POT at HOST".
func question(text string, _ []string) (policy.Query, bool, error) {
	words := strings.Fields(text)
	if len(words) == 0 || words[0] != Key {
		return policy.Query{}, false, nil
	}
	if len(words) != 5 || words[3] != "at" || orders()[words[1]] == 0 {
		return policy.Query{}, true, errors.New("write teapot ORDER POT at HOST")
	}
	q, err := policy.ParseRequest("POST", "https://"+words[4]+"/orders")
	m := meaningOf(words[4], words[1], words[2])
	q.Meaning = &m
	return q, true, err
}
