package e2e_test

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Chromium reads no variable that names certificates, and knows no password of a proxy.
func TestChromium(t *testing.T) {
	full(t)
	t.Parallel()
	chromium := find(t, "chromium")
	find(t, "certutil")
	c := newClient(t, "--peer-uid")
	out, err := shared.home.Run(t.Context(), "env", "--proxy", c.proxy, "--identity", c.agent.Dir, "--browsers", "--format", "json")
	require.NoError(t, err)
	var variables map[string]string
	require.NoError(t, json.Unmarshal([]byte(out), &variables))
	c.env = append(c.env, "XDG_DATA_HOME="+variables["XDG_DATA_HOME"])
	page := c.run(chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--dump-dom", "https://"+apiHost+"/echo?chromium")
	assert.Contains(t, page, `"query":"chromium"`)
	assert.NotContains(t, page, "ERR_CERT")
	c.recorded(echoRow)
}

// Maven has no other way to a password than a settings.xml.
func TestMaven(t *testing.T) {
	full(t)
	t.Parallel()
	maven := find(t, "mvn")
	c := newClient(t, "--peer-uid")
	c.write("pom.xml", `<project><modelVersion>4.0.0</modelVersion>
<parent><groupId>work</groupId><artifactId>parent</artifactId><version>1.0</version><relativePath/></parent>
<artifactId>child</artifactId><packaging>pom</packaging>
<repositories><repository><id>work</id><url>https://`+apiHost+`/maven</url></repository></repositories></project>`)
	c.run(maven, "-B", "-q", "-Dmaven.repo.local="+filepath.Join(c.dir, "repository"), "validate")
	c.recorded(row{"GET", apiHost, "/maven/work/parent/1.0/parent-1.0.pom", "api", "api", 200})
}

// Debian's Node reads no proxy variable.
func TestOldNode(t *testing.T) {
	full(t)
	t.Parallel()
	const node = "/usr/bin/node"
	version, err := exec.CommandContext(t.Context(), node, "--version").Output()
	if err != nil || !strings.HasPrefix(string(version), "v1") && !strings.HasPrefix(string(version), "v20.") {
		t.Skip("there is no old Node at " + node)
	}
	c := newClient(t)
	cmd := exec.CommandContext(t.Context(), shared.home.Binary, "env", "--proxy", c.proxy, "--identity", c.agent.Dir, "--format", "json")
	cmd.Env = []string{"PATH=/usr/bin:/bin"}
	out, err := cmd.Output()
	require.NoError(t, err)
	var variables map[string]string
	require.NoError(t, json.Unmarshal(out, &variables))
	c.env = append(c.env, "NODE_OPTIONS="+variables["NODE_OPTIONS"])
	text := c.run(node, "-e", `
const https = require("node:https"), http = require("node:http");
const [url, plain] = process.argv.slice(1);
const get = (from, at) => new Promise((done, failed) => from.get(at, (r) => { let s = ""; r.on("data", (d) => s += d).on("end", () => done(s)); }).on("error", failed));
(async () => {
  const first = await fetch(url + "?fetch", {method: "POST", body: "x".repeat(70000)});
  console.log(first.status, await first.text());
  console.log(await get(https, url + "?https"));
  console.log(await get(http, plain));
})();
`, "https://"+apiHost+"/echo", "http://"+plainHost+"/a")
	for _, want := range []string{"200", `"query":"fetch"`, `"bytes":70000`, `"query":"https"`, "plain /a"} {
		assert.Contains(t, text, want)
	}
	c.recorded(echoRow, row{"POST", apiHost, "/echo", "api", "api", 200}, row{"GET", plainHost, "/a", "plain", "", 200})
}
