// Command gen writes the table of AWS's operations that package aws embeds.
//
// It reads the service models in botocore's data folder, the names of IAM's actions
// from the npm package iam-floyd, and the reviewed lists in gen/data. It judges by the
// shapes of inputs and answers which operations have to be named exactly, and writes
// the result of that to review.txt for people:
//
//	npm pack iam-floyd && tar -xzf iam-floyd-*.tgz -C /tmp/iam
//	BOTOCORE=.../site-packages/botocore IAM_FLOYD=/tmp/iam/package go generate ./services/aws/api
//
// The same input gives the same bytes. Anything the table could not say exactly (two
// names for one request, a reviewed line that names an unknown operation, a template
// in an unknown form) stops it.
package main

import (
	"bytes"
	"compress/gzip"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
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
	out := flags.String("out", "operations.table.gz", "file to write")
	review := flags.String("review", "review.txt", "file to write the review's result to")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *botocore == "" || *iam == "" {
		return errors.New("-botocore and -iam are required; see the command's doc comment")
	}
	table, result, err := build(*botocore, *iam, *data)
	if err != nil {
		return err
	}
	if err := os.WriteFile(*review, result, 0o644); err != nil { //nolint:gosec // a committed source file, not a secret
		return err
	}
	packed, err := pack(table)
	if err != nil {
		return err
	}
	if err := os.WriteFile(*out, packed, 0o644); err != nil { //nolint:gosec // a committed source file, not a secret
		return err
	}
	_, err = fmt.Fprintf(stderr, "gen: %d lines, %d bytes, %d compressed\n", bytes.Count(table, []byte("\n")), len(table), len(packed))
	return err
}

// build returns the table as text: a format line, its sources, then each service's
// line followed by those of its operations; and the review's result.
func build(botocore, iam, data string) (table, review []byte, err error) {
	version, err := botocoreVersion(botocore)
	if err != nil {
		return nil, nil, err
	}
	services, err := readServices(filepath.Join(botocore, "data"))
	if err != nil {
		return nil, nil, err
	}
	actions, iamVersion, err := readActions(iam)
	if err != nil {
		return nil, nil, err
	}
	reviewed, err := readReviewed(data)
	if err != nil {
		return nil, nil, err
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
		return nil, nil, err
	}
	lines := []string{
		"sallyport aws operations 1",
		"source\tbotocore " + version,
		"source\tiam-floyd " + iamVersion,
		fmt.Sprintf("count\t%d\t%d\t%d", len(services), operations, known),
	}
	for _, s := range services {
		lines = append(lines, s.line())
		for _, o := range s.operations {
			lines = append(lines, o.line(s))
		}
	}
	return []byte(strings.Join(lines, "\n") + "\n"), reviewText(services, version), nil
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

// pack compresses without a time or a name, so that equal tables are equal files.
func pack(table []byte) ([]byte, error) {
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(table); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return packed.Bytes(), nil
}
