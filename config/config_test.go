package config_test

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/config"
	"sallyport/internal/host"
	"sallyport/services"
	"sallyport/services/aws"
	"sallyport/services/github"
)

// files makes a HOME that is right, with some files replaced; "" removes one.
func files(t *testing.T, changed map[string]string) config.Layout {
	t.Helper()
	l := config.Layout{Dir: t.TempDir()}
	all := map[string]string{
		"sallyport.yaml":   "trust_domain: agents.example.com\n",
		"owners.yaml":      "people:\n  dana: {name: Dana}\n",
		"credentials.yaml": "credentials:\n  key: {kind: bearer, secret: {file: key}, hosts: [api.example.com]}\n",
		"key":              "secret",
		"policies/p.yaml":  "policy: p\nrules:\n  - {name: r, allow: {host: api.example.com}, credential: key}\n",
	}
	maps.Copy(all, changed)
	require.NoError(t, os.Mkdir(l.Policies(), 0o700))
	for name, content := range all {
		if content != "" {
			write(t, l, name, content)
		}
	}
	return l
}

func write(t *testing.T, l config.Layout, name, content string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(l.Dir, name), []byte(content), 0o600))
}

func options() config.Options {
	return config.Options{Getenv: func(string) string { return "" }, FingerprintKey: make([]byte, 32), Now: time.Now, Services: []services.Service{github.New(), aws.New()}}
}

func TestLoadReadsEverything(t *testing.T) {
	t.Parallel()
	l := files(t, map[string]string{"sallyport.yaml": `
trust_domain: agents.example.com
listen: 127.0.0.1:8443
names: [sallyport.internal, "10.0.0.1"]
health: {listen: 127.0.0.1:8444}
upstream:
  resolve: {"github.example.com:443": "10.0.3.7:443", "[2001:db8::1]:443": "other.example:8443"}
  allow_networks: ["10.0.3.0/24", {network: "fd00::/8", hosts: ["*.example.com"]}]
audit:
  durability: fsync
limits:
  per_agent: {tunnels: 256, exchanges: 512, requests_per_second: 0.5, new_hosts_per_minute: 120,
    tunnels_per_second: 2.5, trail_bytes_per_minute: 1000000, refused_bytes_per_minute: 1000}
`})
	set, err := config.Load(l, options())
	require.NoError(t, err)
	c := set.Config
	assert.Equal(t, "agents.example.com", c.TrustDomain)
	assert.Equal(t, "127.0.0.1:8443", c.Listen)
	assert.Equal(t, "127.0.0.1:8444", c.HealthListen)
	assert.Equal(t, "fsync", c.Durability)
	assert.Equal(t, config.Limits{Tunnels: 256, Exchanges: 512, RequestsPerSecond: 0.5, NewHostsPerMinute: 120, TunnelsPerSecond: 2.5, TrailBytesPerMinute: 1_000_000, RefusedBytesPerMinute: 1000}, c.Limits)
	assert.Equal(t, []string{"localhost", "127.0.0.1", "::1", "sallyport.internal", "10.0.0.1"}, c.ListenerNames())

	from, err := host.ParseAuthority("GitHub.example.com.:443", 0)
	require.NoError(t, err)
	assert.Equal(t, "10.0.3.7:443", c.Upstream.Resolve[from].String())
	require.Len(t, c.Upstream.AllowNetworks, 2)
	assert.Equal(t, netip.MustParsePrefix("10.0.3.0/24"), c.Upstream.AllowNetworks[0].Prefix)
	assert.Empty(t, c.Upstream.AllowNetworks[0].Hosts)
	assert.Len(t, c.Upstream.AllowNetworks[1].Hosts, 1)

	assert.Equal(t, []string{"key"}, set.Credentials.Names())
	assert.Contains(t, set.Policies, "p")
	assert.True(t, set.Owners.Has("person:dana"))
	var paths []string
	for _, f := range set.Files {
		paths = append(paths, f.Path)
		sum := sha256.Sum256([]byte(f.Text))
		assert.Equal(t, hex.EncodeToString(sum[:]), f.SHA256)
	}
	assert.Equal(t, []string{"credentials.yaml", "owners.yaml", "policies/p.yaml", "sallyport.yaml"}, paths)
}

