package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"sallyport/config"
	"sallyport/credentials"
	"sallyport/internal/hint"
)

func newCredentialAddCommand(a *app) *cobra.Command {
	var o credentialEntry
	cmd := &cobra.Command{
		Use:   "add NAME --kind K [--secret SOURCE] [--host PATTERN]... [--set KEY=VALUE]...",
		Short: "Add a credential to credentials.yaml",
		Long: `Adds an entry to credentials.yaml and leaves the rest as it is. Nothing is written unless
the whole home is right with it. A running server takes it over at once.

A secret is never written into the file: SOURCE is env:NAME (of the server), file:PATH
(relative to HOME), exec:COMMAND, or - to read it from standard input into a file below
HOME/secrets that only you can read. VALUE is text, a list in brackets, or for keys that
hold a secret or a certificate (private_key, session_token, certificate) a SOURCE. docs/configuration.md has each kind's keys.`,
		Example: `  sallyport credential add anthropic --kind header --set header=x-api-key --secret env:ANTHROPIC_API_KEY --host api.anthropic.com
  sallyport credential add acme-github --kind github_app --set app_id=12345 --set private_key=file:acme.pem --set owners=[acme] --set installation=auto
  pass show openai | sallyport credential add openai --kind bearer --secret - --host api.openai.com`,
		Args: oneArg("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.name = args[0]
			return addCredential(cmd.Context(), a, &o)
		},
	}
	o.flags(cmd)
	require(cmd, "kind")
	return cmd
}

// credentialEntry is one entry as it was typed.
type credentialEntry struct {
	name, kind, secret string
	hosts, set         []string
}

func (o *credentialEntry) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&o.kind, "kind", "", "header, bearer, basic, query, github_app, github_token, aws_role or aws_keys (required)")
	flags.StringVar(&o.secret, "secret", "", "where the secret comes from: env:NAME, file:PATH, exec:COMMAND, or - for standard input")
	flags.StringArrayVar(&o.hosts, "host", nil, "host that it may go to; may be repeated")
	flags.StringArrayVar(&o.set, "set", nil, "another key of the kind, as KEY=VALUE; may be repeated")
}

func addCredential(ctx context.Context, a *app, o *credentialEntry) error {
	l, err := a.env().Layout()
	if err != nil {
		return err
	}
	if err := writeCredential(ctx, a, l, o); err != nil {
		return err
	}
	a.takeOver(ctx)
	if a.json() {
		return writeJSON(a.stdout, map[string]string{"name": o.name, "kind": o.kind, "file": l.Credentials()})
	}
	_, err = fmt.Fprintf(a.stdout, "credential %s is in %s; `sallyport credential check %s` tries it\n", o.name, l.Credentials(), o.name)
	return err
}

func writeCredential(ctx context.Context, a *app, l config.Layout, o *credentialEntry) error {
	entry, err := o.keys()
	if err != nil {
		return err
	}
	before, err := os.ReadFile(l.Credentials())
	if err != nil {
		return fmt.Errorf("read credentials: %w", err)
	}
	after, err := credentials.Add(l.Credentials(), before, o.name, entry)
	if err != nil {
		return err
	}
	kept, err := keepSecret(a, l, o)
	if err != nil {
		return err
	}
	if err := replaceCredentials(ctx, a, l, o, after); err != nil {
		return errors.Join(err, removeKept(kept))
	}
	return nil
}

// keys are the entry's keys, in the order in which people write them.
func (o *credentialEntry) keys() ([]credentials.Key, error) {
	entry := []credentials.Key{{Name: "kind", Value: scalarText(o.kind)}}
	for _, one := range o.set {
		key, value, ok := strings.Cut(one, "=")
		if !ok || key == "" || value == "" || strings.ContainsAny(one, "\r\n") {
			// The text is not repeated: it could be a secret that slipped.
			return nil, usagef("--set takes KEY=VALUE on one line, for example --set region=eu-west-1")
		}
		written, err := written(key, value)
		if err != nil {
			return nil, err
		}
		entry = append(entry, credentials.Key{Name: key, Value: written})
	}
	if o.secret != "" {
		value := "{file: secrets/" + o.name + "}"
		if o.secret != "-" {
			var err error
			if value, err = source("--secret", o.secret); err != nil {
				return nil, err
			}
		}
		entry = append(entry, credentials.Key{Name: "secret", Value: value})
	}
	if len(o.hosts) > 0 {
		entry = append(entry, credentials.Key{Name: "hosts", Value: listText(o.hosts)})
	}
	return entry, nil
}

