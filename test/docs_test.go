package test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/policy"
	"sallyport/server"
	"sallyport/services"
)

var (
	linkPattern = regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
	testPattern = regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9_]+)`")
	funcPattern = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Za-z0-9_]+)\(`)
	yamlPattern = regexp.MustCompile("(?s)```yaml\n(policy: .*?)```")
	makePattern = regexp.MustCompile("(?m)(?:^|`|' )make ([a-z0-9]+)")
)

// documents are the pages for people; each link in them leads somewhere.
func documents(t *testing.T) map[string]string {
	t.Helper()
	pages := map[string]string{}
	for _, pattern := range []string{"../*.md", "../docs/*.md", "../bench/*.md"} {
		names, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, name := range names {
			data, err := os.ReadFile(name)
			require.NoError(t, err)
			pages[name] = string(data)
		}
	}
	require.Contains(t, pages, "../README.md")
	return pages
}

func TestLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	for page, text := range documents(t) {
		for _, link := range linkPattern.FindAllStringSubmatch(text, -1) {
			_, err := os.Stat(filepath.Join(filepath.Dir(page), link[1]))
			assert.NoErrorf(t, err, "%s links to %s", page, link[1])
		}
	}
}

// Whoever looks for a package finds what it is for, itself or the one that it is
// part of.
func TestArchitectureNamesEveryPackage(t *testing.T) {
	t.Parallel()
	page := documents(t)["../ARCHITECTURE.md"]
	for _, p := range list(t) {
		name, _ := strings.CutPrefix(p.ImportPath, "sallyport/")
		named := false
		for part := name; part != "." && !named; part = path.Dir(part) {
			named = strings.Contains(page, "`"+part+"`") || strings.Contains(page, "`"+part+"/`")
		}
		assert.True(t, named, "ARCHITECTURE.md does not say what %s is", name)
	}
}

// The table of packages goes down floor by floor, as imports do.
func TestArchitectureGoesFromTheTopFloorToTheGround(t *testing.T) {
	t.Parallel()
	above, floor := "", len(layers)
	for line := range strings.Lines(documents(t)["../ARCHITECTURE.md"]) {
		row, ok := strings.CutPrefix(line, "| `")
		name, _, isPackage := strings.Cut(row, "`")
		if _, err := os.Stat(filepath.Join("..", name)); !ok || !isPackage || err != nil {
			continue
		}
		here := layer(strings.TrimSuffix(name, "/"))
		assert.LessOrEqual(t, here, floor, "%s stands below %s in the table of ARCHITECTURE.md, and is above it in the house", name, above)
		above, floor = name, here
	}
	assert.Zero(t, floor, "the ground comes last")
}

// Whoever adds a service finds everything that it may do.
func TestArchitectureNamesEveryAbility(t *testing.T) {
	t.Parallel()
	page := documents(t)["../ARCHITECTURE.md"]
	_, section, _ := strings.Cut(page, "## Adding a service")
	section, _, _ = strings.Cut(section, "\n## ")
	for _, name := range []string{"../services/abilities.go", "../services/clue.go", "../policy/clause.go", "../policy/language.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			s, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			of, ok := s.Type.(*ast.InterfaceType)
			if ok && s.Name.IsExported() && len(of.Methods.List) <= 2 && !slices.Contains(handed, s.Name.Name) {
				assert.Contains(t, section, "`"+s.Name.Name+"`", "%s", name)
			}
			return true
		})
	}
}

// handed are small interfaces that are no abilities: values that pass between core and service.
var handed = []string{"Watch", "Scope", "Relation", "Bound"}

func TestNamedTestsExist(t *testing.T) {
	t.Parallel()
	var all []string
	for _, file := range sources(t) {
		if strings.HasSuffix(file, "_test.go") {
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			for _, m := range funcPattern.FindAllStringSubmatch(string(data), -1) {
				all = append(all, m[1])
			}
		}
	}
	for page, text := range documents(t) {
		for _, m := range testPattern.FindAllStringSubmatch(text, -1) {
			assert.Truef(t, slices.Contains(all, m[1]), "%s names %s, which does not exist", page, m[1])
		}
	}
	model := documents(t)["../docs/threat-model.md"]
	claims, _, _ := strings.Cut(model[strings.Index(model, "## Claims"):], "## Not defended")
	for line := range strings.Lines(claims) {
		if strings.HasPrefix(line, "| ") && !strings.HasPrefix(line, "| claim") {
			assert.Regexp(t, testPattern, line, "a claim without a test")
		}
	}
}

func TestPoliciesInTheDocumentsLoad(t *testing.T) {
	t.Parallel()
	found := 0
	for page, text := range documents(t) {
		for _, m := range yamlPattern.FindAllStringSubmatch(text, -1) {
			found++
			p, err := policy.Parse("policies/operator.yaml", []byte(m[1]), services.Languages(server.Services(), nil)...)
			if assert.NoErrorf(t, err, "%s:\n%s", page, m[1]) {
				assert.Empty(t, p.RunTests(), page)
			}
		}
	}
	assert.GreaterOrEqual(t, found, 2)
}

func TestNamedMakeTargetsExist(t *testing.T) {
	t.Parallel()
	makefile, err := os.ReadFile("../Makefile")
	require.NoError(t, err)
	ci, err := os.ReadFile("../.ci/run")
	require.NoError(t, err)
	pages := documents(t)
	pages["../.ci/run"] = string(ci)
	for page, text := range pages {
		for _, m := range makePattern.FindAllStringSubmatch(text, -1) {
			target := regexp.MustCompile(`(?m)^` + m[1] + `:`)
			assert.Truef(t, target.Match(makefile), "%s names make %s, which does not exist", page, m[1])
		}
	}
}

// TestREADMEStaysShort: the first page is read by people who have not decided yet.
func TestREADMEStaysShort(t *testing.T) {
	t.Parallel()
	assert.Less(t, strings.Count(documents(t)["../README.md"], "\n"), 200)
}

// TestNoUnfinishedWork: what is left to do is an issue, not a comment.
func TestNoUnfinishedWork(t *testing.T) {
	t.Parallel()
	marks := regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|X` + `XX)\b`)
	err := filepath.WalkDir("..", func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && slices.Contains([]string{".cache", ".git"}, d.Name()) {
			return fs.SkipDir // installed clients are not ours
		}
		if err != nil || !d.Type().IsRegular() || !slices.Contains([]string{".go", ".md", ".sh", ".yaml", ".yml"}, filepath.Ext(name)) {
			return err
		}
		data, err := os.ReadFile(name)
		if err == nil && marks.Match(data) {
			t.Errorf("%s holds %q", name, marks.Find(data))
		}
		return err
	})
	require.NoError(t, err)
}
