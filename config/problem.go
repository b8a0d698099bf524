package config

import (
	"fmt"
	"strings"
)

// fileError is one thing wrong with a file, and what to try.
type fileError struct {
	File string
	Line int    // 0: the file as a whole
	Key  string // dotted, as "limits.per_agent.tunnels"; "" for the file as a whole
	Msg  string
	Hint string
}

func (p *fileError) Error() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d", p.Line)
	}
	b.WriteString(": ")
	if p.Key != "" {
		b.WriteString(p.Key + ": ")
	}
	b.WriteString(p.Msg)
	if p.Hint != "" {
		b.WriteString("; " + p.Hint)
	}
	return b.String()
}