func TestLoadTakesAnEmptyHeadingForNothing(t *testing.T) {
	t.Parallel()
	l := files(t, map[string]string{"sallyport.yaml": "trust_domain: a.example\nupstream:\n  resolve:\n  roots:\nlimits:\nnames:\n"})
	set, err := config.Load(l, options())
	require.NoError(t, err)
	assert.Equal(t, "127.0.0.1:8443", set.Config.Listen)
}

func TestLoadNamesEveryMistake(t *testing.T) {
	t.Parallel()
	const domain = "trust_domain: a.example\n"
	for name, c := range map[string]struct {
		changed map[string]string
		want    []string // each in the error, after HOME/
	}{
		"missing files": {
			map[string]string{"sallyport.yaml": "", "owners.yaml": "", "credentials.yaml": ""},
			[]string{"sallyport.yaml: no such file; run", "owners.yaml: no such file", "credentials.yaml: no such file"},
		},
		"no trust domain":   {map[string]string{"sallyport.yaml": "# nothing\n"}, []string{"sallyport.yaml: trust_domain: is missing"}},
		"not YAML":          {map[string]string{"sallyport.yaml": domain + "listen: [\n"}, []string{"sallyport.yaml:2: not valid YAML: "}},
		"two documents":     {map[string]string{"sallyport.yaml": domain + "---\nlisten: x\n"}, []string{"a second YAML document begins here"}},
		"a list":            {map[string]string{"sallyport.yaml": "- a\n"}, []string{"sallyport.yaml:1: must be a mapping"}},
		"unknown key":       {map[string]string{"sallyport.yaml": domain + "audits: {}\n"}, []string{"sallyport.yaml:2: audits: unknown key; known here are audit,", "did you mean audit?"}},
		"key given twice":   {map[string]string{"sallyport.yaml": domain + domain}, []string{"sallyport.yaml:2: trust_domain: the key is given twice, first on line 1"}},
		"alias":             {map[string]string{"sallyport.yaml": "trust_domain: &a a.example\nlisten: *a\n"}, []string{"sallyport.yaml:1: trust_domain: anchors and aliases", ":2: listen: anchors"}},
		"merge key":         {map[string]string{"sallyport.yaml": domain + "limits: {<<: {a: b}}\n"}, []string{"limits: merge keys (<<) are not accepted"}},
		"number for text":   {map[string]string{"sallyport.yaml": domain + "listen: 8443\n"}, []string{":2: listen: must be text"}},
		"port out of range": {map[string]string{"sallyport.yaml": domain + "listen: 127.0.0.1:70000\n"}, []string{`:2: listen: port "70000"`}},
		"host of listen":    {map[string]string{"sallyport.yaml": domain + "listen: \"a b:1\"\n"}, []string{":2: listen: host"}},
		"names no list":     {map[string]string{"sallyport.yaml": domain + "names: a\n"}, []string{":2: names: must be a list"}},
		"resolve twice":     {map[string]string{"sallyport.yaml": domain + "upstream: {resolve: {\"a.b:1\": \"c.d:1\", \"A.b:1\": \"c.d:1\"}}\n"}, []string{"a.b:1 is given twice"}},
		"resolve to a name": {map[string]string{"sallyport.yaml": domain + "upstream: {resolve: {\"a.b:1\": \"c.d\"}}\n"}, []string{"has no port"}},
		"network":           {map[string]string{"sallyport.yaml": domain + "upstream: {allow_networks: [10.0.0.1]}\n"}, []string{"is not a network; write for example 10.0.3.0/24"}},
		"mapped network":    {map[string]string{"sallyport.yaml": domain + "upstream: {allow_networks: [\"::ffff:10.0.0.0/104\"]}\n"}, []string{"IPv4 network in IPv6 form"}},
		"network of nobody": {map[string]string{"sallyport.yaml": domain + "upstream: {allow_networks: [{hosts: [\"*\"]}]}\n"}, []string{"allow_networks[0]: has no network"}},
		"network for none":  {map[string]string{"sallyport.yaml": domain + "upstream: {allow_networks: [{network: 10.0.0.0/8, hosts: []}]}\n"}, []string{"hosts: is empty"}},
		"root is missing":   {map[string]string{"sallyport.yaml": domain + "upstream: {roots: [nope.pem]}\n"}, []string{"upstream.roots[0]: ", "nope.pem: no such file"}},
		"root is no PEM":    {map[string]string{"sallyport.yaml": domain + "upstream: {roots: [key]}\n"}, []string{"holds no certificate"}},
		"limits":            {map[string]string{"sallyport.yaml": domain + "limits: {per_agent: {tunnels: 0, exchanges: 1.5, requests_per_second: .nan, new_hosts_per_minute: many, tunnels_per_second: 0, trail_bytes_per_minute: 1.5, refused_bytes_per_minute: 16M}}\n"}, []string{"tunnels: must", "exchanges: must", "requests_per_second: must", "new_hosts_per_minute: must", "tunnels_per_second: must", "trail_bytes_per_minute: must", "refused_bytes_per_minute: must"}},
		"owners, too":       {map[string]string{"owners.yaml": "people: {dana: {nam: D}}\n", "sallyport.yaml": "x: y\n"}, []string{"owners.yaml:1: ", "sallyport.yaml:1: x: unknown key"}},
		"unknown credential": {
			map[string]string{"policies/p.yaml": "policy: p\nrules:\n  - {name: r, allow: {host: api.example.com}, credential: kee}\n"},
			[]string{`policies/p.yaml:3: rules[r].credential: credentials.yaml has no credential "kee"; it has key`},
		},
		"credential bound elsewhere": {
			map[string]string{"policies/p.yaml": "policy: p\nrules:\n  - {name: r, allow: {host: \"*.example.com\"}, credential: key}\n"},
			[]string{`policies/p.yaml:3: rules[r].credential: the rule can match *.example.com, where credential "key" must not go (it is bound to api.example.com); narrow`},
		},
		"credential on another port": {
			map[string]string{"policies/p.yaml": "policy: p\nrules:\n  - {name: r, allow: {host: \"api.example.com:8443\"}, credential: key}\n"},
			[]string{`the rule can match api.example.com:8443, where`},
		},
		"recording a credential's header": {
			map[string]string{
				"credentials.yaml": "credentials:\n  key: {kind: header, header: X-Service-Key, secret: {file: key}, hosts: [api.example.com]}\n  asked: {kind: query, parameter: appid, secret: {file: key}, hosts: [api.example.com]}\n",
				"policies/p.yaml":  "policy: p\nrules:\n  - {name: r, allow: {host: api.example.com}, record: {headers: [x-service-key]}}\n  - {name: s, allow: {host: api.example.com}, record: {query: [appid]}}\n",
			},
			[]string{
				`policies/p.yaml:3: rules[r].record: header X-Service-Key is where a credential is written; remove it: the trail keeps nothing of credentials`,
				`policies/p.yaml:4: rules[s].record: query parameter appid is where a credential is written`,
			},
		},
		"S3 place that lacks keys": {
			map[string]string{"sallyport.yaml": domain + "audit:\n  publish:\n    - s3: {bucket: A, lock: maybe, retain: 1h, prefix: /x, endpoint: \"http://store.example\"}\n"},
			[]string{
				`:4: audit.publish[0].s3: needs bucket, region and credential`,
				`audit.publish[0].s3.bucket: "A" is not the name of a bucket`, `s3.lock: "maybe" is not compliance or governance`,
				`s3.retain: "1h" is not a time of at least 24h0m0s; write for example 8760h`, `s3.prefix: "/x" is not a prefix`, `s3.endpoint: must be an https:// URL`,
			},
		},
		"S3 place with a lock for no time": {
			map[string]string{"sallyport.yaml": domain + "audit: {publish: [{s3: {bucket: trail, region: eu-west-1, credential: key, lock: governance}}]}\n"},
			[]string{`s3: lock and retain go together`},
		},
		"S3 place with a credential that signs nothing": {
			map[string]string{"sallyport.yaml": domain + "audit: {publish: [{s3: {bucket: trail, region: eu-west-1, credential: key}}]}\n"},
			[]string{`:2: audit.publish[0].s3.credential: credential "key" is of kind`, `name one of kind aws_keys`},
		},
		"S3 place that the credential must not go to": {
			map[string]string{
				"credentials.yaml": "credentials:\n  key: {kind: bearer, secret: {file: key}, hosts: [api.example.com]}\n  store: {kind: aws_keys, access_key_id: AKIA1, secret: {file: key}, region: auto, hosts: [store.example]}\n",
				"sallyport.yaml":   domain + "audit: {publish: [{s3: {bucket: trail, region: eu-west-1, credential: store}}]}\n",
			},
			[]string{`credential "store" must not go to trail.s3.eu-west-1.amazonaws.com (it is bound to store.example); add the host`},
		},
		"policy that would be overlooked": {map[string]string{"policies/q.yml": "policy: q\nrules: []\n"}, []string{"policies/q.yml: would be overlooked; name it q.yaml"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := files(t, c.changed)
			_, err := config.Load(l, options())
			require.Error(t, err)
			for _, want := range c.want {
				assert.Contains(t, strings.ReplaceAll(err.Error(), l.Dir+"/", ""), want)
			}
			assert.NotContains(t, err.Error(), "secret")
		})
	}
}

