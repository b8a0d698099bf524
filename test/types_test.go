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

// Bounds of a type. One that has more owns the state of several things.
const (
	mostMethods = 25
	mostFields  = 15
)

// largeTypes have more, each for a reason.
var largeTypes = map[string]string{
	"audit.Intent":        "a plain record: all that is known of an exchange before it leaves",
	"audit.Filter":        "a plain record: all that exchanges are selected by",
	"internal/http1.conn": "one connection: both directions of its bytes, and when they are due",
	"identity.Registry":   "the one table of agents: each question and each change is a method",
	"test/hub.Hub":        "a whole server: each kind of request is a method",
	"test/rig.Exchange":   "a plain record: all that the trail says of an exchange",
}

func TestTypesOwnOneThing(t *testing.T) {
	t.Parallel()
	methods, fields := map[string]int{}, map[string]int{}
	for _, name := range sources(t) {
		if strings.HasSuffix(name, "_test.go") || strings.HasSuffix(name, "_windows.go") || strings.HasSuffix(name, "_other.go") {
			continue // the methods of another system's file are counted once
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		folder := filepath.ToSlash(strings.TrimPrefix(filepath.Dir(name), "../"))
		for _, d := range file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv != nil {
					methods[folder+"."+receiver(d.Recv.List[0].Type)]++
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					if s, ok := spec.(*ast.TypeSpec); ok {
						fields[folder+"."+s.Name.Name] = fieldsOf(s)
					}
				}
			}
		}
	}
	require.NotEmpty(t, methods)
	large := map[string]bool{}
	for name, n := range methods {
		if large[name] = n > mostMethods || fields[name] > mostFields; large[name] {
			assert.Containsf(t, largeTypes, name, "%s has %d methods and %d fields: split it by who owns what", name, n, fields[name])
		}
	}
	for name, n := range fields {
		if n > mostFields {
			large[name] = true
			assert.Containsf(t, largeTypes, name, "%s has %d fields: split it by who owns what", name, n)
		}
	}
	for name := range largeTypes {
		assert.Truef(t, large[name], "%s is no larger than others any more: take it off the list", name)
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

func fieldsOf(s *ast.TypeSpec) int {
	of, ok := s.Type.(*ast.StructType)
	if !ok {
		return 0
	}
	n := 0
	for _, f := range of.Fields.List {
		n += max(1, len(f.Names))
	}
	return n
}
