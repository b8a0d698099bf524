// Command gen writes the table of AWS's operations that package aws embeds.
//
// It reads the service models in botocore's data folder, the names of IAM's actions
// from the npm package iam-floyd, and the reviewed lists in gen/data. It judges by the
// shapes of inputs and answers which operations have to be named exactly, and writes
// the result of that to review.txt for people. What the names of hosts are signed for
// goes to package sigv4. Make tables gets the newest of both and calls it:
//
//	BOTOCORE=.../site-packages/botocore IAM_FLOYD=/tmp/iam/package make tables
//
// It says what the new table has that the old one had not, and the other way about.
// The same input gives the same bytes. Anything the table could not say exactly (two
// names for one request, a reviewed line that names an unknown operation, a template
// in an unknown form) stops it.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

func main() {
	if err := run(os.Args[1:], os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(args []string, stderr io.Writer) error {
	flags := flag.NewFlagSet("gen", flag.ContinueOnError)
	botocore := flags.String("botocore", "", "folder of the Python package botocore")
	iam := flags.String("iam", "", "folder of the unpacked npm package iam-floyd")
	data := flags.String("data", filepath.Join("gen", "data"), "folder of the reviewed lists")
	out := flags.String("out", "operations.table", "file to write")
	review := flags.String("review", "review.txt", "file to write the review's result to")
	names := flags.String("names", filepath.Join("..", "sigv4", "names.txt"), "file to write the names of hosts to")
	date := flags.String("date", "", "when botocore was published, as in 2026-08-07; of its files if empty")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *botocore == "" || *iam == "" {
		return errors.New("-botocore and -iam are required; see the command's doc comment")
	}
	if *date == "" {
		info, err := os.Stat(filepath.Join(*botocore, "__init__.py"))
		if err != nil {
			return err
		}
		*date = info.ModTime().UTC().Format(time.DateOnly)
	}
	made, err := build(sources{botocore: *botocore, iam: *iam, data: *data, date: *date})
	if err != nil {
		return err
	}
	old, _ := os.ReadFile(*out) // the first has none before it
	for file, content := range map[string][]byte{*review: made.review, *names: made.names, *out: made.table} {
		if err := os.WriteFile(file, content, 0o644); err != nil { //nolint:gosec // a committed source file, not a secret
			return err
		}
	}
	if err := writeChanges(stderr, old, made.table); err != nil {
		return err
	}
	_, err = fmt.Fprintf(stderr, "gen: %d lines, %d bytes\n", bytes.Count(made.table, []byte("\n")), len(made.table))
	return err
}

// sources is what the tables are made of.
type sources struct{ botocore, iam, data, date string }

// tables is what is made of it: the table as text (a format line, its sources, then each
// service's line followed by those of its operations), the review's result, and what the
// names of hosts are signed for.
type tables struct{ table, review, names []byte }

func build(from sources) (*tables, error) {
	version, err := botocoreVersion(from.botocore)
	if err != nil {
		return nil, err
	}
	services, err := readServices(filepath.Join(from.botocore, "data"))
	if err != nil {
		return nil, err
	}
	actions, iamVersion, err := readActions(from.iam)
	if err != nil {
		return nil, err
	}
	reviewed, err := readReviewed(from.data)
	if err != nil {
		return nil, err
	}
	operations, known := 0, 0
	for _, s := range services {
		for _, o := range s.operations {
			o.actions = reviewed.actionsOf(s, o, actions)
			operations++
			if len(o.actions) > 0 {
				known++
			}
		}
	}
	if err := reviewed.apply(services); err != nil {
		return nil, err
	}
	lines := []string{
		"sallyport aws operations 1",
		"source\tbotocore " + version + " " + from.date,
		"source\tiam-floyd " + iamVersion,
		fmt.Sprintf("count\t%d\t%d\t%d", len(services), operations, known),
	}
	for _, s := range services {
		lines = append(lines, s.line())
		for _, o := range s.operations {
			lines = append(lines, o.line(s))
		}
	}
	return &tables{
		table: []byte(strings.Join(lines, "\n") + "\n"), review: reviewText(services, version), names: namesText(services, reviewed.names, version),
	}, nil
}

func botocoreVersion(folder string) (string, error) {
	text, err := os.ReadFile(filepath.Join(folder, "__init__.py"))
	if err != nil {
		return "", err
	}
	m := regexp.MustCompile(`__version__ = '([0-9.]+)'`).FindSubmatch(text)
	if m == nil {
		return "", errors.New("botocore/__init__.py states no version")
	}
	return string(m[1]), nil
}