func TestLoadNamesRulesThatAnAppCannotServe(t *testing.T) {
	t.Parallel()
	l := files(t, map[string]string{
		"credentials.yaml": "credentials:\n  app: {kind: github_app, app_id: 7, private_key: {file: key}, owners: [acme, umbrella], installation: auto}\n",
		"policies/p.yaml": "policy: p\nrules:\n" +
			"  - {name: bare, allow: {host: api.github.com}, credential: app}\n" +
			"  - {name: pinned, allow: {host: api.github.com}, credential: app, repositories: [Other/web], permissions: {contents: read}}\n" +
			"  - {name: elsewhere, allow: {github: {repos: [acme/*, other/web], access: read}}, credential: app}\n" +
			"  - {name: fine, allow: {github: {repos: [Acme/*], access: read}}, credential: app}\n",
	})
	_, err := config.Load(l, options())
	require.Error(t, err)
	for _, want := range []string{
		`policies/p.yaml:3: rules[bare].credential: a rule about hosts does not tell what a token of credential "app" must be able to do; pin it`,
		`policies/p.yaml:4: rules[pinned].credential: the rule is about repositories of other, and credential "app" is bound to those of acme, umbrella; correct`,
		`policies/p.yaml:5: rules[elsewhere].credential: the rule is about repositories of other, and`,
	} {
		assert.Contains(t, err.Error(), want)
	}
	assert.NotContains(t, err.Error(), "rules[fine]")
}

