// Package environment is the environment in which ordinary clients use the proxy,
// trust what it presents, and find something in place of the secrets that their
// libraries insist on.
//
// It promises that nothing in it is worth stealing: apart from the password of
// the agent's own sidecar all values are public. Each variable is there because a
// client reads it; docs/clients.md says which. The package reads no file and no
// environment, and writes none.
package environment

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"sallyport/credentials"
)

// Placeholder stands where a client wants a secret before it sends anything.
const Placeholder = credentials.Placeholder

// Config says what the variables point to. All paths are absolute.
type Config struct {
	Proxy              *url.URL // http: a sidecar; https: the listener itself, which few clients can use
	Bundle             string   // PEM: system roots and the interception CA
	CA                 string   // PEM: what the listener's certificate chains to
	Truststore         string   // PKCS #12: the bundle, for Java
	TruststorePassword string
	Certificate, Key   string // PEM: the agent's own, for an https proxy
	Agent              string // its id
	Region             string // of AWS; "" leaves it unset

	Folder string   // where the files of [Files] are
	Files  []string // the names of those that are there as Files has them: what names one that is not is left out
	Also   []string // more variables that want the placeholder
}

// A Variable is set to Value, or cleared.
type Variable struct {
	Name, Value string
	Cleared     bool
}

// New lists the variables, each once.
func New(c Config) ([]Variable, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	return all(c), nil
}

// Sets says whether the variable may be among those that New lists, whatever
// credentials ask for beside them.
func Sets(name string) bool {
	anywhere := Config{
		Proxy: &url.URL{Scheme: "https", Host: "h:1", User: url.User("u")}, Region: "r",
		Folder: "/", Files: FileNames(),
	}
	return slices.ContainsFunc(all(anywhere), func(v Variable) bool { return v.Name == name })
}

func (c Config) check() error {
	switch {
	case c.Proxy == nil:
		return errors.New("a proxy URL is required")
	case c.Proxy.Scheme == "unix":
		return errors.New("clients cannot use a proxy on a Unix socket; forward a loopback port to it (socat TCP-LISTEN:3128,bind=127.0.0.1,fork UNIX-CONNECT:PATH) and give http://agent:PASSWORD@127.0.0.1:3128")
	case c.Proxy.Scheme != "http" && c.Proxy.Scheme != "https", c.Proxy.Hostname() == "", c.Proxy.Port() == "":
		return fmt.Errorf("proxy URL %s: write it as http://HOST:PORT", c.Proxy.Redacted())
	}
	paths := []string{c.Bundle, c.CA, c.Truststore}
	if c.Proxy.Scheme == "https" {
		paths = append(paths, c.Certificate, c.Key)
	}
	for _, path := range paths {
		// No format but JSON can carry a line break to every reader.
		if !filepath.IsAbs(path) || strings.ContainsAny(path, "\n\r\x00") {
			return fmt.Errorf("path %q is not absolute, or holds a line break", path)
		}
	}
	if strings.ContainsAny(c.Region+c.Agent+c.TruststorePassword+c.Folder, "\n\r\x00") {
		return errors.New("the agent's id, the AWS region, the identity folder or the trust store's password holds a line break")
	}
	for _, name := range c.Also {
		if !variableName.MatchString(name) {
			return fmt.Errorf("%q is not the name of a variable", name)
		}
	}
	return nil
}

// variableName is a name that every shell takes (POSIX.1, section 8.1).
var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

type list []Variable

func all(c Config) list {
	var l list
	l.proxy(c)
	l.trust(c)
	l.files(c)
	l.java(c)
	l.git()
	l.placeholders(c)
	l.clear(cleared()...)
	return l
}

// For is what of the variables a program gets that is started alone: Claude Code asks its user about
// a key that it finds beside a token, and every other client of Anthropic's takes the token too.
func For(program string, variables []Variable) []Variable {
	if strings.TrimSuffix(filepath.Base(program), ".exe") != "claude" {
		return variables
	}
	return append(slices.DeleteFunc(slices.Clone(variables), func(v Variable) bool { return v.Name == anthropicKey }), Variable{Name: anthropicKey, Cleared: true})
}

const anthropicKey = "ANTHROPIC_API_KEY"

// cleared are the variables that must not be there: another proxy, a session that
// does not belong to the placeholders, and AWS's bundle, which its SDK for Go before
// version 2 takes for a reason not to start. SSL_CERT_FILE does for all AWS clients.
func cleared() []string {
	return []string{"ALL_PROXY", "all_proxy", "AWS_SESSION_TOKEN", "AWS_CA_BUNDLE"}
}

func (l *list) set(value string, names ...string) {
	for _, name := range names {
		*l = append(*l, Variable{Name: name, Value: value})
	}
}

func (l *list) clear(names ...string) {
	for _, name := range names {
		*l = append(*l, Variable{Name: name, Cleared: true})
	}
}

