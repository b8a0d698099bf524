// Package test checks the shape of the whole module: which package may import
// which, where third-party modules are allowed, and how long a file and a
// function may become. It never runs the product; the folders beside it do.
package test

import (
	"encoding/json"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// layers orders the packages of the module. A package imports only packages of
// lower layers; the reason is printed when it does not.
var layers = []struct {
	packages []string
	reason   string
}{
	{
		[]string{"internal"},
		"it is there for everyone, so it must know nobody",
	},
	{
		[]string{"policy", "identity", "credentials", "audit", "certs"},
		"leaves speak in strings and internal/host types; one that knows a sibling cannot be read, tested or replaced alone",
	},
	{
		[]string{"services"},
		"a service is a room: it knows the leaves, and nothing that is built on rooms",
	},
	{
		[]string{"config"},
		"what the files say, the services say together; who enforces it is above",
	},
	{
		[]string{"proxy"},
		"enforcement joins the leaves; it must not know how they are configured, administered or started",
	},
	{
		[]string{"admin", "sandbox"},
		"administration and the agent's side stand between enforcement and the command line",
	},
	{
		[]string{"server"},
		"the composition knows every part, and no part may know how it is put together",
	},
	{
		[]string{"cmd", "test", "bench"},
		"only programs and whole-product tests may import everything",
	},
}

// within lists, for packages of one layer that need a neighbour of that layer,
// which one and why.
var within = map[[2]string]string{
	{"internal/yamldoc", "internal/nearest"}: "a key that is not known may be a slip",
	{"internal/http1", "internal/fieldname"}: "what is passed on as it was written is read in one way on both sides",
	{"admin", "sandbox/veil"}:                "who asks must not be a command of a run, and only what marks it can tell",
	{"sandbox/jail", "sandbox/catch"}:        "what a jail refuses by itself is told in the words of what it catches",
	{"sandbox/jail", "sandbox/veil"}:         "the command of a jail is kept from administration by the same mark",
	{"sandbox/confine", "sandbox/jail"}:      "it serves the sockets of a jail",
	{"sandbox/confine", "sandbox/catch"}:     "what arrives in a jail is caught",
	{"sandbox/confine", "sandbox/sidecar"}:   "and leaves through the sidecar",
	{"sandbox/enrol", "sandbox/sidecar"}:     "the identity that it renews is the one that a sidecar shows",
	{"bench/run", "test/rig"}:                "the benchmark sets the product up as the tests do",
}

// rooms are packages that see less of the module than their layer would let them: what
// is listed, and nothing else, their own family included.
var rooms = []struct {
	room   string
	sees   []string
	reason string
}{
	{
		"audit",
		[]string{"internal/visible"},
		"what a row says, and how it is hashed and told, is the same wherever rows are kept: a trail in another database is built on it",
	},
	{
		"audit/trail",
		[]string{"audit", "internal/sqlite"},
		"it keeps rows; who ships, publishes or asks for them is built on it or beside it",
	},
	{
		"proxy/wire",
		[]string{"internal/fieldname", "internal/host"},
		"bytes are read the same whoever sends them; who may do what is asked through interfaces, or it would be decided in two places",
	},
	{
		"proxy/upstream",
		[]string{"internal/fieldname", "internal/host", "internal/http1"},
		"the way out opens connections for what was decided; one that knew exchanges, agents or policies would decide a second time",
	},
	{
		"services/github/api",
		[]string{"internal/glob", "internal/ijson", "internal/nearest", "policy"},
		"what a request means is told from the request alone; of policies it takes the word for how much an operation takes",
	},
	{
		"services/aws/api",
		[]string{"internal/ijson", "internal/nearest"},
		"what a request means is told from the request alone",
	},
	{
		"services/aws/sigv4",
		[]string{"internal/share"},
		"a signature is made of a request and of keys; whose they are, where they come from and what they are for is said above it",
	},
	{
		"services/aws/session",
		[]string{"audit", "credentials", "credentials/mint", "internal/host", "services/aws/sigv4"},
		"a kind of credentials is handed in, and knows no policy and no visit: what it is for, a use says; of the trail it knows the words of a row",
	},
	{
		"services/github/app",
		[]string{"audit", "credentials", "credentials/mint", "internal/host", "services/github/limit"},
		"the same",
	},
	{
		"services/github/told",
		nil,
		"what an agent was told is kept by its name alone; what a number means for a request is said by who reads the request",
	},
	{
		"services/github/limit",
		[]string{"credentials/budget"},
		"what an answer says of an account is read alike for those who mint and for those who ask",
	},
}

// allowance says where a third-party module may be imported, and in how many
// files of one package at most.
type allowance struct {
	module   string
	packages []string
	files    int
	reason   string
}

// modules: what is missing here is not used.
var modules = []allowance{
	{"filippo.io/age", []string{"internal/backup"}, 1, "keys in a backup are encrypted by a format that people can open without us"},
	{"github.com/elazarl/goproxy", []string{"proxy/wire"}, 1, "goproxy takes CONNECT and hands over; its defaults (unverified upstreams, a public CA key) must not spread"},
	{"modernc.org/sqlite", []string{"internal/sqlite"}, 1, "one place decides the pragmas that durability rests on"},
	{"go.yaml.in/yaml/v3", []string{"internal/yamldoc"}, 1, "what YAML may say in a file of ours is decided once"},
	{"github.com/aws/aws-sdk-go-v2", []string{"services/aws/session"}, 1, "the SDK asks STS and finds keys where its own tools do; nothing else may depend on its shape"},
	{"github.com/aws/smithy-go", []string{"services/aws/session"}, 1, "how the SDK's errors are told apart"},
	{"github.com/google/go-github/v66", []string{"services/github/app"}, 2, "the API client mints installation tokens; nothing else may depend on its shape"},
	{"github.com/spiffe/go-spiffe/v2", []string{"identity"}, 1, "one place reads an identity from a certificate"},
	{"github.com/vektah/gqlparser/v2", []string{"services/github"}, 3, "GraphQL is parsed to name an operation, and printed anew from what was parsed"},
	{"software.sslmate.com/src/go-pkcs12", []string{"certs"}, 1, "the Java trust store is one function"},
	{"github.com/fsnotify/fsnotify", []string{"config"}, 1, "one watcher for all files"},
	{"github.com/prometheus/client_golang", []string{"internal/metrics"}, 9, "metrics are declared in one package; the others report through small interfaces"},
	{"github.com/spf13/cobra", []string{"cmd/sallyport"}, 99, "the command line: one file per subcommand"},
	{"github.com/spf13/pflag", []string{"cmd/sallyport"}, 2, "cobra's flags: the type of its error about a wrong value, and those that were given"},
	{"github.com/google/uuid", []string{"identity", "audit", "proxy", "admin", "config", "sandbox", "server", "services/aws", "cmd/sallyport"}, 99, "the type of an agent's id"},
	{"golang.org/x/crypto", []string{"internal/backup"}, 0, "only tests: keys of SSH, to encrypt backups to"},
	{"golang.org/x/mod", []string{"audit"}, 9, "transparency-log hashes and signed notes"},
	{"golang.org/x/net", []string{"internal/host", "internal/http1", "proxy", "services", "sandbox/catch", "sandbox/probe"}, 6, "IDNA in internal/host; what HTTP says of fields and trailers in proxy, of their compression in proxy/wire; questions about names in sandbox/catch"},
	{"golang.org/x/sync", []string{"certs", "credentials", "proxy"}, 2, "one mint or one certificate at a time per key"},
	{"golang.org/x/sys", []string{"internal", "admin", "sandbox", "config", "server", "cmd/sallyport", "credentials", "proxy", "audit"}, 13, "what the standard library does not offer: peer credentials, locks, process groups, free space, namespaces"},
	{"github.com/hanwen/go-fuse/v2", []string{"test/slowfs"}, 1, "a disk that hangs or fails on demand, for tests only: the kernel's own file systems do not"},
	{"go.opentelemetry.io/proto/otlp", []string{"audit/ship"}, 0, "only tests: the protocol's own message types check what is sent"},
	{"golang.org/x/time", []string{"proxy"}, 2, "rate limits per agent"},
}

// databases are the packages that may speak SQL.
var databases = []string{"internal/sqlite", "identity", "audit/trail"}

type listed struct {
	ImportPath string
	Dir        string
	Name       string
	Doc        string
	GoFiles    []string
	Imports    []string
}

func list(t *testing.T) []listed {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Dir,Name,Doc,GoFiles,Imports", "sallyport/...").Output()
	require.NoError(t, err, "go list must work from a checkout")
	var packages []listed
	for dec := json.NewDecoder(strings.NewReader(string(out))); dec.More(); {
		var p listed
		require.NoError(t, dec.Decode(&p))
		packages = append(packages, p)
	}
	require.NotEmpty(t, packages)
	return packages
}

func TestImportsRunOneWay(t *testing.T) {
	t.Parallel()
	for _, p := range list(t) {
		from, _ := strings.CutPrefix(p.ImportPath, "sallyport/")
		for _, imported := range p.Imports {
			to, ours := strings.CutPrefix(imported, "sallyport/")
			if !ours || within[[2]string{from, to}] != "" || family(from, to) {
				continue
			}
			low, high := layer(to), layer(from)
			if low >= high {
				t.Errorf("%s imports %s: %s", from, to, layers[high].reason)
			}
		}
	}
}

func TestRoomsSeeNoMoreThanTheyNeed(t *testing.T) {
	t.Parallel()
	packages := list(t)
	for _, r := range rooms {
		i := slices.IndexFunc(packages, func(p listed) bool { return p.ImportPath == "sallyport/"+r.room })
		require.GreaterOrEqual(t, i, 0, "there is no package %s", r.room)
		for _, imported := range packages[i].Imports {
			if to, ours := strings.CutPrefix(imported, "sallyport/"); ours && !slices.Contains(r.sees, to) {
				t.Errorf("%s imports %s, and may only %v: %s", r.room, to, r.sees, r.reason)
			}
		}
	}
}

func TestThirdPartyModulesStayWhereTheyBelong(t *testing.T) {
	t.Parallel()
	for _, p := range list(t) {
		from, _ := strings.CutPrefix(p.ImportPath, "sallyport/")
		if under(from, "test") || under(from, "bench") {
			continue
		}
		importers := map[int][]string{} // index into modules to file names
		for imported, names := range thirdParty(t, p) {
			i := slices.IndexFunc(modules, func(a allowance) bool { return under(imported, a.module) })
			if i < 0 {
				t.Errorf("%s imports %s (%v), which no rule of this test allows: add the module with its job, or do without", from, imported, names)
				continue
			}
			if !slices.ContainsFunc(modules[i].packages, func(allowed string) bool { return under(from, allowed) }) {
				t.Errorf("%s imports %s: only %v may; %s", from, imported, modules[i].packages, modules[i].reason)
			}
			importers[i] = append(importers[i], names...)
		}
		for i, names := range importers {
			slices.Sort(names)
			if names = slices.Compact(names); len(names) > modules[i].files {
				t.Errorf("%s imports %s in %d files %v, at most %d: %s", from, modules[i].module, len(names), names, modules[i].files, modules[i].reason)
			}
		}
	}
}

func TestWhoKeepsNothingSpeaksNoSQL(t *testing.T) {
	t.Parallel()
	for _, p := range list(t) {
		from, _ := strings.CutPrefix(p.ImportPath, "sallyport/")
		if under(from, "test") || under(from, "bench") || slices.Contains(databases, from) {
			continue
		}
		for _, imported := range []string{"database/sql", "sallyport/internal/sqlite"} {
			if slices.Contains(p.Imports, imported) {
				t.Errorf("%s imports %s: what is kept in a database is asked of the package that keeps it, one of %v", from, imported, databases)
			}
		}
	}
}

// thirdParty maps each import with a host name in it to the files it is in.
func thirdParty(t *testing.T, p listed) map[string][]string {
	t.Helper()
	files := map[string][]string{}
	for _, name := range p.GoFiles {
		for _, spec := range parse(t, path.Join(p.Dir, name)).Imports {
			imported := strings.Trim(spec.Path.Value, `"`)
			if first, _, _ := strings.Cut(imported, "/"); strings.Contains(first, ".") {
				files[imported] = append(files[imported], name)
			}
		}
	}
	return files
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	t.Parallel()
	for _, p := range list(t) {
		if len(p.GoFiles) == 0 {
			continue
		}
		want := "Package " + p.Name + " "
		if p.Name == "main" {
			want = "Command " + path.Base(p.ImportPath) + " "
		}
		require.Truef(t, strings.HasPrefix(p.Doc, want), "%s: the package comment must begin with %q, it is %q", p.ImportPath, want, p.Doc)
	}
}

// layer is the index of the layer that names pkg most precisely.
func layer(pkg string) int {
	found, length := -1, -1
	for i, l := range layers {
		for _, name := range l.packages {
			if under(pkg, name) && len(name) > length {
				found, length = i, len(name)
			}
		}
	}
	return max(found, 0)
}

// family: a package and what lies below its own folder are one thing. Of services, each room
// is one, and all know the contract.
func family(a, b string) bool {
	root := func(p string) string { first, _, _ := strings.Cut(p, "/"); return first }
	room := func(p string) string { _, rest, _ := strings.Cut(p, "/"); return root(rest) }
	switch {
	case root(a) != root(b) || root(a) == "internal":
		return false
	case root(a) == "services":
		return room(a) == room(b) || b == "services"
	}
	return true
}

func under(pkg, folder string) bool {
	return pkg == folder || strings.HasPrefix(pkg, folder+"/")
}
