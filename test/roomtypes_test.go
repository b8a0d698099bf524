package test

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// core are the packages that know services by the contract alone.
var core = []string{"policy", "credentials", "config", "proxy", "admin", "server", "cmd"}

// What a package does not import may still reach it, as the type of what another returns. No value
// of the core has a type of a service's.
func TestNoTypeOfARoomReachesTheCore(t *testing.T) {
	t.Parallel()
	compiled := exportData(t)
	for _, p := range list(t) {
		from, _ := strings.CutPrefix(p.ImportPath, "sallyport/")
		if !slices.ContainsFunc(core, func(folder string) bool { return under(from, folder) }) {
			continue
		}
		fset := token.NewFileSet()
		var files []*ast.File
		for _, name := range p.GoFiles {
			file, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			require.NoError(t, err)
			files = append(files, file)
		}
		info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}}
		open := func(path string) (io.ReadCloser, error) { return os.Open(compiled[path]) }
		checker := types.Config{Importer: importer.ForCompiler(fset, "gc", open)}
		_, err := checker.Check(p.ImportPath, fset, files, info)
		require.NoError(t, err)
		for e, of := range info.Types {
			at := fset.Position(e.Pos())
			path := from + "/" + filepath.Base(at.Filename)
			if room := roomOf(of.Type); room != "" && path != wiring {
				t.Errorf("%s:%d: has the type %s, which is %s's own: ask by the contract", path, at.Line, of.Type, room)
			}
		}
	}
}

// exportData maps packages to what the compiler says of their types.
func exportData(t *testing.T) map[string]string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-export", "-deps", "-json=ImportPath,Export", "sallyport/cmd/...").Output()
	require.NoError(t, err)
	files := map[string]string{}
	for dec := json.NewDecoder(bytes.NewReader(out)); dec.More(); {
		var p struct{ ImportPath, Export string }
		require.NoError(t, dec.Decode(&p))
		files[p.ImportPath] = p.Export
	}
	return files
}

// roomOf is the package below services/ that a type, or what it is made of, belongs to.
func roomOf(t types.Type) string {
	switch t := t.(type) {
	case *types.Named:
		if p := t.Obj().Pkg(); p != nil && strings.HasPrefix(p.Path(), "sallyport/services/") {
			return p.Path()
		}
	case *types.Map:
		return roomOf(t.Key()) + roomOf(t.Elem())
	case *types.Tuple:
		for v := range t.Variables() {
			if room := roomOf(v.Type()); room != "" {
				return room
			}
		}
	case interface{ Elem() types.Type }: // of pointers, lists and channels
		return roomOf(t.Elem())
	}
	return ""
}

// How much a call takes is said in one type, whoever says it.
func TestThereIsOneAccess(t *testing.T) {
	t.Parallel()
	var found []string
	for _, name := range sources(t) {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			if s, ok := n.(*ast.TypeSpec); ok && strings.EqualFold(s.Name.Name, "access") {
				found = append(found, strings.TrimPrefix(name, "../"))
			}
			return true
		})
	}
	assert.Equal(t, []string{"policy/access.go"}, found)
}
