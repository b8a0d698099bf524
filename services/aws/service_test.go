package aws_test

import (
	"encoding/json"
	"encoding/xml"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/credentials"
	"sallyport/policy"
	"sallyport/services"
	"sallyport/services/aws"
)

func sites(t *testing.T) services.Sites {
	t.Helper()
	s := aws.New()
	set, err := credentials.Parse("credentials.yaml", []byte(`credentials:
  store: {kind: aws_keys, access_key_id: AKIAIOSFODNN7EXAMPLE, secret: {env: KEY}, region: us-east-1, hosts: [store.example, "*.store.example"]}
`), credentials.Options{Kinds: s.Kinds(), Getenv: func(string) string { return "wJalrXUtnFEMI" }})
	require.NoError(t, err)
	return s.Sites(services.Files{Credentials: set})
}

// found is the visit that a request is by its line, nil for none.
func found(t *testing.T, method, url string, header http.Header) (services.Visit, *http.Request) {
	t.Helper()
	q, err := policy.ParseRequest(method, url)
	require.NoError(t, err)
	r, err := http.NewRequestWithContext(t.Context(), method, url, http.NoBody)
	require.NoError(t, err)
	maps.Copy(r.Header, header)
	return sites(t).Find(&services.Line{Query: q, Request: r, Agent: "a"}), r
}

func TestHostsOfAWSAndStoresAreFound(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]bool{
		"https://s3.eu-west-1.amazonaws.com/b/k": true, "https://b.s3.amazonaws.com/k": true, "https://sts.amazonaws.com/": true,
		"https://dynamodb.cn-north-1.amazonaws.com.cn/": true, "https://store.example/b/k": true, "https://b.store.example/k": true,
		"https://amazonaws.com.example.org/": false, "https://example.com/": false, "https://store.example.org/": false,
	} {
		v, _ := found(t, http.MethodGet, url, nil)
		assert.Equal(t, want, v != nil, url)
	}
}

// A request that is not signed can be named by its host, and one in clear text cannot.
func TestWhatIsNotSignedHasAReason(t *testing.T) {
	t.Parallel()
	for url, why := range map[string]string{
		"http://s3.eu-west-1.amazonaws.com/b/k":        "AWS is spoken to over https only",
		"https://s3.eu-west-1.amazonaws.com:8443/b/k":  "AWS is spoken to on port 443 only",
		"https://nothing.known.here.amazonaws.com/b/k": "the host is in a domain of AWS's, but is none of its services'",
		"https://store.example/b/k":                    "the request is not signed; configure the client with its placeholder keys",
	} {
		v, _ := found(t, http.MethodGet, url, nil)
		require.NotNil(t, v, url)
		m := v.Read(nil)
		assert.Empty(t, m.Calls, url)
		assert.Equal(t, why, m.Unclassified, url)
	}
	v, _ := found(t, http.MethodGet, "https://b.s3.eu-west-1.amazonaws.com/k", nil)
	m := v.Read(nil)
	require.Len(t, m.Calls, 1, m.Unclassified)
	assert.Equal(t, "s3/GetObject", m.Calls[0].Operation)
	assert.Equal(t, "arn:aws:s3:::b/k", m.Calls[0].Resource)
	d := v.(services.Describer).Describe()
	assert.Equal(t, "s3/GetObject", d.Operation)
	assert.True(t, d.Whole)
}

// Every client of AWS's finds the reason where it looks for one.
func TestRefusalsAreInTheProtocolsOwnForm(t *testing.T) {
	t.Parallel()
	refusal := &services.Refusal{
		Status: http.StatusForbidden, Title: "The policy denies it", Detail: "No rule allows <this>.", Hint: "Ask.", Exchange: "id",
		Header: func(h http.Header) { h.Set("Proxy-Status", "sallyport") },
	}
	for name, c := range map[string]struct {
		url    string
		header http.Header
		class  services.Class
		check  func(t *testing.T, body []byte)
	}{
		"S3": {"https://b.s3.eu-west-1.amazonaws.com/k", nil, services.Forbidden, func(t *testing.T, body []byte) {
			t.Helper()
			var e struct{ Code, Message string }
			require.NoError(t, xml.Unmarshal(body, &e))
			assert.Equal(t, "AccessDenied", e.Code)
			assert.Contains(t, e.Message, "No rule allows <this>. Ask. (exchange id)")
		}},
		"query": {"https://iam.amazonaws.com/", nil, services.TooFast, func(t *testing.T, body []byte) {
			t.Helper()
			var e struct {
				Code string `xml:"Error>Code"`
			}
			require.NoError(t, xml.Unmarshal(body, &e))
			assert.Equal(t, "SlowDown", e.Code)
		}},
		"EC2": {"https://ec2.eu-west-1.amazonaws.com/", nil, services.Malformed, func(t *testing.T, body []byte) {
			t.Helper()
			var e struct {
				Code string `xml:"Errors>Error>Code"`
			}
			require.NoError(t, xml.Unmarshal(body, &e))
			assert.Equal(t, "InvalidRequest", e.Code)
		}},
		"JSON": {"https://dynamodb.eu-west-1.amazonaws.com/", http.Header{"X-Amz-Target": {"DynamoDB_20120810.GetItem"}, "Content-Type": {"application/x-amz-json-1.0"}}, services.Unavailable, func(t *testing.T, body []byte) {
			t.Helper()
			var e map[string]string
			require.NoError(t, json.Unmarshal(body, &e))
			assert.Equal(t, "ServiceUnavailableException", e["__type"])
		}},
		"CBOR": {"https://monitoring.eu-west-1.amazonaws.com/service/x/operation/y", http.Header{"Smithy-Protocol": {"rpc-v2-cbor"}}, services.Forbidden, func(t *testing.T, body []byte) {
			t.Helper()
			assert.Equal(t, byte(0xa2), body[0], "a map of two")
			assert.Contains(t, string(body), "AccessDeniedException")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v, r := found(t, http.MethodPost, c.url, c.header)
			require.NotNil(t, v)
			f := *refusal
			f.Class = c.class
			w := httptest.NewRecorder()
			require.True(t, v.(services.Refuser).Refuse(w, r, &f))
			assert.Equal(t, http.StatusForbidden, w.Code)
			assert.Equal(t, "sallyport", w.Header().Get("Proxy-Status"))
			assert.Equal(t, "id", w.Header().Get("X-Amzn-Requestid"))
			c.check(t, w.Body.Bytes())
			head := r.Clone(t.Context())
			head.Method = http.MethodHead
			w = httptest.NewRecorder()
			v.(services.Refuser).Refuse(w, head, &f)
			assert.Empty(t, w.Body.Bytes(), "HEAD has no body")
		})
	}
	v, r := found(t, http.MethodGet, "https://nothing.known.here.amazonaws.com/", nil)
	assert.False(t, v.(services.Refuser).Refuse(httptest.NewRecorder(), r, refusal), "a host that anybody can have")
}

