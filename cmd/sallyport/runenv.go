package main

import (
	"fmt"
	"os"
	"slices"

	"sallyport/credentials"
	"sallyport/internal/hint"
	"sallyport/sandbox/environment"
	"sallyport/services"
)

// passed are the variables that a command gets from this environment unasked:
// what programs need to find themselves, their user and a language.
var passed = append([]string{ //nolint:gochecknoglobals // a constant list
	"PATH", "HOME", "USER", "SHELL", "LANG", "TERM", "TZ", "TMPDIR",
	"LC_ALL", "LC_ADDRESS", "LC_COLLATE", "LC_CTYPE", "LC_IDENTIFICATION", "LC_MEASUREMENT", "LC_MESSAGES",
	"LC_MONETARY", "LC_NAME", "LC_NUMERIC", "LC_PAPER", "LC_TELEPHONE", "LC_TIME",
}, passedBySystem...)

// inheritedVariables is the part of this process's environment that the command gets.
func inheritedVariables(a *app, pass, secret []string) ([]string, error) {
	for _, name := range pass {
		switch {
		case name == "" || slices.Contains([]byte(name), '='):
			return nil, usagef("--pass %q: give the name of a variable; its value is taken from this environment", name)
		case slices.Contains(secret, name):
			return nil, hint.With(fmt.Errorf("--pass %s: a credential reads its secret from that variable", name),
				"an agent never holds a secret; leave it out, and let a rule name the credential")
		case environment.Sets(name) && !environment.Composes(name):
			return nil, hint.With(fmt.Errorf("--pass %s: the agent's environment sets that variable", name),
				"leave it out; sallyport env shows what is set")
		case a.getenv(name) == "":
			fmt.Fprintf(a.stderr, "warning: --pass %s: that variable is not set here, or empty\n", printable(name))
		}
	}
	var environ []string
	for _, name := range slices.Concat(passed, pass) {
		if value := a.getenv(name); value != "" && !slices.Contains(secret, name) {
			environ = append(environ, name+"="+value)
		}
	}
	slices.Sort(environ)
	return slices.Compact(environ), nil
}

// homeSecrets tells which variables and files secrets are read from. If
// credentials.yaml does not say, nobody can tell which they are, so that is an error.
func homeSecrets(a *app) (*credentials.Set, error) {
	l, err := a.env().Layout()
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(l.Credentials())
	if err != nil {
		return nil, hint.With(fmt.Errorf("find out which variables and files hold secrets: %w", err), "run `sallyport init`, or check --home")
	}
	set, err := credentials.Parse(l.Credentials(), data, credentials.Options{Home: l.Dir, Kinds: services.Kinds(a.env().Rooms())})
	if err != nil {
		return nil, fmt.Errorf("find out which variables and files hold secrets: %w", err)
	}
	return set, nil
}
