package credentials

import (
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
// few lines at most, printable, without what it had printed of the secret.
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
	return text
}

func printable(r rune) rune {
	if !unicode.IsPrint(r) {
		return ' '
	}
	return r
}
