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
	return newRootCommand(newApp(none, time.Now, strings.NewReader(""), io.Discard, io.Discard))
}

// RunAt is Run by another clock.
func RunAt(ctx context.Context, now time.Time, args []string, getenv func(string) string, stdin io.Reader, stdout, stderr io.Writer) int {
	return newApp(getenv, func() time.Time { return now }, stdin, stdout, stderr).run(ctx, args)
}

// ParseMoment reads a time as people type it.
func ParseMoment(flag, s string, now time.Time) (time.Time, error) { return parseMoment(flag, s, now) }

// ReadsProxies reports whether a Node of a version reads proxy variables.
var ReadsProxies = readsProxies
