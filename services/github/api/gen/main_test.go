package main

import (
	"bytes"
	"compress/gzip"
	"io"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sources writes a small description of an API and the reviewed lists beside it.
func sources(t *testing.T, edit map[string]string) (openapi, graphql, data string) {
	t.Helper()
	dir := t.TempDir()
	files := map[string]string{
		"openapi/package.json": `{"version":"1.2.3"}`,
		"openapi/generated/api.github.com.json": `{"paths":{
			"/repos/{owner}/{repo}/compare/{basehead}":{"get":{"operationId":"repos/compare-commits-with-basehead","parameters":[{"$ref":"#/c/owner"},{"$ref":"#/c/repo"},{"name":"basehead","in":"path","x-multi-segment":true,"schema":{"type":"string"}}]}},
			"/repos/{owner}/{repo}/compare/{base}...{head}":{"get":{"operationId":"repos/compare-commits","parameters":[{"$ref":"#/c/owner"},{"$ref":"#/c/repo"}]}},
			"/repos/{owner}/{repo}/things/{n}":{"delete":{"operationId":"things/delete","parameters":[{"$ref":"#/c/owner"},{"$ref":"#/c/repo"},{"name":"n","in":"path","schema":{"$ref":"#/s/n"}}]}},
			"/kinds/{kind}":{"post":{"operationId":"kinds/ask","requestBody":{"content":{"application/json":{"schema":{"$ref":"#/components/schemas/ask"}}}},"responses":{"200":{"content":{"application/json":{"schema":{"type":"object","properties":{"url":{"type":"string"}}}}},"description":""},"404":{"content":{"application/json":{"schema":{"type":"object","properties":{"token":{"type":"string"}}}}}}},"parameters":[{"name":"kind","in":"path","schema":{"type":"string","enum":["b","a"]}}]}}},
			"components":{"parameters":{"owner":{"name":"owner","in":"path","schema":{"type":"string"}},"repo":{"name":"repo","in":"path","schema":{"type":"string"}}},"schemas":{"n":{"type":"integer"},"ask":{"allOf":[{"type":"object","properties":{"key":{"type":"string"},"again":{"$ref":"#/components/schemas/ask"}}}]}}}}`,
		"openapi/generated/api.github.com.deref.json": `ignored`,
		"graphql/package.json":                        `{"version":"4.5.6"}`,
		"graphql/schema.graphql":                      `type Query { viewer: String } type Mutation { makeToken: String }`,
		"data/server-to-server-permissions.json": `{"contents":{"permissions":[
			{"verb":"get","requestPath":"/repos/{owner}/{repo}/compare/{basehead}","access":"read","server-to-server":true},
			{"verb":"delete","requestPath":"/repos/{owner}/{repo}/things/{n}","access":"write","server-to-server":true,"additional-permissions":true}]},
			"administration":{"permissions":[{"verb":"delete","requestPath":"/repos/{owner}/{repo}/things/{n}","access":"write","server-to-server":true,"additional-permissions":true}]}}`,
		"data/server-to-server-rest.json": `{"kinds":[{"verb":"post","requestPath":"/kinds/{kind}"}]}`,
		"data/permissions.txt":            "# nothing\n",
		"data/reads.txt":                  "kinds/ask # asks in its body\n",
		"data/credentials.txt":            "graphql/mutation.makeToken\n",
		"data/reviewed.txt":               "kinds/* asks/key # of a kind\n",
		"data/access.txt":                 "permission administration\ngraphql/mutation.make* admin\n",
		"data/refs.txt":                   "things/delete # with its branch\n!graphql/mutation.makeToken\n",
	}
	maps.Copy(files, edit)
	for name, text := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	}
	return filepath.Join(dir, "openapi"), filepath.Join(dir, "graphql"), filepath.Join(dir, "data")
}

func TestRun(t *testing.T) {
	t.Parallel()
	openapi, graphql, data := sources(t, nil)
	out := filepath.Join(t.TempDir(), "table.gz")
	var tables [2][]byte
	for i := range tables {
		require.NoError(t, run([]string{"-openapi", openapi, "-graphql", graphql, "-data", data, "-out", out, "-review", out + ".txt"}, io.Discard))
		packed, err := os.ReadFile(out)
		require.NoError(t, err)
		tables[i] = packed
	}
	assert.Equal(t, tables[0], tables[1], "same input, same bytes")
	unpacked, err := gzip.NewReader(bytes.NewReader(tables[0]))
	require.NoError(t, err)
	text, err := io.ReadAll(unpacked)
	require.NoError(t, err)
	for _, line := range []string{
		"sallyport github operations 2\n",
		"source\t@octokit/openapi 1.2.3\n",
		"source\topenapi api.github.com 4 operations\n",
		"source\t@octokit/graphql-schema 4.5.6\n",
		"rest\tkinds/ask\tPOST\t/kinds/{kind:a|b}\td\tapi\tread\ti\t-\n",
		"rest\trepos/compare-commits\tGET\t/repos/{owner}/{repo}/compare/{basehead:range}\td\tapi\tread\tis\tcontents=read\n",
		"rest\trepos/compare-commits-with-basehead\tGET\t/repos/{owner}/{repo}/compare/{basehead:many}\td\tapi\tread\tis\tcontents=read\n",
		"rest\tthings/delete\tDELETE\t/repos/{owner}/{repo}/things/{n:int}\td\tapi\twrite\tir\tcontents=write;administration=write\n",
		"graphql\tmutation.makeToken\tadmin\tc\n",
		"graphql\tquery.viewer\tread\t-\n",
	} {
		assert.Contains(t, string(text), line)
	}
}

