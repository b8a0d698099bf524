package test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// exempt are functions that are longer for a reason.
var exempt = map[string]string{
	"../audit/trail/schema.go migrations": "the schema is one text, in the order in which it grew",
}

// A function longer than a screen says more than one thing; a longer file
// holds more than one noun. Tests hold tables, which may be a little longer.
func longest(file string) (function, lines int) {
	if strings.HasSuffix(file, "_test.go") {
		return 100, 500
	}
	return 70, 400
}

func TestFilesAndFunctionsFitOnAScreen(t *testing.T) {
	t.Parallel()
	for _, file := range sources(t) {
		longestFunction, longestFile := longest(file)
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		if lines := bytes.Count(data, []byte("\n")); lines > longestFile {
			t.Errorf("%s has %d lines, at most %d: name the second noun and move it", file, lines, longestFile)
		}
		fset := token.NewFileSet()
		parsed, err := parser.ParseFile(fset, file, data, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, decl := range parsed.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || f.Body == nil {
				continue
			}
			if exempt[file+" "+f.Name.Name] != "" {
				continue
			}
			lines := fset.Position(f.End()).Line - fset.Position(f.Pos()).Line + 1
			assert.LessOrEqualf(t, lines, longestFunction, "%s: %s", fset.Position(f.Pos()), f.Name.Name)
		}
	}
}

// sources are the Go files of this module, without generated ones and without
// the modules below bench that are not part of the product.
func sources(t *testing.T) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir("..", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			_, nested := os.Stat(filepath.Join(name, "go.mod"))
			hidden := strings.HasPrefix(d.Name(), ".") && d.Name() != ".."
			if hidden || d.Name() == "testdata" || (nested == nil && name != "..") {
				return fs.SkipDir
			}
			return nil
		}
		if strings.HasSuffix(name, ".go") && !generated(name) {
			files = append(files, name)
		}
		return nil
	})
	require.NoError(t, err)
	return files
}

func generated(name string) bool {
	f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.PackageClauseOnly|parser.ParseComments)
	return err == nil && ast.IsGenerated(f)
}

func parse(t *testing.T, name string) *ast.File {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
	require.NoError(t, err)
	return f
}
