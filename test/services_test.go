package test

import (
	"go/scanner"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
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
var serviceWords = regexp.MustCompile(`(?i)github|graphql|\blfs\b|\bgit[-/]|\baws|amazon|\barn\b|\bsts\b|sigv4`)

// spoken are the places of the core that say such a word, and why.
var spoken = map[string]string{
	"proxy/wire/connect.go isGit":     "git's own client hangs over HTTP/2, wherever it goes",
	"proxy/wire/connect.go git/":      "the same",
	"proxy/fields.go decidesAtAWS":    "the table of fields that some server reads as another request is of all servers",
	"proxy/fields.go X-Amz-":          "the same",
	"proxy/fields.go Git-Protocol":    "the same",
	"proxy/secondpath.go X-Amz-":      "the same",
	"config/s3place.go amazonaws.com": "a place for checkpoints is a bucket, and may be AWS's",
}

// Enforcement, configuration and administration speak of services, kinds and operations.
func TestTheCoreNamesNoService(t *testing.T) {
	t.Parallel()
	for _, folder := range []string{"proxy", "config", "admin"} {
		for _, file := range sources(t) {
			path := strings.TrimPrefix(file, "../")
			if !under(path, folder) || strings.HasSuffix(path, "_test.go") {
				continue
			}
			for _, word := range wordsOf(t, file) {
				if serviceWords.MatchString(word) && !isSpoken(path, word) {
					t.Errorf("%s says %s: that is for a room below services/", path, word)
				}
			}
		}
	}
}

// wordsOf are the identifiers and texts of a file, without its imports and comments.
func wordsOf(t *testing.T, file string) (words []string) {
	t.Helper()
	src, err := os.ReadFile(file)
	require.NoError(t, err)
	fset := token.NewFileSet()
	var s scanner.Scanner
	s.Init(fset.AddFile(file, fset.Base(), len(src)), src, nil, 0)
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
		for _, word := range wordsOf(t, file) {
			assert.False(t, types[word], "%s writes %s by itself; take it from audit/eventtype.go", path, word)
		}
	}
}
