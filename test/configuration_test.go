package test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"sallyport/certs"
	"sallyport/config"
	"sallyport/server"
)

// configurationPage is docs/configuration.md: files that load, and after each a
// table of keys whose examples load in it and whose wrong values do not.
const configurationPage = "../docs/configuration.md"

type documented struct {
	file string // "sallyport.yaml"
	text string
	rows [][]string // key, example, meaning, wrong, error
}

func documentedFiles(t *testing.T) []documented {
	t.Helper()
	page, err := os.ReadFile(configurationPage)
	require.NoError(t, err)
	var all []documented
	for part := range strings.SplitSeq(string(page), "```yaml\n# ") {
		file, rest, _ := strings.Cut(part, "\n")
		text, after, ok := strings.Cut(rest, "```\n")
		if !ok {
			continue // what stands before the first file
		}
		d := documented{file: file, text: text}
		for line := range strings.Lines(after) {
			if strings.HasPrefix(line, "| `") && strings.Count(line, " | ") == 4 {
				cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
				for i, c := range cells {
					cells[i] = strings.Trim(strings.TrimSpace(c), "`")
				}
				d.rows = append(d.rows, cells)
			}
		}
		all = append(all, d)
	}
	require.Greater(t, len(all), 10)
	return all
}

func TestConfigurationPageLoads(t *testing.T) {
	t.Parallel()
	key := newKey(t)
	for n, d := range documentedFiles(t) {
		t.Run(fmt.Sprint(n, " ", filepath.Base(d.file)), func(t *testing.T) {
			t.Parallel()
			loads := func(text string) error {
				_, err := config.Load(documentedHome(t, d.file, text, key), homeOptions())
				return err
			}
			require.NoError(t, loads(d.text))
			for _, row := range d.rows {
				require.NoError(t, loads(with(t, d.text, row[0], row[1])), "%s: %s", row[0], row[1])
				if err := loads(with(t, d.text, row[0], row[3])); row[4] != "" {
					assert.ErrorContains(t, err, row[4], "%s: %s", row[0], row[3])
				}
			}
		})
	}
}

// A key that the parsers know and the page does not is a key that nobody finds.
func TestConfigurationPageNamesEveryKey(t *testing.T) {
	t.Parallel()
	key := newKey(t)
	known := regexp.MustCompile(`known here are ([a-z0-9_, ]+)`)
	page, err := os.ReadFile(configurationPage)
	require.NoError(t, err)
	named := map[string]bool{}
	for _, d := range documentedFiles(t) {
		paths := []string{"zzz"}
		for _, row := range d.rows {
			for path := row[0]; strings.Contains(path, "."); {
				path = path[:strings.LastIndex(path, ".")]
				paths = append(paths, path+".zzz")
			}
		}
		for _, path := range paths {
			_, err := config.Load(documentedHome(t, d.file, with(t, d.text, path, "1"), key), homeOptions())
			if err == nil {
				continue // a mapping of names
			}
			for _, m := range known.FindAllStringSubmatch(err.Error(), -1) {
				for _, word := range strings.FieldsFunc(strings.ReplaceAll(m[1], " and ", ", "), func(r rune) bool { return r == ',' || r == ' ' }) {
					if named[word] {
						continue
					}
					named[word] = true
					assert.True(t, regexp.MustCompile("[`.{ ]"+regexp.QuoteMeta(word)+"[`.:\\[]").Match(page), "%s: %s", path, word)
				}
			}
		}
	}
	assert.Greater(t, len(named), 60)
}

// with is the text with another value at a path, such as rules[].allow.host.
func with(t *testing.T, text, path, value string) string {
	t.Helper()
	var tree, v any
	require.NoError(t, yaml.Unmarshal([]byte(text), &tree))
	require.NoError(t, yaml.Unmarshal([]byte(value), &v), "%s: %s", path, value)
	tree = set(t, tree, strings.Split(strings.NewReplacer("[]", ".0", "[1]", ".1").Replace(path), "."), v)
	data, err := yaml.Marshal(tree)
	require.NoError(t, err)
	return string(data)
}

func set(t *testing.T, at any, path []string, v any) any {
	t.Helper()
	if len(path) == 0 {
		return v
	}
	if index, err := strconv.Atoi(path[0]); err == nil {
		items, _ := at.([]any)
		for len(items) <= index {
			items = append(items, map[string]any{})
		}
		items[index] = set(t, items[index], path[1:], v)
		return items
	}
	m := map[string]any{}
	if old, ok := at.(map[string]any); ok {
		m = maps.Clone(old)
	}
	m[path[0]] = set(t, m[path[0]], path[1:], v)
	return m
}

// documentedHome is a home in which one file is the documented one.
func documentedHome(t *testing.T, file, text string, key []byte) config.Layout {
	t.Helper()
	l := config.Layout{Dir: t.TempDir()}
	require.NoError(t, os.Mkdir(l.Policies(), 0o700))
	root, err := certs.CreateAuthority(certs.Template{CommonName: "root"}, time.Now())
	require.NoError(t, err)
	for name, content := range map[string]string{
		"sallyport.yaml":   "trust_domain: agents.example.com\n",
		"owners.yaml":      "people: {dana: {name: Dana}}\n",
		"credentials.yaml": otherCredentials,
		"root.pem":         string(root.CertificatePEM()), "app.pem": string(key), "key.txt": "canary", "session.json": "{}",
		file: text,
	} {
		if name == "credentials.yaml" && file == name {
			content = beside(t, content)
		}
		require.NoError(t, os.WriteFile(filepath.Join(l.Dir, name), []byte(content), 0o600))
	}
	return l
}

// beside adds the other credentials to the documented ones.
func beside(t *testing.T, text string) string {
	t.Helper()
	var own, others map[string]any
	require.NoError(t, yaml.Unmarshal([]byte(otherCredentials), &others))
	if yaml.Unmarshal([]byte(text), &own) != nil {
		return text
	}
	entries, ok := own["credentials"].(map[string]any)
	if !ok {
		return text
	}
	all, _ := others["credentials"].(map[string]any)
	maps.Copy(all, entries)
	own["credentials"] = all
	data, err := yaml.Marshal(own)
	require.NoError(t, err)
	return string(data)
}

// otherCredentials are those that the documented files refer to.
const otherCredentials = `credentials:
    app: {kind: github_app, app_id: 1, private_key: {file: app.pem}, owners: [acme], installation: auto}
    role: {kind: aws_role, role_arn: "arn:aws:iam::123456789012:role/agents", region: eu-west-1}
    keys: {kind: aws_keys, access_key_id: AKIAIOSFODNN7EXAMPLE, secret: {env: SECRET}, region: eu-west-1, hosts: ["*.eu-west-1.amazonaws.com", s3.example.com]}
    model: {kind: header, header: x-api-key, secret: {env: SECRET}, hosts: [api.anthropic.com, api.openai.com, models.example.com]}
    corp: {kind: basic, username: sallyport, secret: {env: SECRET}, hosts: ["proxy.corp.example:3128"]}
`

func homeOptions() config.Options {
	return config.Options{
		Getenv: func(string) string { return "canary" }, FingerprintKey: make([]byte, 32),
		Now: time.Now, Services: server.Services(),
	}
}

func newKey(t *testing.T) []byte {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
}