// A credential that a rule can never use is told when the files are read.
func TestUsesOfARoleAreChecked(t *testing.T) {
	t.Parallel()
	s := aws.New()
	set, err := credentials.Parse("credentials.yaml", []byte(`credentials:
  role: {kind: aws_role, role_arn: "arn:aws:iam::123456789012:role/agents", region: eu-west-1}
  keys: {kind: aws_keys, access_key_id: AKIAIOSFODNN7EXAMPLE, secret: {env: KEY}, region: eu-west-1, hosts: ["*.amazonaws.com"]}
`), credentials.Options{Kinds: s.Kinds(), Getenv: func(string) string { return "wJalrXUtnFEMI" }})
	require.NoError(t, err)
	long := strings.Repeat("x", 300)
	p, err := policy.Parse("agents.yaml", []byte(`policy: agents
rules:
  - {name: few, allow: {aws: {service: s3, operations: [GetObject], resources: ["arn:aws:s3:::bucket/*"]}}, credential: role}
`), services.Languages([]services.Service{s}, set.Lookup)...)
	require.NoError(t, err)
	many, err := policy.Parse("agents.yaml", []byte(`policy: agents
rules:
  - {name: many, allow: {aws: {service: s3, operations: [GetObject], resources: ["arn:aws:s3:::bucket/`+strings.Join([]string{"a" + long, "b" + long, "c" + long, "d" + long, "e" + long, "f" + long, "g" + long}, `/*", "arn:aws:s3:::bucket/`)+`"]}}, credential: role}
`), services.Languages([]services.Service{s}, set.Lookup)...)
	require.NoError(t, err)
	regional := func(credential, region string) (*policy.Policy, policy.CredentialUse) {
		p, err := policy.Parse("agents.yaml", []byte("policy: agents\nrules:\n  - {name: one, allow: {aws: {service: s3, operations: [GetObject], resources: [\"arn:aws:s3:::bucket/*\"], regions: ["+
			region+"]}}, credential: "+credential+"}\n"), services.Languages([]services.Service{s}, set.Lookup)...)
		require.NoError(t, err)
		return p, p.CredentialUses()[0]
	}
	type used struct {
		p    *policy.Policy
		use  policy.CredentialUse
		want string
	}
	in := func(credential, region, want string) used {
		p, use := regional(credential, region)
		return used{p, use, want}
	}
	for name, c := range map[string]used{
		"a rule that fits":         {p, policy.CredentialUse{Credential: "role", Service: "aws"}, ""},
		"a rule about hosts":       {p, policy.CredentialUse{Credential: "role"}, "does not tell what a session of credential"},
		"a policy that is long":    {many, policy.CredentialUse{Credential: "role", Service: "aws"}, "and STS takes 2048"},
		"another partition":        in("role", "cn-north-1", "is in partition aws"),
		"the same partition":       in("role", "us-east-1", ""),
		"another region of keys":   in("keys", "us-east-1", "signs for eu-west-1 alone"),
		"the region of the keys":   in("keys", "eu-west-1", ""),
		"keys for a rule of hosts": {p, policy.CredentialUse{Credential: "keys"}, ""},
	} {
		what, hint := s.CheckUse(set.Lookup(c.use.Credential), c.p, c.use)
		if c.want == "" {
			assert.Empty(t, what, name)
			continue
		}
		assert.Contains(t, what, c.want, name)
		assert.NotEmpty(t, hint, name)
	}
}