func TestLoadRefusesFilesThatOthersDecide(t *testing.T) {
	t.Parallel()
	l := files(t, nil)
	require.NoError(t, os.Chmod(l.Credentials(), 0o620))
	_, err := config.Load(l, options())
	require.ErrorContains(t, err, "other users may write it (mode 0620)")
	require.NoError(t, os.Chmod(l.Credentials(), 0o644))
	set, err := config.Load(l, options())
	require.NoError(t, err)
	assert.Contains(t, strings.Join(set.Warnings, "\n"), "credentials.yaml: other users may read it (mode 0644)")

	for _, path := range []string{l.Config(), l.Owners(), l.Policy("p"), l.Policies()} {
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.NoError(t, os.Chmod(path, info.Mode().Perm()|0o002))
		_, err = config.Load(l, options())
		require.ErrorContains(t, err, path+": anyone may write it")
		require.NoError(t, os.Chmod(path, info.Mode().Perm()))
	}
	require.NoError(t, os.Chmod(l.Policies(), 0o777|fs.ModeSticky))
	require.NoError(t, os.Chmod(l.Config(), 0o660))
	set, err = config.Load(l, options())
	require.NoError(t, err)
	assert.Contains(t, strings.Join(set.Warnings, "\n"), "sallyport.yaml: its group may write it (mode 0660)")
}

