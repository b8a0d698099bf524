package e2e_test

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// These clients read a file or variables of their own, which env leads them to.

func TestPerlLWP(t *testing.T) {
	full(t)
	t.Parallel()
	perl := find(t, "perl")
	if exec.CommandContext(t.Context(), perl, "-MLWP::Protocol::https", "-e", "1").Run() != nil {
		missing(t, "Perl's LWP")
	}
	c := newClient(t)
	got := c.run(perl, "-MLWP::UserAgent", "-e", "my $r = LWP::UserAgent->new->get(shift); print $r->code, $r->content", "https://"+apiHost+"/echo?perl")
	assert.Contains(t, got, `"query":"perl"`)
	c.recorded(echoRow)
}

func TestPHPCurl(t *testing.T) {
	full(t)
	t.Parallel()
	php := find(t, "php")
	if exec.CommandContext(t.Context(), php, "-r", "exit(function_exists('curl_init') ? 0 : 1);").Run() != nil {
		missing(t, "PHP's curl")
	}
	c := newClient(t)
	got := c.run(php, "-r", "$c = curl_init($argv[1]); curl_exec($c); echo curl_error($c);", "--", "https://"+apiHost+"/echo?php")
	assert.Contains(t, got, `"query":"php"`)
	c.recorded(echoRow)
}

// apt reads an index over https; what it says of missing files comes from the service.
func TestApt(t *testing.T) {
	full(t)
	t.Parallel()
	helper := "/usr/lib/apt/apt-helper"
	if _, err := exec.LookPath(helper); err != nil {
		missing(t, "apt")
	}
	c := newClient(t)
	c.run(helper, "download-file", "https://"+apiHost+"/echo?apt", filepath.Join(c.dir, "fetched"))
	c.recorded(echoRow)
}

func TestYarn(t *testing.T) {
	full(t)
	t.Parallel()
	node := find(t, "node")
	yarn := filepath.Join(installed(t, "@yarnpkg/cli-dist"), "bin", "yarn.js")
	c := newClient(t)
	c.write("package.json", `{"name": "x", "dependencies": {"greeting": "1.0.0"}}`)
	c.write("yarn.lock", "")
	c.write(".yarnrc.yml", "enableTelemetry: false\nnpmMinimalAgeGate: 0\nnpmRegistryServer: https://"+packages+"\nnodeLinker: node-modules\nenableGlobalCache: false\n")
	c.run(node, yarn, "install")
	assert.FileExists(t, filepath.Join(c.dir, "node_modules", "greeting", "package.json"))
	c.recorded(row{"GET", packages, "/greeting", "packages", "packages", 200})
}

// A name for ssh goes over https, with the credential.
func TestGitHubBySSHAddress(t *testing.T) {
	t.Parallel()
	git := find(t, "git")
	c := newClientOf(t, "developer")
	out := c.run(git, "ls-remote", "git@github.com:acme/web.git")
	assert.Contains(t, out, shared.first)
	assert.Contains(t, c.run(git, "ls-remote", "ssh://git@github.com/acme/web.git"), shared.first)
}

// installed is the folder of a package that install-clients.sh has put there.
func installed(t *testing.T, name string) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", "..", ".cache", "clients", "node_modules", name))
	require.NoError(t, err)
	if found, _ := filepath.Glob(filepath.Join(dir, "package.json")); len(found) == 0 {
		missing(t, name)
	}
	return dir
}