// What a request or an answer of 2xx holds is explained, or its operation is named exactly.
func TestShapesAreJudged(t *testing.T) {
	t.Parallel()
	openapi, graphql, data := sources(t, nil)
	table, review, err := build(openapi, graphql, data)
	require.NoError(t, err)
	assert.Contains(t, string(table), "\tkinds/ask\tPOST\t/kinds/{kind:a|b}\td\tapi\tread\ti\t-\n")
	assert.Contains(t, string(review), "\n# of a kind\nkinds/ask\n")
	assert.Contains(t, string(review), "\ngraphql/mutation.makeToken\tlisted\n")
	openapi, graphql, data = sources(t, map[string]string{"data/reviewed.txt": "# nothing\n"})
	table, review, err = build(openapi, graphql, data)
	require.NoError(t, err)
	assert.Contains(t, string(table), "\tkinds/ask\tPOST\t/kinds/{kind:a|b}\td\tapi\tread\tic\t-\n")
	assert.Contains(t, string(review), "\nkinds/ask\tasks/key\n")
}

func TestBuildStops(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ file, text, want string }{
		"unknown credential":    {"data/credentials.txt", "things/mint\n", "credentials.txt: no operation is called things/mint"},
		"an excuse for nothing": {"data/reviewed.txt", "kinds/* asks/key # of a kind\nthings/* asks/token # none\n", "things/* asks/token explains nothing"},
		"an excuse of nothing":  {"data/reviewed.txt", "things/* asks/token\n", "is not OPERATION SIDE/MEMBER # REASON"},
		"unknown access":        {"data/access.txt", "things/make admin\n", "access.txt: no operation is called things/make"},
		"odd access":            {"data/access.txt", "things/delete all\n", "is neither permission NAME nor NAME ACCESS"},
		"nothing known":         {"data/reads.txt", "", "access.txt: no line for kinds/ask, of which no permission is known"},
		"unknown ref":           {"data/refs.txt", "things/make\n", "refs.txt: no operation is called things/make"},
		"ref nobody saw":        {"data/refs.txt", "", "refs.txt: no line for things/delete, which takes contents=write"},
		"unknown read":          {"data/reads.txt", "things/ask\n", "reads.txt: no operation is called things/ask"},
		"unknown permission":    {"data/permissions.txt", "things/ask contents=read\n", "no operation is called things/ask"},
		"unknown endpoint":      {"data/server-to-server-rest.json", `{"x":[{"verb":"get","requestPath":"/y"}]}`, "GET /y is in no OpenAPI description"},
		"unknown edition":       {"openapi/generated/other.json", `{}`, `unknown edition "other"`},
		"odd segment":           {"openapi/generated/ghec.json", `{"paths":{"/a b":{"get":{"operationId":"a/b"}}}}`, `segment "a b"`},
		"odd method":            {"openapi/generated/ghec.json", `{"paths":{"/a":{"trace":{}}}}`, `"trace" is not a method`},
		"undescribed":           {"openapi/generated/ghec.json", `{"paths":{"/{a}":{"get":{"operationId":"a/b"}}}}`, "parameter a is not described"},
		"editions disagree":     {"openapi/generated/ghec.json", `{"paths":{"/kinds/{kind}":{"post":{"operationId":"x/y","parameters":[{"name":"kind","in":"path","schema":{"type":"string"}}]}}}}`, "editions disagree"},
		"schema without root":   {"graphql/schema.graphql", `type Query { viewer: String }`, "type Mutation is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			openapi, graphql, data := sources(t, map[string]string{c.file: c.text})
			_, _, err := build(openapi, graphql, data)
			require.ErrorContains(t, err, c.want)
		})
	}
	assert.ErrorContains(t, run(nil, io.Discard), "-openapi and -graphql are required")
}

// The committed table is what the generator makes of its sources, where those are at hand.
func TestCommittedTableIsCurrent(t *testing.T) {
	t.Parallel()
	openapi, graphql := os.Getenv("OCTOKIT_OPENAPI"), os.Getenv("OCTOKIT_GRAPHQL")
	if openapi == "" || graphql == "" {
		t.Skip("OCTOKIT_OPENAPI and OCTOKIT_GRAPHQL are not set")
	}
	table, result, err := build(openapi, graphql, "data")
	require.NoError(t, err)
	packed, err := pack(table)
	require.NoError(t, err)
	committed, err := os.ReadFile(filepath.Join("..", "operations.table.gz"))
	require.NoError(t, err)
	assert.Equal(t, packed, committed, "run go generate ./services/github/api")
	review, err := os.ReadFile(filepath.Join("..", "review.txt"))
	require.NoError(t, err)
	assert.Equal(t, string(result), string(review), "run go generate ./services/github/api")
}