func TestLoadIgnoresWhatEditorsAndConfigMapsLeave(t *testing.T) {
	t.Parallel()
	l := files(t, map[string]string{"policies/.p.yaml.swp": "x", "policies/p.yaml~": "x", "policies/README": "x"})
	set, err := config.Load(l, options())
	require.NoError(t, err)
	assert.Len(t, set.Policies, 1)
}

func TestLoadRefusesWhatIsNoFile(t *testing.T) {
	t.Parallel()
	l := files(t, nil)
	require.NoError(t, os.Mkdir(l.Policy("q"), 0o700))
	_, err := config.Load(l, options())
	require.ErrorContains(t, err, "q.yaml: not a regular file")
}

func TestReachableAt(t *testing.T) {
	t.Parallel()
	name, err := host.ParseName("sallyport.internal")
	require.NoError(t, err)
	for bound, want := range map[string]string{
		"127.0.0.1:8443": "127.0.0.1:8443",
		"[::]:8443":      "sallyport.internal:8443",
		"0.0.0.0:8443":   "sallyport.internal:8443",
		":8443":          "sallyport.internal:8443",
		"a.example:8443": "a.example:8443",
	} {
		assert.Equal(t, want, (&config.Config{Names: []host.Name{name}}).ReachableAt(bound))
	}
	assert.Equal(t, "127.0.0.1:8443", (&config.Config{}).ReachableAt(":8443"))
	assert.Empty(t, (&config.Config{Listen: "127.0.0.1:0"}).KnownAddress())
	assert.Equal(t, "127.0.0.1:1", (&config.Config{Listen: ":1"}).KnownAddress())
}

func TestCheckState(t *testing.T) {
	t.Parallel()
	l := config.Layout{Dir: t.TempDir()}
	require.ErrorContains(t, l.CheckState(), "state: no such folder; run `sallyport init`")
	require.NoError(t, os.MkdirAll(l.CAs(), 0o700))
	require.NoError(t, l.CheckState())
	require.NoError(t, os.Chmod(l.CAs(), 0o750))
	require.ErrorContains(t, l.CheckState(), "other users may enter it (mode 0750); chmod 700 ")
}

func TestHalfAHomeIsNone(t *testing.T) {
	t.Parallel()
	l := config.Layout{Dir: t.TempDir()}
	require.NoError(t, os.MkdirAll(l.CAs(), 0o700))
	require.NoError(t, l.CheckWhole())
	require.NoError(t, os.Mkdir(l.Staging(), 0o700))
	for _, err := range []error{l.CheckWhole(), l.CheckState()} {
		require.ErrorContains(t, err, l.Dir+": is half a home: a restore into it is under way or was broken off")
		require.ErrorContains(t, err, "remove everything in "+l.Dir)
	}
	require.NoError(t, config.Layout{Dir: filepath.Join(l.Dir, "none")}.CheckWhole())
}

// FuzzConfig: whatever is in sallyport.yaml, reading it ends in a value or in
// errors that name the file.
func FuzzConfig(f *testing.F) {
	f.Add("trust_domain: a.example\nlisten: :1\n")
	f.Add("upstream: {roots: [{file: a, hosts: [\"*\"]}], resolve: {\"a:1\": \"b:2\"}, allow_networks: [10.0.0.0/8]}")
	f.Add("limits: {per_agent: {tunnels: 1e3}}\naudit: &a {durability: *a}")
	f.Fuzz(func(t *testing.T, content string) {
		l := config.Layout{Dir: t.TempDir()}
		write(t, l, "sallyport.yaml", content)
		c, err := config.LoadConfig(l)
		if err != nil {
			require.Contains(t, err.Error(), l.Config())
			return
		}
		require.NotEmpty(t, c.TrustDomain)
		require.NotEmpty(t, c.ListenerNames())
	})
}
