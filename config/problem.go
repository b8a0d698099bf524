package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
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

// problems collects everything wrong with one file.
type problems struct {
	file string
	errs []*fileError
}

func (p *problems) add(line int, key, format string, args ...any) {
	p.errs = append(p.errs, &fileError{File: p.file, Line: line, Key: key, Msg: fmt.Sprintf(format, args...)})
}

// err returns all problems in the order of their lines.
func (p *problems) err() error {
	slices.SortStableFunc(p.errs, func(a, b *fileError) int { return cmp.Compare(a.Line, b.Line) })
	var errs []error
	for _, one := range p.errs {
		errs = append(errs, one)
	}
	return errors.Join(errs...)
}
