package yamldoc

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Error is one thing wrong with a file: where it is, and what to do about it.
type Error struct {
	File string
	Line int    // 0: the file as a whole
	Key  string // as in rules[docs].allow.path; empty for the file as a whole
	Msg  string
}

func (e Error) Error() string {
	text := e.File
	if e.Line > 0 {
		text += ":" + strconv.Itoa(e.Line)
	}
	text += ": "
	if e.Key != "" {
		text += e.Key + ": "
	}
	return text + e.Msg
}

// Errors is everything wrong with a file, in the order of its lines.
type Errors []Error

func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i := range e {
		lines[i] = e[i].Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.As find each [Error].
func (e Errors) Unwrap() []error {
	errs := make([]error, len(e))
	for i := range e {
		errs[i] = e[i]
	}
	return errs
}

// Doc is one file as it is read: what is wrong with it, and what is worth a look.
type Doc struct {
	file     string
	secret   bool
	errs     Errors
	warnings []string
}

// NewDoc is a Doc of which nothing has been read.
func NewDoc(file string, o Options) *Doc { return &Doc{file: file, secret: o.Secret} }

// File is the name by which errors call the file.
func (d *Doc) File() string { return d.file }

// Fail reports something wrong at a line; 0 is the file as a whole.
func (d *Doc) Fail(line int, key, format string, args ...any) {
	d.errs = append(d.errs, d.at(line, key, format, args...))
}

// Warn reports something that is legal, but worth a look.
func (d *Doc) Warn(line int, key, format string, args ...any) {
	d.warnings = append(d.warnings, d.at(line, key, format, args...).Error())
}

func (d *Doc) at(line int, key, format string, args ...any) Error {
	return Error{File: d.file, Line: line, Key: key, Msg: fmt.Sprintf(format, args...)}
}

// Count is how many things are wrong so far.
func (d *Doc) Count() int { return len(d.errs) }

// Err is an [Errors] with all that is wrong, nil if nothing is.
func (d *Doc) Err() error {
	if len(d.errs) == 0 {
		return nil
	}
	slices.SortStableFunc(d.errs, func(a, b Error) int { return cmp.Compare(a.Line, b.Line) })
	return d.errs
}

// Warnings are those reported so far.
func (d *Doc) Warnings() []string { return d.warnings }
