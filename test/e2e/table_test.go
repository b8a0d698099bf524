package e2e_test

import (
	"context"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// listed is a client of the matrix, as docs/clients.md lists it.
type listed struct {
	name, proxy, trust string
	protocol           string // in the tunnel, if nothing is said of it: h1 or h2
	note               string

	test     string   // that runs it, which the trail holds protocol to
	script   string   // or what runs it, in bash with an address as $1: it prints what the service answers
	programs []string // that the script needs, and
	library  string   // the Node package, whose folder is $2
	peer     bool     // it knows no password of a proxy
}

const (
	noPassword = "knows no proxy password: see below"
	upper      = "`HTTPS_PROXY`"
	lower      = "`https_proxy`"
	file       = "`SSL_CERT_FILE`"
	nodeProxy  = "`HTTPS_PROXY` with `NODE_USE_ENV_PROXY=1`"
	nodeTrust  = "`NODE_EXTRA_CA_CERTS`"
)

// matrix is every client that is run here, and what it needs.
func matrix() []listed {
	node := func(name, program string) listed {
		return listed{name: name, proxy: nodeProxy, trust: nodeTrust, protocol: "h1", script: `node -e 'const lib = require("node:module").createRequire(process.argv[2] + "/")("` + name + `"); ` + program + `' "$1" "$2"`, programs: []string{"node"}, library: name}
	}
	python := func(name, trust, note, program string) listed {
		return listed{name: name, proxy: upper, trust: trust, protocol: "h1", note: note, script: "/usr/bin/python3 -c '" + program + "' \"$1\"", programs: []string{"/usr/bin/python3"}}
	}
	return []listed{
		{name: "curl", proxy: upper, trust: "`CURL_CA_BUNDLE`, " + file, protocol: "h2", test: "TestCurl"},
		{name: "curl by SOCKS", proxy: "`socks5h://` and the sidecar's address", trust: "as above", protocol: "h2", note: "and what speaks nothing else: see below", script: `curl -sS --fail-with-body -x "socks5h://${HTTPS_PROXY#http://}" "$1"`, programs: []string{"curl"}},
		{name: "git", proxy: upper, trust: "`GIT_SSL_CAINFO`", protocol: "h1", note: "needs no credential: injection is pre-emptive; is offered no h2, see below", test: "TestGit"},
		{name: "wget", proxy: "`https_proxy` (lower case)", trust: "`WGETRC`: a file in the identity folder", protocol: "h1", note: "`~/.wgetrc` is not read then", test: "TestWget"},
		{name: "apt", proxy: lower, trust: "`APT_CONFIG`: a file in the identity folder", protocol: "h1", note: "a repository whose address ends in `./` is refused: its paths have dot segments", test: "TestApt"},
		{name: "aria2", proxy: lower, trust: "`--ca-certificate=\"$SSL_CERT_FILE\"`", protocol: "h1", script: `aria2c -q --ca-certificate="$SSL_CERT_FILE" -o got "$1" && cat got`, programs: []string{"aria2c"}},
		{name: "w3m", proxy: lower, trust: file, protocol: "h1", script: `w3m -dump_source "$1"`, programs: []string{"w3m"}},
		{name: "Lynx", proxy: lower, trust: file, protocol: "h1", note: noPassword, test: "TestLynx"},
		{name: "ELinks", proxy: lower, trust: file, protocol: "h1", note: noPassword, script: `elinks -source 1 "$1"`, programs: []string{"elinks"}, peer: true},
		{name: "Chromium", proxy: lower, trust: "`--browsers`: an NSS database", protocol: "h2", note: noPassword, test: "TestChromium"},
		{name: "Perl LWP", proxy: "`https_proxy` with `PERL_LWP_ENV_PROXY=1`", trust: "`PERL_LWP_SSL_CA_FILE`", protocol: "h1", note: "HTTP::Tiny reads `https_proxy` and `SSL_CERT_FILE`", test: "TestPerlLWP"},
		{name: "PHP curl", proxy: lower, trust: "`PHP_INI_SCAN_DIR`: the identity folder, beside PHP's own", protocol: "h2", note: "`file_get_contents` reads no proxy variable; Composer uses curl", test: "TestPHPCurl"},
		{name: "Ruby `open-uri`", proxy: lower, trust: file, protocol: "h1", script: `ruby -ropen-uri -e 'print URI.open(ARGV[0]).read' "$1"`, programs: []string{"ruby"}},
		{name: "Python `urllib`", proxy: upper, trust: file, protocol: "h1", test: "TestPythonURLLib"},
		{name: "Python `requests`, pip", proxy: upper, trust: "`REQUESTS_CA_BUNDLE`, `PIP_CERT`", protocol: "h1", test: "TestPythonRequests"},
		python("httpx", file, "HTTP/2 if asked for", `import httpx,sys; print(httpx.get(sys.argv[1]).text)`),
		python("aiohttp", file, "only with `trust_env=True`", `import aiohttp,asyncio,sys
async def main():
    async with aiohttp.ClientSession(trust_env=True) as s:
        async with s.get(sys.argv[1]) as r: print(await r.text())
asyncio.run(main())`),
		python("httplib2", "`HTTPLIB2_CA_CERTS`", "", `import httplib2,sys; print(httplib2.Http().request(sys.argv[1])[1].decode())`),
		{name: "HTTPie", proxy: upper, trust: "`REQUESTS_CA_BUNDLE`", protocol: "h1", script: `http --ignore-stdin --body "$1"`, programs: []string{"http"}},
		{name: "Node 24 `fetch`, `https`", proxy: nodeProxy, trust: nodeTrust, protocol: "h1", note: "older ones: see below", test: "TestNode"},
		{name: "Node 20 `fetch`, `https`, `http`", proxy: "`NODE_OPTIONS`: a file in the identity folder", trust: nodeTrust, protocol: "h1", note: "set where the `node` on the path is so old", test: "TestOldNode"},
		node("axios", `lib.get(process.argv[1]).then(r => console.log(JSON.stringify(r.data)))`),
		node("got", `lib.default(process.argv[1]).text().then(console.log)`),
		node("ky", `lib.default(process.argv[1]).text().then(console.log)`),
		node("node-fetch", `lib.default(process.argv[1]).then(r => r.text()).then(console.log)`),
		node("undici", `lib.request(process.argv[1]).then(r => r.body.text()).then(console.log)`),
		{name: "npm", proxy: upper, trust: "`NPM_CONFIG_CAFILE`", protocol: "h1", test: "TestNPM"},
		{name: "Yarn 2 and later", proxy: "`YARN_HTTPS_PROXY`, `YARN_HTTP_PROXY`", trust: "`YARN_HTTPS_CA_FILE_PATH`", protocol: "h1", note: "Yarn 1: `HTTPS_PROXY`, `NODE_EXTRA_CA_CERTS`", test: "TestYarn"},
		{name: "Deno", proxy: upper, trust: "`DENO_CERT`", protocol: "h2", script: `deno eval --no-lock 'console.log(await (await fetch(Deno.args[0])).text())' "$1"`, programs: []string{"deno"}},
		{name: "Go programs: gh, terraform, kubectl", proxy: upper, trust: file, protocol: "h2", note: "gh wants `GH_TOKEN`: a placeholder", test: "TestGoPrograms"},
		{name: "Go's modules", proxy: upper, trust: file, protocol: "h2", test: "TestGoModules"},
		{name: "rclone", proxy: upper, trust: file, protocol: "h2", script: `rclone copyurl --stdout "$1"`, programs: []string{"rclone"}},
		{name: "AWS CLI, boto3", proxy: upper, trust: "`REQUESTS_CA_BUNDLE`", protocol: "h1", note: "want a key pair and a region: placeholders", test: "TestAWS"},
		{name: "Java", proxy: "`JAVA_TOOL_OPTIONS`", trust: "`truststore.p12`", protocol: "h2", note: "reads no other variable; its own clients know no proxy password: see below", test: "TestJava"},
		{name: "Maven", proxy: "`JAVA_TOOL_OPTIONS`", trust: "`truststore.p12`", protocol: "h1", note: noPassword, test: "TestMaven"},
	}
}

// agentName is how the agent of a client begins its name.
func (l *listed) agentName() string {
	if l.test != "" {
		return strings.ToLower(strings.TrimPrefix(l.test, "Test"))
	}
	return "client-" + slug(l.name)
}

func slug(name string) string {
	return strings.ToLower(strings.NewReplacer(" ", "-", "`", "", ",", "").Replace(name))
}

// Clients that need one command to be tried.
func TestClients(t *testing.T) {
	full(t)
	t.Parallel()
	for _, one := range matrix() {
		if one.script == "" {
			continue
		}
		t.Run(slug(one.name), func(t *testing.T) {
			t.Parallel()
			path := os.Getenv("PATH")
			for _, program := range one.programs {
				path = filepath.Dir(find(t, program)) + string(filepath.ListSeparator) + path
			}
			library := ""
			if one.library != "" {
				library = installed(t, one.library)
			}
			var flags []string
			if one.peer {
				flags = []string{"--peer-uid"}
			}
			c := newClientNamed(t, "e2e", one.agentName(), flags...)
			c.env = append(c.env, "PATH="+path)
			out := c.run("bash", "-c", one.script, "bash", "https://"+apiHost+"/echo?"+slug(one.name), library)
			assert.Contains(t, out, slug(one.name))
			assert.Contains(t, out, "sha256")
			c.recorded(echoRow)
		})
	}
}

var updateTable = flag.Bool("table", false, "write the table of docs/clients.md anew")

const (
	tableBegins = "<!-- What follows is written by `make clients` from the matrix of test/e2e. -->\n"
	tableEnds   = "<!-- End of what is written. -->\n"
)

// docs/clients.md says what the matrix runs, and every test that it names is there.
func TestTheTableOfClients(t *testing.T) {
	t.Parallel()
	var table strings.Builder
	table.WriteString(tableBegins + "| client | proxy from | trusts from | in the tunnel | note |\n|---|---|---|---|---|\n")
	tests := testsHere(t)
	for _, one := range matrix() {
		fmt.Fprintf(&table, "| %s | %s | %s | %s | %s |\n", one.name, one.proxy, one.trust, one.protocol, one.note)
		assert.True(t, one.script != "" || slices.Contains(tests, one.test), "%s has a test", one.name)
	}
	table.WriteString(tableEnds)
	page := filepath.Join("..", "..", "docs", "clients.md")
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	before, rest, found1 := strings.Cut(string(text), tableBegins)
	_, after, found2 := strings.Cut(rest, tableEnds)
	require.True(t, found1 && found2, "%s has no table", page)
	want := before + table.String() + after
	if *updateTable {
		require.NoError(t, os.WriteFile(page, []byte(want), 0o644)) //nolint:gosec // a page for everybody
		return
	}
	assert.Equal(t, want, string(text), "run make clients")
}

// testsHere are the tests of this package.
func testsHere(t *testing.T) (names []string) {
	t.Helper()
	files, err := filepath.Glob("*_test.go")
	require.NoError(t, err)
	for _, name := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, d := range parsed.Decls {
			if f, ok := d.(*ast.FuncDecl); ok {
				names = append(names, f.Name.Name)
			}
		}
	}
	return names
}

// checkProtocols holds what the table says of each client that has run to the trail.
func (w *world) checkProtocols(ctx context.Context) error {
	rows, err := w.home.Trail(ctx)
	if err != nil {
		return err
	}
	for _, one := range matrix() {
		spoken := map[string]bool{}
		for _, x := range rows {
			name := one.agentName()
			if (x.AgentName == name || strings.HasPrefix(x.AgentName, name+"-")) && x.HTTPVersion != nil && x.Method != "CONNECT" {
				spoken["h"+(*x.HTTPVersion)[:1]] = true
			}
		}
		if len(spoken) > 0 && !spoken[one.protocol] {
			return fmt.Errorf("the table says that %s speaks %s, and the trail has %v", one.name, one.protocol, spoken)
		}
	}
	return nil
}
