package test

import (
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
)

// wiring is the one file that lists the services.
const wiring = "server/services.go"

// A service is added by its folder and one line: nobody else knows a room by its name.
func TestOnlyTheWiringKnowsTheRooms(t *testing.T) {
	t.Parallel()
	for _, p := range list(t) {
		from, _ := strings.CutPrefix(p.ImportPath, "sallyport/")
		for _, name := range p.GoFiles {
			if path := from + "/" + name; path != wiring && !under(from, "services") && !under(from, "test") {
				for _, spec := range parse(t, filepath.Join(p.Dir, name)).Imports {
					assert.NotRegexp(t, `^"sallyport/services/.`, spec.Path.Value, "%s: a service is known by the contract", path)
				}
			}
		}
	}
}

// serviceWords are what only a service's own room says.
var serviceWords = regexp.MustCompile(`(?i)github|graphql|\blfs\b|\bgit[-/]|\baws|amazon|\barn\b|\bsts\b|sigv4|anthropic|openai|gemini|\bllm\b`)

// clauseWords are those of services' clauses in a policy, which package policy compiles without
// knowing one.
var clauseWords = regexp.MustCompile(`(?i)repos|\brefs?\b|branch|updates|wiki|push|region|bucket|account|resources`)

// spoken are the places of the core that say such a word, and why.
var spoken = map[string]string{
	"proxy/wire/connect.go isGit":     "git's own client hangs over HTTP/2, wherever it goes",
	"proxy/wire/connect.go git/":      "the same",
	"proxy/fields.go decidesAtAWS":    "the table of fields that some server reads as another request is of all servers",
	"proxy/fields.go X-Amz-":          "the same",
	"proxy/fields.go Git-Protocol":    "the same",
	"proxy/secondpath.go X-Amz-":      "the same",
	"config/s3place.go amazonaws.com": "a place for checkpoints is a bucket, and may be AWS's",
	"credentials/source.go _API_KEY":  "an example of a variable that people have",
	"cmd/sallyport/doctor.go AWS":     "what goes wrong when the clock is, in words that a person searches for",
}

// Enforcement, policies, configuration, administration, credentials and the commands speak of
// services, kinds and operations. What a command says of itself may name one: a person looks for it there.
// Package policy does not even explain itself by one.
func TestTheCoreNamesNoService(t *testing.T) {
	t.Parallel()
	for _, folder := range []string{"proxy", "policy", "config", "admin", "server", "cmd", "credentials"} {
		for _, file := range sources(t) {
			path := strings.TrimPrefix(file, "../")
			if !under(path, folder) || strings.HasSuffix(path, "_test.go") || path == wiring {
				continue
			}
			help := map[string]bool{}
			if folder == "cmd" {
				parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
				require.NoError(t, err)
				help = helpOf(parsed)
			}
			for _, word := range wordsOf(t, file, folder == "policy") {
				if strings.HasPrefix(word, "/") {
					assert.NotRegexp(t, serviceWords, word, "%s explains itself by a service", path)
					continue
				}
				says := serviceWords.MatchString(word) || folder == "policy" && clauseWords.MatchString(word)
				if says && !isSpoken(path, word) && !help[word] {
					t.Errorf("%s says %s: that is for a room below services/", path, word)
				}
			}
		}
	}
}

// A service that nobody has is known by its own folder and by the test that adds it: so much is
// touched to add one.
func TestAServiceIsAddedByItsFolderAndOneLine(t *testing.T) {
	t.Parallel()
	for _, file := range sources(t) {
		path := strings.TrimPrefix(file, "../")
		if under(path, "test/thirdservice") || strings.HasSuffix(path, "_test.go") {
			continue
		}
		for _, word := range wordsOf(t, file, false) {
			assert.NotContains(t, strings.ToLower(word), "teapot", "%s knows the toy service", path)
		}
	}
}

// helpOf are the texts by which commands and their flags explain themselves.
func helpOf(file *ast.File) map[string]bool {
	texts := map[string]bool{}
	add := func(e ast.Expr) {
		ast.Inspect(e, func(n ast.Node) bool {
			if text, ok := n.(*ast.BasicLit); ok {
				texts[text.Value] = true
			}
			return true
		})
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.KeyValueExpr:
			if key, ok := n.Key.(*ast.Ident); ok && slices.Contains([]string{"Use", "Short", "Long", "Example"}, key.Name) {
				add(n.Value)
			}
		case *ast.CallExpr: // flags.StringVar(&value, "name", "default", "what it is for")
			if f, ok := n.Fun.(*ast.SelectorExpr); ok && strings.Contains(f.Sel.Name, "Var") && len(n.Args) > 3 {
				add(n.Args[len(n.Args)-1])
			}
		}
		return true
	})
	return texts
}

// wordsOf are the identifiers and texts of a file, without its imports, and if it is asked for
// its comments, which begin with a slash.
func wordsOf(t *testing.T, file string, comments bool) (words []string) {
	t.Helper()
	src, err := os.ReadFile(file)
	require.NoError(t, err)
	fset := token.NewFileSet()
	var s scanner.Scanner
	s.Init(fset.AddFile(file, fset.Base(), len(src)), src, nil, scanner.ScanComments)
	imports := false
	for {
		_, tok, text := s.Scan()
		switch tok {
		case token.EOF:
			return words
		case token.IMPORT:
			imports = true
		case token.CONST, token.TYPE, token.VAR, token.FUNC:
			imports = false
		case token.COMMENT:
			if comments {
				words = append(words, text)
			}
		case token.IDENT, token.STRING, token.CHAR:
			if !imports {
				words = append(words, text)
			}
		default:
		}
	}
}

func isSpoken(path, word string) bool {
	for known := range spoken {
		file, said, _ := strings.Cut(known, " ")
		if file == path && strings.Contains(word, said) {
			return true
		}
	}
	return false
}

// Event types stand in one file, from which everybody takes them.
func TestEventTypesStandInOneFile(t *testing.T) {
	t.Parallel()
	types := map[string]bool{}
	for _, name := range audit.EventTypes() {
		types[`"`+name+`"`] = strings.Contains(name, ".")
	}
	for _, file := range sources(t) {
		path := strings.TrimPrefix(file, "../")
		if path == "audit/eventtype.go" || strings.HasSuffix(path, "_test.go") || under(path, "test") || under(path, "bench") {
			continue
		}
		for _, word := range wordsOf(t, file, false) {
			assert.False(t, types[word], "%s writes %s by itself; take it from audit/eventtype.go", path, word)
		}
	}
}