// proxy: both cases, because wget reads only the lower one, and some programs
// only the upper. Node reads them since version 24, and only when asked.
func (l *list) proxy(c Config) {
	u := *c.Proxy
	u.Path = "" // some clients take a trailing slash for a path
	l.set(u.String(), "HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy")
	l.set("localhost,127.0.0.1,::1", "NO_PROXY", "no_proxy")
	l.set(u.String(), "YARN_HTTP_PROXY", "YARN_HTTPS_PROXY") // Yarn reads no other since version 2
	l.set("1", "NODE_USE_ENV_PROXY", "PERL_LWP_ENV_PROXY")
	if u.User != nil {
		// Git lets libcurl ask without the password first, which costs a round trip per connection.
		l.set("basic", "GIT_HTTP_PROXY_AUTHMETHOD")
	}
	l.set(c.CA, "GIT_PROXY_SSL_CAINFO")
	if u.Scheme == "https" {
		l.set(c.Certificate, "GIT_PROXY_SSL_CERT", "CLAUDE_CODE_CLIENT_CERT")
		l.set(c.Key, "GIT_PROXY_SSL_KEY", "CLAUDE_CODE_CLIENT_KEY")
	}
}

// trust: no name is read by all clients.
func (l *list) trust(c Config) {
	l.set(c.Bundle,
		"SSL_CERT_FILE",                    // Go, OpenSSL, Python urllib and httpx, cargo, Ruby
		"CURL_CA_BUNDLE",                   // curl, requests
		"GIT_SSL_CAINFO",                   // git, whose GnuTLS build reads nothing else
		"REQUESTS_CA_BUNDLE",               // requests, pip, AWS CLI, boto3
		"PIP_CERT",                         // pip
		"NPM_CONFIG_CAFILE",                // npm, which prefers a configured cafile to Node's
		"CARGO_HTTP_CAINFO",                // cargo
		"DENO_CERT",                        // Deno
		"GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", // gRPC for C++, Python and Ruby
		"HTTPLIB2_CA_CERTS",                // httplib2, Google's Python clients
		"CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE",
		"NIX_SSL_CERT_FILE",
		"PERL_LWP_SSL_CA_FILE",    // LWP, which has roots of its own
		"YARN_HTTPS_CA_FILE_PATH", // Yarn since version 2
	)
	// Node and Bun trust a proxy by the same file as what is behind it.
	if c.Proxy.Scheme == "https" && c.has(NodeFile) {
		l.set(c.file(NodeFile), "NODE_EXTRA_CA_CERTS")
	} else {
		l.set(c.Bundle, "NODE_EXTRA_CA_CERTS")
	}
}

// java reads system properties only. It has none for a proxy's password that its
// own clients honour (Apache HttpClient, Gradle and sbt do read these), and forbids
// Basic for tunnels unless that is undone.
func (l *list) java(c Config) {
	options := []string{
		"-Djavax.net.ssl.trustStore=" + c.Truststore,
		"-Djavax.net.ssl.trustStoreType=PKCS12",
		"-Djavax.net.ssl.trustStorePassword=" + c.TruststorePassword,
	}
	if c.Proxy.Scheme == "http" {
		password, protected := c.Proxy.User.Password()
		for _, scheme := range []string{"http", "https"} {
			options = append(options,
				"-D"+scheme+".proxyHost="+c.Proxy.Hostname(),
				"-D"+scheme+".proxyPort="+c.Proxy.Port())
			if protected {
				options = append(options,
					"-D"+scheme+".proxyUser="+c.Proxy.User.Username(),
					"-D"+scheme+".proxyPassword="+password)
			}
		}
		if protected {
			options = append(options, "-Djdk.http.auth.tunneling.disabledSchemes=")
		}
	}
	for n, o := range options {
		options[n] = javaOption(o)
	}
	l.set(strings.Join(options, " "), "JAVA_TOOL_OPTIONS")
}

// javaOption quotes an option as the virtual machine splits JAVA_TOOL_OPTIONS:
// at white space, with both kinds of quotes and no escapes.
func javaOption(o string) string {
	if !strings.ContainsAny(o, " \t'\"") {
		return o
	}
	var b strings.Builder
	for _, r := range o {
		switch r {
		case '\'':
			b.WriteString(`"'"`)
		case ' ', '\t', '"':
			b.WriteString("'" + string(r) + "'")
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// placeholders: without a pair AWS clients ask the metadata service, and refuse a
// pair with somebody else's session token; gh, and the SDKs of model providers,
// send nothing without a token.
func (l *list) placeholders(c Config) {
	l.set(credentials.PlaceholderOf(c.Agent), "AWS_ACCESS_KEY_ID") // the trail marks any other
	l.set(Placeholder,
		"AWS_SECRET_ACCESS_KEY",
		"GH_TOKEN", "GITHUB_TOKEN", "GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN",
		anthropicKey, "ANTHROPIC_AUTH_TOKEN", // Claude Code asks for no login where the second is
		"OPENAI_API_KEY", "GEMINI_API_KEY",
	)
	l.set("true", "AWS_EC2_METADATA_DISABLED")
	if c.Region != "" {
		l.set(c.Region, "AWS_REGION", "AWS_DEFAULT_REGION")
	}
	for _, name := range c.Also {
		if !slices.ContainsFunc(*l, func(v Variable) bool { return v.Name == name }) && !slices.Contains(cleared(), name) {
			l.set(Placeholder, name)
		}
	}
}
