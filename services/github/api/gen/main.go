// Command gen writes the table of GitHub's operations that package github embeds.
//
// It reads GitHub's published descriptions, unpacked from two npm packages, and the
// permission data in gen/data (see the README there):
//
//	npm pack @octokit/openapi && tar -xzf octokit-openapi-*.tgz -C /tmp/openapi
//	npm pack @octokit/graphql-schema && tar -xzf octokit-graphql-schema-*.tgz -C /tmp/graphql
//	OCTOKIT_OPENAPI=/tmp/openapi/package OCTOKIT_GRAPHQL=/tmp/graphql/package go generate ./services/github/api
//
// The same input gives the same bytes. Anything the table could not say exactly (two
// names for one method and path, a reviewed line that names an unknown operation, a
// literal segment with odd characters) stops it.
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
	"slices"
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
	openapi := flags.String("openapi", "", "folder of the unpacked npm package @octokit/openapi")
	graphql := flags.String("graphql", "", "folder of the unpacked npm package @octokit/graphql-schema")
	data := flags.String("data", filepath.Join("gen", "data"), "folder of the permission data and the reviewed lists")
	out := flags.String("out", "operations.table.gz", "file to write")
	review := flags.String("review", "review.txt", "file to write the review's result to")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *openapi == "" || *graphql == "" {
		return errors.New("-openapi and -graphql are required; see the command's doc comment")
	}
	table, result, err := build(*openapi, *graphql, *data)
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

// build returns the table as text: a format line, its sources, then one line each; and the
// review's result.
func build(openapi, graphql, data string) (table, review []byte, err error) {
	operations, openapiSource, err := readOpenAPI(openapi)
	if err != nil {
		return nil, nil, fmt.Errorf("read OpenAPI: %w", err)
	}
	fields, graphqlSource, err := readGraphQL(graphql)
	if err != nil {
		return nil, nil, fmt.Errorf("read GraphQL schema: %w", err)
	}
	dataSources, err := addPermissions(operations, data)
	if err != nil {
		return nil, nil, fmt.Errorf("read permissions: %w", err)
	}
	if err := applyReviewed(operations, fields, data); err != nil {
		return nil, nil, err
	}

	lines := []string{"sallyport github operations 2"}
	for _, source := range slices.Concat(openapiSource, graphqlSource, dataSources) {
		lines = append(lines, "source\t"+source)
	}
	for _, o := range operations.sorted() {
		lines = append(lines, o.line())
	}
	for _, f := range fields {
		lines = append(lines, f.line())
	}
	remarks, err := remarksOf(filepath.Join(data, "credentials.txt"))
	if err != nil {
		return nil, nil, err
	}
	return []byte(strings.Join(lines, "\n") + "\n"), reviewText(operations, fields, remarks), nil
}

// applyReviewed puts the lists that people have made on the operations.
func applyReviewed(ops operations, fields []field, data string) error {
	reads, err := readLines(filepath.Join(data, "reads.txt"))
	if err != nil {
		return err
	}
	for _, name := range reads {
		if len(ops.named(name)) == 0 {
			return fmt.Errorf("reads.txt: no operation is called %s", name)
		}
	}
	access, err := readAccesses(filepath.Join(data, "access.txt"))
	if err != nil {
		return err
	}
	if err := access.mark(ops, fields, reads); err != nil {
		return err
	}
	refs, err := readLines(filepath.Join(data, "refs.txt"))
	if err != nil {
		return err
	}
	if err := markRefs(ops, fields, refs); err != nil {
		return err
	}
	credentials, err := readLines(filepath.Join(data, "credentials.txt"))
	if err != nil {
		return err
	}
	if err := markCredentials(ops, fields, credentials); err != nil {
		return err
	}
	lines, err := readWhole(filepath.Join(data, "reviewed.txt"))
	if err != nil {
		return err
	}
	var excuses []*excuse
	for _, line := range lines {
		e, err := parseExcuse(line)
		if err != nil {
			return err
		}
		excuses = append(excuses, e)
	}
	return judge(ops, excuses)
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
