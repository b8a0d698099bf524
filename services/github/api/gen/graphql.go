package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
)

// readGraphQL lists the root fields of GitHub's public schema.
func readGraphQL(folder string) ([]field, []string, error) {
	var manifest struct{ Version string }
	if err := readJSON(filepath.Join(folder, "package.json"), &manifest); err != nil {
		return nil, nil, err
	}
	file := filepath.Join(folder, "schema.graphql")
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, nil, err
	}
	doc, err := parser.ParseSchema(&ast.Source{Name: file, Input: string(text)})
	if err != nil {
		return nil, nil, err
	}
	var fields []field
	for _, root := range []struct{ kind, definition string }{{"mutation", "Mutation"}, {"query", "Query"}} {
		definition := doc.Definitions.ForName(root.definition)
		if definition == nil {
			return nil, nil, fmt.Errorf("%s: type %s is missing", file, root.definition)
		}
		for _, f := range definition.Fields {
			fields = append(fields, field{kind: root.kind, name: f.Name})
		}
	}
	return fields, []string{"@octokit/graphql-schema " + manifest.Version}, nil
}
