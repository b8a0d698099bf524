package credentials

import (
	"regexp"
	"strings"
	"sync"
	"unicode"
)

// CommandError is why a command gave no secret. What the command itself said of it is kept
// apart: tools print where they looked and with what, so that it is told to who checks the
// credential, and never logged, recorded or told to an agent.
type CommandError struct {
	err  error
	said func() string // a closure, for the reason that Secret has one
}

func (e *CommandError) Error() string { return e.err.Error() }

func (e *CommandError) Unwrap() error { return e.err }

// Said returns the end of what the command wrote to its standard error, "" for nothing: a
// few lines at most, printable, without what it had printed of the secret and what looks
// like another one.
func (e *CommandError) Said() string { return e.said() }

// Bounds of what is kept of a command's standard error. Tools say last what is wrong.
const (
	complaintBytes = 4 << 10
	complaintLines = 5
)

// complaint keeps the end of what a command writes to its standard error.
type complaint struct {
	mu     sync.Mutex // a process that was left behind may go on writing
	kept   []byte
	output []byte // what came on the standard output: perhaps a part of the secret
}

func (c *complaint) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept = append(c.kept, b...)
	if over := len(c.kept) - complaintBytes; over > 0 {
		c.kept = append(c.kept[:0], c.kept[over:]...)
	}
	return len(b), nil
}

func (c *complaint) text() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var lines []string
	for line := range strings.Lines(string(c.kept)) {
		if line = strings.TrimSpace(strings.Map(printable, line)); line != "" {
			lines = append(lines, line)
		}
	}
	text := strings.Join(lines[max(0, len(lines)-complaintLines):], "; ")
	for part := range strings.FieldsSeq(string(c.output[:min(len(c.output), complaintBytes)])) {
		if len(part) > 2 { // what is shorter stands everywhere
			text = newScrubber(part, part).text(text)
		}
	}
	return oneWord.ReplaceAllStringFunc(text, func(word string) string {
		if passesForSecret(word) {
			return redacted
		}
		return word
	})
}

// oneWord is a run in which no sentence, path, address or name of a host goes on.
var oneWord = regexp.MustCompile(`[A-Za-z0-9_+=-]{12,}`)

// passesForSecret: tools say with what they were refused. A long word with letters and digits
// in it says nothing to a person, and may be that; a date has a letter or two.
func passesForSecret(word string) bool {
	letters, digits := 0, 0
	for _, r := range word {
		switch {
		case unicode.IsDigit(r):
			digits++
		case unicode.IsLetter(r):
			letters++
		}
	}
	return letters > 2 && digits > 1
}

func printable(r rune) rune {
	if !unicode.IsPrint(r) {
		return ' '
	}
	return r
}
