package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var echoRow = row{"GET", apiHost, "/echo", "api", "api", 200}

func (c *client) write(name, content string) string {
	c.t.Helper()
	path := filepath.Join(c.dir, name)
	require.NoError(c.t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

func TestWget(t *testing.T) {
	full(t)
	t.Parallel()
	wget := find(t, "wget")
	c := newClient(t)
	got := readEcho(t, c.run(wget, "-q", "-O-", "https://"+apiHost+"/echo?w"))
	assert.Equal(t, "HTTP/1.1", got.Protocol)
	c.run(wget, "-q", "-O", "large", "https://"+apiHost+"/large")
	info, err := os.Stat(filepath.Join(c.dir, "large"))
	require.NoError(t, err)
	assert.EqualValues(t, 8<<20, info.Size())
	c.recorded(echoRow, row{"GET", apiHost, "/large", "api", "api", 200})
}

func TestPythonRequests(t *testing.T) {
	full(t)
	t.Parallel()
	python := withRequests(t)
	c := newClient(t)
	got := readEcho(t, c.run(python, "-c", `
import sys, requests
url = sys.argv[1]
r = requests.get(url); r.raise_for_status()
def body():
    for _ in range(64): yield b"x" * 16384
r = requests.post(url, data=body()); r.raise_for_status()
sys.stdout.write(r.text)
`, "https://"+apiHost+"/echo"))
	assert.EqualValues(t, 1<<20, got.Bytes)
	c.recorded(echoRow, row{"POST", apiHost, "/echo", "api", "api", 200})
}

// withRequests finds a Python that has the library.
func withRequests(t *testing.T) string {
	t.Helper()
	for _, python := range []string{"python3", "/usr/bin/python3"} {
		if exec.CommandContext(t.Context(), python, "-c", "import requests").Run() == nil {
			return python
		}
	}
	missing(t, "Python's requests")
	return ""
}

// Node reads proxy variables since version 24.
func TestNode(t *testing.T) {
	full(t)
	t.Parallel()
	node := find(t, "node")
	c := newClient(t)
	if version := c.run(node, "--version"); version < "v24" || len(version) < len("v24.0.0") {
		missing(t, "Node 24 or later (this is "+strings.TrimSpace(version)+")")
	}
	got := readEcho(t, c.run(node, "-e", `
const https = require("node:https");
const url = process.argv[1];
(async () => {
  const first = await fetch(url, {method: "POST", body: "x".repeat(70000)});
  if (!first.ok) throw new Error("fetch: " + first.status);
  https.get(url, (r) => { if (r.statusCode !== 200) throw new Error("https: " + r.statusCode); r.pipe(process.stdout); });
})();
`, "https://"+apiHost+"/echo?node"))
	assert.Equal(t, "node", got.Query)
	c.recorded(echoRow, row{"POST", apiHost, "/echo", "api", "api", 200})
}

func TestNPM(t *testing.T) {
	full(t)
	t.Parallel()
	npm := find(t, "npm")
	c := newClient(t)
	c.write("package.json", `{"name":"work","version":"1.0.0","private":true}`)
	c.run(npm, "install", "--no-audit", "--no-fund", "--no-update-notifier", "--registry=https://"+packages+"/", "greeting")
	assert.FileExists(t, filepath.Join(c.dir, "node_modules", "greeting", "index.js"))
	c.recorded(
		row{"GET", packages, "/greeting", "packages", "packages", 200},
		row{"GET", packages, "/greeting/-/greeting-1.0.0.tgz", "packages", "packages", 200},
	)
}

func TestAWS(t *testing.T) {
	full(t)
	t.Parallel()
	aws := find(t, "aws")
	c := newClient(t)
	c.env = append(c.env, "AWS_DEFAULT_REGION=eu-west-1")
	assert.Contains(t, c.run(aws, "sts", "get-caller-identity", "--output", "json"), "role/agents")
	file, _ := c.randomFile(3 << 20) // sent with Expect: 100-continue
	c.run(aws, "s3api", "put-object", "--bucket", "artifacts", "--key", "a", "--body", file, "--output", "json")
	c.run(aws, "s3api", "get-object", "--bucket", "artifacts", "--key", "a", "--output", "json", "copy")
	assert.FileExists(t, filepath.Join(c.dir, "copy"))
	c.recorded(
		row{"POST", stsHost, "/", "aws", "aws", 200},
		row{"PUT", bucketHost, "/a", "aws", "aws", 200},
		row{"GET", bucketHost, "/a", "aws", "aws", 200},
	)
}

func TestGoModules(t *testing.T) {
	full(t)
	t.Parallel()
	goCommand := find(t, "go")
	c := newClient(t)
	// The checksum database would be asked about a module that only exists here.
	c.env = append(c.env, "GOPROXY=https://"+modules, "GONOSUMDB=*", "GOFLAGS=-mod=mod -modcacherw", "GOTOOLCHAIN=local")
	c.write("go.mod", "module work\n\ngo 1.26\n")
	c.run(goCommand, "mod", "download", "example.com/greeting@v1.0.0")
	assert.FileExists(t, filepath.Join(c.dir, "go", "pkg", "mod", "example.com", "greeting@v1.0.0", "greeting.go"))
	c.recorded(
		row{"GET", modules, "/example.com/greeting/@v/v1.0.0.mod", "modules", "modules", 200},
		row{"GET", modules, "/example.com/greeting/@v/v1.0.0.zip", "modules", "modules", 200},
	)
}

// Lynx sends no password to a proxy.
func TestLynx(t *testing.T) {
	full(t)
	t.Parallel()
	lynx := find(t, "lynx")
	c := newClient(t, "--peer-uid")
	assert.Contains(t, c.run(lynx, "-source", "https://"+apiHost+"/echo?lynx"), `"query":"lynx"`)
	c.recorded(echoRow)
}

// Java takes its proxy from JAVA_TOOL_OPTIONS, but has no property for a proxy's
// password that its own client reads: without one nothing has to be written,
// with one the program must pass it on.
func TestJava(t *testing.T) {
	full(t)
	t.Parallel()
	for name, test := range map[string]struct{ flags []string }{
		"no password": {[]string{"--peer-uid"}},
		"password":    {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			java := find(t, "java")
			c := newClient(t, test.flags...)
			out := c.run(java, c.write("Client.java", javaClient), "https://"+apiHost+"/echo?java")
			assert.Contains(t, out, `"query":"java"`)
			assert.Contains(t, out, `"protocol":"HTTP/2.0"`)
			c.recorded(echoRow)
		})
	}
}

const javaClient = `
import java.net.*;
import java.net.http.*;

public class Client {
    public static void main(String[] args) throws Exception {
        HttpClient.Builder builder = HttpClient.newBuilder();
        String user = System.getProperty("https.proxyUser");
        if (user != null) {
            builder.authenticator(new Authenticator() {
                @Override protected PasswordAuthentication getPasswordAuthentication() {
                    if (getRequestorType() != RequestorType.PROXY) return null;
                    return new PasswordAuthentication(user, System.getProperty("https.proxyPassword").toCharArray());
                }
            });
        }
        HttpResponse<String> r = builder.build().send(
            HttpRequest.newBuilder(URI.create(args[0])).build(), HttpResponse.BodyHandlers.ofString());
        if (r.statusCode() != 200) throw new Exception("status " + r.statusCode());
        System.out.println(r.body());
    }
}
`
