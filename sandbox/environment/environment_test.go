package environment_test

import (
	"bytes"
	"encoding/json"
	"net/url"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/sandbox/environment"
)

func config(t *testing.T, proxy string) environment.Config {
	t.Helper()
	u, err := url.Parse(proxy)
	require.NoError(t, err)
	return environment.Config{
		Proxy: u, Bundle: "/id/bundle.crt", CA: "/id/ca.crt", Truststore: "/id/truststore.p12",
		TruststorePassword: "changeit", Certificate: "/id/agent.crt", Key: "/id/agent.key", Region: "eu-west-1", Agent: "0198c7e2-aaaa-7bbb-8ccc-0123456789ab",
		Folder: "/id", Files: []string{environment.WgetFile, environment.AptFile, environment.PHPFile, environment.NodeFile},
		Also: []string{"MISTRAL_API_KEY", "GH_TOKEN", "PIP_CERT", "ALL_PROXY"},
	}
}

func variables(t *testing.T, c environment.Config) (map[string]string, []environment.Variable) {
	t.Helper()
	list, err := environment.New(c)
	require.NoError(t, err)
	flat := map[string]string{}
	for _, v := range list {
		assert.NotContains(t, flat, v.Name, "each variable once")
		flat[v.Name] = v.Value
		assert.Equal(t, v.Cleared, v.Value == "", v.Name)
	}
	return flat, list
}

func TestVariables(t *testing.T) {
	t.Parallel()
	const proxy = "http://agent:SECRET@127.0.0.1:3128"
	got, _ := variables(t, config(t, proxy+"/"))
	want := map[string]string{
		"ALL_PROXY": "", "all_proxy": "", "AWS_SESSION_TOKEN": "", "AWS_CA_BUNDLE": "",
		"WGETRC": "/id/wgetrc", "APT_CONFIG": "/id/apt.conf", "PHP_INI_SCAN_DIR": ":/id", "PERL_LWP_ENV_PROXY": "1",
		"GIT_CONFIG_COUNT": "3",
		"GIT_CONFIG_KEY_0": "url.https://github.com/.insteadOf", "GIT_CONFIG_VALUE_0": "git@github.com:",
		"GIT_CONFIG_KEY_1": "url.https://github.com/.insteadOf", "GIT_CONFIG_VALUE_1": "ssh://git@github.com/",
		"GIT_CONFIG_KEY_2": "url.https://github.com/.insteadOf", "GIT_CONFIG_VALUE_2": "ssh://git@ssh.github.com:443/",
		"NO_PROXY": "localhost,127.0.0.1,::1", "no_proxy": "localhost,127.0.0.1,::1",
		"NODE_USE_ENV_PROXY": "1", "GIT_HTTP_PROXY_AUTHMETHOD": "basic", "GIT_PROXY_SSL_CAINFO": "/id/ca.crt",
		"AWS_EC2_METADATA_DISABLED": "true", "AWS_ACCESS_KEY_ID": "SALLYPORT0198C7E2AAAA7BBB8CCC0123456789AB", "AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1",
		"JAVA_TOOL_OPTIONS": "-Djavax.net.ssl.trustStore=/id/truststore.p12 -Djavax.net.ssl.trustStoreType=PKCS12 " +
			"-Djavax.net.ssl.trustStorePassword=changeit " +
			"-Dhttp.proxyHost=127.0.0.1 -Dhttp.proxyPort=3128 -Dhttp.proxyUser=agent -Dhttp.proxyPassword=SECRET " +
			"-Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort=3128 -Dhttps.proxyUser=agent -Dhttps.proxyPassword=SECRET " +
			"-Djdk.http.auth.tunneling.disabledSchemes=",
	}
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "YARN_HTTP_PROXY", "YARN_HTTPS_PROXY"} {
		want[name] = proxy
	}
	for name := range strings.FieldsSeq(`SSL_CERT_FILE CURL_CA_BUNDLE GIT_SSL_CAINFO REQUESTS_CA_BUNDLE PIP_CERT PERL_LWP_SSL_CA_FILE YARN_HTTPS_CA_FILE_PATH
		NODE_EXTRA_CA_CERTS NPM_CONFIG_CAFILE CARGO_HTTP_CAINFO DENO_CERT GRPC_DEFAULT_SSL_ROOTS_FILE_PATH HTTPLIB2_CA_CERTS
		CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE NIX_SSL_CERT_FILE`) {
		want[name] = "/id/bundle.crt"
	}
	for name := range strings.FieldsSeq(`AWS_SECRET_ACCESS_KEY GH_TOKEN GITHUB_TOKEN GH_ENTERPRISE_TOKEN
		GITHUB_ENTERPRISE_TOKEN ANTHROPIC_API_KEY ANTHROPIC_AUTH_TOKEN OPENAI_API_KEY GEMINI_API_KEY MISTRAL_API_KEY`) {
		want[name] = environment.Placeholder
	}
	assert.Equal(t, want, got, "a credential's variables replace none")
	delete(want, "MISTRAL_API_KEY")
	for name := range want {
		assert.True(t, environment.Sets(name), name)
	}
	assert.True(t, environment.Sets("GIT_PROXY_SSL_KEY"))
	assert.False(t, environment.Sets("PATH"))
}

