package main

import (
	"context"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// Main lets scripts run the command in a process of its own.
func Main() { main() }

// Printable is what people's output does to text that agents chose.
func Printable(s string) string { return printable(s) }

// Table is how rows are printed.
func Table(w io.Writer, header []string, rows [][]string) error { return table(w, header, rows) }

// Inert is what CSV does to a cell.
func Inert(cell string) string { return inert(cell) }

// Diff is how audit policy tells a change.
func Diff(from, to string) string { return diffLines(from, to) }

// Run is one command line, in this process.
func Run(ctx context.Context, args []string, getenv func(string) string, stdin io.Reader, stdout, stderr io.Writer) int {
	return run(ctx, args, getenv, stdin, stdout, stderr)
}

// Root is the command line, which nobody runs.
func Root() *cobra.Command {
	none := func(string) string { return "" }
	return newRootCommand(&app{stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard, getenv: none, now: time.Now})
}

// ParseMoment reads a time as people type it.
func ParseMoment(flag, s string, now time.Time) (time.Time, error) { return parseMoment(flag, s, now) }