// written is a value of --set as YAML has it.
func written(key, value string) (string, error) {
	switch {
	case key == "secret":
		return "", usagef("--set secret: give --secret SOURCE")
	case slices.Contains([]string{"private_key", "session_token", "certificate"}, key):
		return source("--set "+key, value)
	case strings.HasPrefix(value, "[") && strings.HasSuffix(value, "]"):
		var items []string
		for item := range strings.SplitSeq(strings.Trim(value, "[]"), ",") {
			items = append(items, strings.TrimSpace(item))
		}
		return listText(items), nil
	}
	return scalarText(value), nil
}

// source is where a secret comes from, and never the secret.
func source(flag, value string) (string, error) {
	kind, rest, ok := strings.Cut(value, ":")
	if !ok || rest == "" || strings.ContainsAny(rest, "\r\n") {
		return "", usagef("%s: a secret is never written into the file; give env:NAME, file:PATH or exec:COMMAND", flag)
	}
	switch kind {
	case "env", "file":
		return "{" + kind + ": " + scalarText(rest) + "}", nil
	case "exec":
		return "{exec: " + listText(strings.Fields(rest)) + "}", nil
	}
	return "", usagef("%s: a secret is never written into the file; give env:NAME, file:PATH or exec:COMMAND", flag)
}

func listText(items []string) string {
	quoted := make([]string, len(items))
	for i, item := range items {
		quoted[i] = scalarText(item)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// scalarText quotes what YAML could read as something else than this text.
func scalarText(s string) string {
	plain := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("._-/", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 && s[0] != '-' && s[0] != '.' && !strings.EqualFold(s, "null") {
		return s
	}
	return strconv.Quote(s)
}

// keepSecret writes a secret from standard input into a file of its own, and says
// where; "" if there is none.
func keepSecret(a *app, l config.Layout, o *credentialEntry) (string, error) {
	if o.secret != "-" {
		return "", nil
	}
	const longest = 64 << 10
	data, err := io.ReadAll(io.LimitReader(a.stdin, longest+1))
	switch {
	case err != nil:
		return "", fmt.Errorf("read the secret: %w", err)
	case len(strings.TrimSpace(string(data))) == 0:
		return "", usagef("--secret -: standard input is empty")
	case len(data) > longest:
		return "", usagef("--secret -: standard input is longer than %d bytes", longest)
	}
	dir := filepath.Join(l.Dir, "secrets")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make folder for secrets: %w", err)
	}
	file := filepath.Join(dir, o.name)
	if err := writeDurably(file, data, 0o600); err != nil {
		return "", hint.With(fmt.Errorf("keep the secret: %w", err), "remove the file if it is of no use any more, or choose another name")
	}
	return file, nil
}

func removeKept(file string) error {
	if file == "" {
		return nil
	}
	return os.Remove(file)
}

// replaceCredentials puts the text in place of the file if the whole home is right
// with it, and otherwise changes nothing.
func replaceCredentials(ctx context.Context, a *app, l config.Layout, o *credentialEntry, text []byte) error {
	info, err := os.Stat(l.Credentials())
	if err != nil {
		return err
	}
	set, err := config.LoadWith(l, a.env().CheckOptions(), text)
	if err != nil {
		return hint.With(err, "nothing was written")
	}
	if o.secret == "-" { // the secret is at hand, so that it can be tried at once
		if _, err := set.Credentials.Lookup(o.name).Check(ctx, nil); err != nil {
			return hint.With(err, "nothing was written")
		}
	}
	for _, w := range set.Warnings {
		if strings.Contains(w, "credentials."+o.name) {
			fmt.Fprintf(a.stderr, "warning: %s\n", printable(w))
		}
	}
	// A link is followed, so that a file in a checkout is the one that changes.
	target, err := filepath.EvalSymlinks(l.Credentials())
	if err != nil {
		return fmt.Errorf("write credentials: %w", err)
	}
	staged := target + ".new" // on the same file system
	if err := os.Remove(staged); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("write credentials: %w", err)
	}
	if err := writeDurably(staged, text, info.Mode().Perm()); err != nil {
		return fmt.Errorf("write credentials: %w", err)
	}
	if err := os.Rename(staged, target); err != nil {
		return fmt.Errorf("write credentials: %w", errors.Join(err, os.Remove(staged)))
	}
	return nil
}
