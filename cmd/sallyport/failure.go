package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sallyport/internal/hint"
)

// The exit codes of every command but `run`, which passes its command's on.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// exitCode ends the process with this code when everything worth saying has
// already been said, for example by a table of failed policy tests.
type exitCode int //nolint:errname // a code, which is an error only so that commands can return it

func (c exitCode) Error() string { return fmt.Sprintf("exit code %d", int(c)) }

// usageError marks a command line that cannot mean anything; exit code 2.
type usageError struct{ msg string }

func (e *usageError) Error() string { return e.msg }

func usagef(format string, args ...any) error {
	return &usageError{msg: fmt.Sprintf(format, args...)}
}

// explainFlag says in words what a flag's value must be.
func explainFlag(_ *cobra.Command, err error) error {
	var invalid *pflag.InvalidValueError
	if !errors.As(err, &invalid) {
		return err
	}
	want := map[string]string{
		"int": "a whole number", "uint64": "a whole number from 0 on", "duration": "a duration, as 30s, 24h or 7d", "bool": "true or false",
	}[invalid.GetFlag().Value.Type()]
	if want == "" {
		return err
	}
	return usagef("--%s %q is not %s", invalid.GetFlag().Name, invalid.GetValue(), want)
}

// exit prints err as people read it and turns it into the exit code.
func (a *app) exit(err error) int {
	var code exitCode
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &code):
		return int(code)
	}
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintf(a.stderr, "sallyport: %s\n", printable(strings.TrimRight(line, "\n")))
	}
	var usage *usageError
	isUsage := !a.running || errors.As(err, &usage)
	switch try := hint.Of(err); {
	case try != "":
		fmt.Fprintf(a.stderr, "hint: %s\n", printable(try))
	case isUsage:
		fmt.Fprintln(a.stderr, "hint: add --help to see how a command is used")
	}
	if isUsage {
		return exitUsage
	}
	return exitFailed
}
