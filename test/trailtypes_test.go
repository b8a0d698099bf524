package test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Bounds of a type of the trail. One that has more owns the state of several things.
const (
	mostMethods = 25
	mostFields  = 15
)

// plainRecords have as many fields as there is to say.
var plainRecords = map[string]string{
	"Intent": "all that is known of an exchange before it leaves",
	"Filter": "all that exchanges are selected by",
}

func TestTypesOfTheTrailOwnOneThing(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../audit/*.go")
	require.NoError(t, err)
	methods := map[string]int{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") || strings.HasSuffix(name, "_windows.go") {
			continue // the methods of another system's file are counted once
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, d := range file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv != nil {
					methods[receiver(d.Recv.List[0].Type)]++
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					checkFields(t, spec)
				}
			}
		}
	}
	require.NotEmpty(t, methods)
	for name, n := range methods {
		assert.LessOrEqual(t, n, mostMethods, "audit: %s has %d methods: split it by who owns what", name, n)
	}
}

func receiver(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return receiver(e.X)
	case *ast.IndexExpr:
		return receiver(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}

func checkFields(t *testing.T, spec ast.Spec) {
	t.Helper()
	s, ok := spec.(*ast.TypeSpec)
	if !ok {
		return
	}
	if of, ok := s.Type.(*ast.StructType); ok && plainRecords[s.Name.Name] == "" {
		n := 0
		for _, f := range of.Fields.List {
			n += max(1, len(f.Names))
		}
		assert.LessOrEqual(t, n, mostFields, "audit: %s has %d fields: split it by who owns what", s.Name.Name, n)
	}
}