func TestVariablesThatDepend(t *testing.T) {
	t.Parallel()
	open := config(t, "http://127.0.0.1:3128")
	open.Region = ""
	got, _ := variables(t, open)
	for _, name := range []string{"GIT_HTTP_PROXY_AUTHMETHOD", "AWS_REGION", "AWS_DEFAULT_REGION", "GIT_PROXY_SSL_CERT", "GIT_PROXY_SSL_KEY"} {
		assert.NotContains(t, got, name)
	}
	assert.NotContains(t, got["JAVA_TOOL_OPTIONS"], "Password=S")
	assert.NotContains(t, got["JAVA_TOOL_OPTIONS"], "disabledSchemes")

	got, _ = variables(t, config(t, "https://proxy.example:8443"))
	assert.Equal(t, "/id/agent.crt", got["GIT_PROXY_SSL_CERT"])
	assert.Equal(t, "/id/agent.key", got["GIT_PROXY_SSL_KEY"])
	assert.Equal(t, "/id/agent.key", got["CLAUDE_CODE_CLIENT_KEY"])
	assert.NotContains(t, got["JAVA_TOOL_OPTIONS"], "proxyHost", "Java cannot speak TLS to a proxy")
	assert.Equal(t, "/id/node.crt", got["NODE_EXTRA_CA_CERTS"], "which trusts the proxy, too")

	bare := config(t, "https://proxy.example:8443")
	bare.Files = nil
	got, _ = variables(t, bare)
	for _, name := range []string{"WGETRC", "APT_CONFIG", "PHP_INI_SCAN_DIR"} {
		assert.NotContains(t, got, name, "its file is not there")
	}
	assert.Equal(t, "/id/bundle.crt", got["NODE_EXTRA_CA_CERTS"])
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	for proxy, want := range map[string]string{
		"unix://agent:SECRET@/run/s": "socat", "socks5://127.0.0.1:1": "http://HOST:PORT", "http://127.0.0.1": "http://HOST:PORT",
		"http://:3128": "http://HOST:PORT", "127.0.0.1": "http://HOST:PORT", "ftp://agent:SECRET@h:1": "http://HOST:PORT",
	} {
		_, err := environment.New(config(t, proxy))
		require.ErrorContains(t, err, want, proxy)
		assert.NotContains(t, err.Error(), "SECRET")
	}
	for _, change := range []func(*environment.Config){
		func(c *environment.Config) { c.Proxy = nil },
		func(c *environment.Config) { c.Bundle = "bundle.crt" },
		func(c *environment.Config) { c.CA = "/a\nb" },
		func(c *environment.Config) { c.Region = "eu\nPATH=/x" },
		func(c *environment.Config) { c.Also = []string{"A=B"} },
	} {
		c := config(t, "http://127.0.0.1:1")
		change(&c)
		_, err := environment.New(c)
		require.Error(t, err)
	}
}

// The three formats carry the same values, even ugly ones, to their readers.
func TestFormats(t *testing.T) {
	t.Parallel()
	const ugly = `/a b/$(touch x)/it's "q"/` + "`x`" + `\/bundle.crt`
	c := config(t, "http://agent:SECRET@127.0.0.1:3128")
	c.Bundle = ugly
	flat, list := variables(t, c)
	for _, v := range list {
		if v.Cleared {
			delete(flat, v.Name)
		}
	}

	var out bytes.Buffer
	require.NoError(t, environment.Write(&out, environment.JSON, list))
	var decoded map[string]string
	require.NoError(t, json.Unmarshal(out.Bytes(), &decoded))
	assert.Equal(t, flat, decoded)

	for _, format := range []string{environment.Shell, environment.Dotenv} {
		out.Reset()
		require.NoError(t, environment.Write(&out, format, list))
		if format == environment.Dotenv {
			assert.NotContains(t, out.String(), "ALL_PROXY", "empty would be a value to some clients")
		}
		script := "set -a\n" + out.String() + `printf '%s|%s|%s' "$SSL_CERT_FILE" "$HTTPS_PROXY" "${ALL_PROXY-none}"`
		cmd := exec.CommandContext(t.Context(), "sh", "-c", script)
		cmd.Env = []string{"ALL_PROXY=http://elsewhere", "PATH=/usr/bin:/bin"}
		got, err := cmd.Output()
		if err != nil {
			t.Skip("no POSIX shell: ", err)
		}
		left := map[string]string{environment.Shell: "none", environment.Dotenv: "http://elsewhere"}[format]
		assert.Equal(t, ugly+"|http://agent:SECRET@127.0.0.1:3128|"+left, string(got), format)
	}
	assert.Contains(t, out.String(), "\nHTTPS_PROXY=http://agent:SECRET@127.0.0.1:3128\n", "plain values are not quoted: docker --env-file keeps quotes")
	require.ErrorContains(t, environment.Write(&out, "yaml", list), "shell, dotenv or json")
}

func TestApply(t *testing.T) {
	t.Parallel()
	got := environment.Apply([]string{"PATH=/bin", "A=old", "B=old", "=odd"}, []environment.Variable{{Name: "A", Value: "new"}, {Name: "B", Cleared: true}})
	assert.Equal(t, []string{"PATH=/bin", "=odd", "A=new"}, got)
}

// Claude Code asks about a key, and for nothing where only the token is.
func TestClaudeCodeGetsTheTokenAlone(t *testing.T) {
	t.Parallel()
	variables := []environment.Variable{{Name: "ANTHROPIC_API_KEY", Value: "p"}, {Name: "ANTHROPIC_AUTH_TOKEN", Value: "p"}}
	for program, want := range map[string][]string{
		"/usr/bin/claude": {"ANTHROPIC_AUTH_TOKEN=p"}, "claude.exe": {"ANTHROPIC_AUTH_TOKEN=p"},
		"claude-other": {"ANTHROPIC_API_KEY=p", "ANTHROPIC_AUTH_TOKEN=p"}, "sh": {"ANTHROPIC_API_KEY=p", "ANTHROPIC_AUTH_TOKEN=p"},
	} {
		assert.Equal(t, want, environment.Apply([]string{}, environment.For(program, variables)), program)
	}
}
