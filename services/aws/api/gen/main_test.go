package main

import (
	"bytes"
	"compress/gzip"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const things = `{"metadata":{"endpointPrefix":"things","protocol":"rest-json","signingName":"thing"},"operations":{
	"GetThing":{"name":"GetThing","http":{"method":"GET","requestUri":"/things/{Id}"},"input":{"shape":"Get"}},
	"GetPart":{"name":"GetPart","http":{"method":"GET","requestUri":"/things/{Other}"},"input":{"shape":"Part"}},
	"TagThing":{"name":"TagThing2020_01_01","http":{"method":"POST","requestUri":"/things/{Id}?operation=tag"},"endpoint":{"hostPrefix":"{Account}."}}},
	"shapes":{"Get":{"members":{"Part":{"location":"querystring","locationName":"part"}}},
	"Part":{"required":["Part"],"members":{"Part":{"location":"querystring","locationName":"part"}}}}}`

const rules = `{"rules":[{"endpoint":{"url":"https://things-fips.{Region}.{PartitionResult#dnsSuffix}/v2"}}]}`

// written writes a small model and the reviewed lists beside it.
func written(t *testing.T, edit map[string]string) (botocore, iam, data string) {
	t.Helper()
	dir := t.TempDir()
	files := map[string]string{
		"botocore/__init__.py":                                        "__version__ = '1.2.3'\n",
		"botocore/data/things/2020-01-01/service-2.json.gz":           things,
		"botocore/data/things/2020-01-01/endpoint-rule-set-1.json.gz": rules,
		"iam/package.json":                                            `{"version":"4.5.6"}`,
		"iam/lib/generated/policy-statements/things.js":               "servicePrefix = 'thing'; this.to('GetThing'); this.to('TagResource')",
		"data/actions.txt":                                            "things/TagThing thing:TagResource # of another name\n",
		"data/events.txt":                                             "things/TagThing TagThing2020_01_01\n",
		"data/secrets.txt":                                            "things/Get*art\n",
		"data/reviewed.txt":                                           "",
		"data/hosts.txt":                                              "things *.things\n",
		"data/aliases.txt":                                            "", "data/prefixes.txt": "", "data/routes.txt": "", "data/names.txt": "stuff thing other\n",
	}
	maps.Copy(files, edit)
	for name, text := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
		if strings.HasSuffix(name, ".gz") {
			var packed bytes.Buffer
			w := gzip.NewWriter(&packed)
			_, err := w.Write([]byte(text))
			require.NoError(t, err)
			require.NoError(t, w.Close())
			text = packed.String()
		}
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	}
	return filepath.Join(dir, "botocore"), filepath.Join(dir, "iam"), filepath.Join(dir, "data")
}

func TestRun(t *testing.T) {
	t.Parallel()
	botocore, iam, data := written(t, nil)
	out := filepath.Join(t.TempDir(), "table")
	var tables [2][]byte
	for i := range tables {
		require.NoError(t, run([]string{"-botocore", botocore, "-iam", iam, "-data", data, "-out", out, "-review", out + ".txt", "-names", out + ".names", "-date", "2026-01-02"}, io.Discard))
		text, err := os.ReadFile(out)
		require.NoError(t, err)
		tables[i] = text
	}
	assert.Equal(t, tables[0], tables[1], "same input, same bytes")
	assert.Equal(t, "sallyport aws operations 1\nsource\tbotocore 1.2.3 2026-01-02\nsource\tiam-floyd 4.5.6\ncount\t1\t3\t2\n"+
		"s\tthings\tthing\tr\t\tthings\t*.things *.things things\t\n"+
		"GetPart\t-\t\tc\tGET\t/v2/things/{Other}?part\t\tpart\n"+
		"GetThing\t\t\t\tGET\t/v2/things/{Id}\t\tpart\n"+
		"TagThing\tthing:TagResource\tTagThing2020_01_01\t\tPOST\t/v2/things/{Id}?operation=tag\n", string(tables[0]))
}

func TestBuildStops(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ file, text, want string }{
		"unknown action's operation": {"data/actions.txt", "things/Take thing:Take\n", "things/Take is in no model"},
		"unknown secret":             {"data/secrets.txt", "things/Take*\n", "things/Take* names no operation"},
		"unknown service":            {"data/hosts.txt", "stuff stuff\n", "host stuff is in no model"},
		"unknown protocol":           {"botocore/data/things/2020-01-01/service-2.json.gz", `{"metadata":{"endpointPrefix":"things","protocol":"soap"}}`, `protocol "soap" is not known`},
		"odd segment":                {"botocore/data/things/2020-01-01/service-2.json.gz", strings.ReplaceAll(things, "{Id}", "a-{Id}"), `segment "a-{Id}"`},
		"no version":                 {"botocore/__init__.py", "", "states no version"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			botocore, iam, data := written(t, map[string]string{c.file: c.text})
			_, err := build(sources{botocore: botocore, iam: iam, data: data})
			require.ErrorContains(t, err, c.want)
		})
	}
	assert.ErrorContains(t, run(nil, io.Discard), "-botocore and -iam are required")
}

// The committed table is what the generator makes of its sources, where those are at hand.
func TestCommittedTableIsCurrent(t *testing.T) {
	t.Parallel()
	botocore, iam := os.Getenv("BOTOCORE"), os.Getenv("IAM_FLOYD")
	if botocore == "" || iam == "" {
		t.Skip("BOTOCORE and IAM_FLOYD are not set")
	}
	table, err := os.ReadFile(filepath.Join("..", "operations.table"))
	require.NoError(t, err)
	made, err := build(sources{botocore: botocore, iam: iam, data: "data", date: dateOf(t, table)})
	require.NoError(t, err)
	assert.Equal(t, string(made.table), string(table), "run make tables")
	for file, want := range map[string][]byte{"../review.txt": made.review, "../../sigv4/names.txt": made.names} {
		text, err := os.ReadFile(filepath.FromSlash(file))
		require.NoError(t, err)
		assert.Equal(t, string(want), string(text), "run make tables")
	}
}

// dateOf is the date that a table states.
func dateOf(t *testing.T, table []byte) string {
	t.Helper()
	_, date, found := strings.Cut(strings.Split(string(table), "\n")[1], " ")
	require.True(t, found)
	_, date, _ = strings.Cut(date, " ")
	return date
}
