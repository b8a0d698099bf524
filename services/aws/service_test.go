package aws_test

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
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
	"sallyport/services/aws/sigv4"
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
		"https://s3.eu-west-1.amazonaws.com:8443/b/k":  "AWS is spoken to on port 443 only, and Neptune on 8182",
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
}

// What is wrong with a body has S3's own word, and a host of AWS's that is not known answers as
// AWS would, in the form that the request asks for.
func TestRefusalsHaveAWSsOwnWords(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		url, media string
		cause      error
		want       string
	}{
		"another hash":     {"https://b.s3.eu-west-1.amazonaws.com/k", "", &sigv4.Refusal{Reason: sigv4.BodyMismatch}, "<Code>XAmzContentSHA256Mismatch</Code>"},
		"cut short":        {"https://b.s3.eu-west-1.amazonaws.com/k", "", fmt.Errorf("send: %w", &sigv4.Refusal{Reason: sigv4.BodyIncomplete}), "<Code>IncompleteBody</Code>"},
		"trailer":          {"https://store.example/b/k", "", &sigv4.Refusal{Reason: sigv4.BadTrailer}, "<Code>MalformedTrailerError</Code>"},
		"something else":   {"https://store.example/b/k", "", &sigv4.Refusal{Reason: sigv4.Malformed}, "<Code>InvalidRequest</Code>"},
		"an unknown host":  {"https://nothing.known.here.amazonaws.com/", "", nil, `"__type":"ValidationException"`},
		"with a form":      {"https://nothing.known.here.amazonaws.com/", "application/x-www-form-urlencoded; charset=utf-8", nil, "<ErrorResponse>"},
		"in clear text":    {"http://sqs.eu-west-1.amazonaws.com/", "application/x-amz-json-1.0", nil, "<ErrorResponse>"},
		"tables in S3":     {"https://s3tables.eu-west-1.amazonaws.com/buckets", "", nil, `"__type"`},
		"S3's own control": {"https://123456789012.s3-control.eu-west-1.amazonaws.com/v20180820/jobs", "", nil, "<ErrorResponse>"},
	} {
		v, r := found(t, http.MethodPost, c.url, http.Header{"Content-Type": {c.media}})
		w := httptest.NewRecorder()
		f := &services.Refusal{Class: services.Malformed, Status: http.StatusBadRequest, Title: "No", Cause: c.cause, Header: func(http.Header) {}}
		require.True(t, v.(services.Refuser).Refuse(w, r, f), name)
		assert.Contains(t, w.Body.String(), c.want, name)
	}
	v, r := found(t, http.MethodGet, "http://store.example:443/b/k", nil)
	assert.False(t, v.(services.Refuser).Refuse(httptest.NewRecorder(), r, &services.Refusal{}), "no store is spoken to without TLS")
}

// Data planes that no SDK lists are what they are signed for; what they do has no name.
func TestHostsThatNoModelHas(t *testing.T) {
	t.Parallel()
	s := aws.New()
	set, err := credentials.Parse("credentials.yaml", []byte(`credentials:
  keys: {kind: aws_keys, access_key_id: AKIAIOSFODNN7EXAMPLE, secret: {env: KEY}, hosts: ["*.amazonaws.com"], services: {"new.eu-west-1.amazonaws.com": new-service}}
`), credentials.Options{Kinds: s.Kinds(), Getenv: func(string) string { return "wJalrXUtnFEMI" }})
	require.NoError(t, err)
	where := s.Sites(services.Files{Credentials: set})
	for url, want := range map[string]string{
		"https://aps-workspaces.eu-west-1.amazonaws.com/workspaces/w/api/v1/query":  "operation",
		"https://new.eu-west-1.amazonaws.com/":                                      "a rule about the host can allow it, with a credential only if it says unnamed: allow",
		"https://other.eu-west-1.amazonaws.com/":                                    "is none of its services'",
		"https://c.cluster-abc.eu-west-1.neptune.amazonaws.com:8182/status":         "",
		"https://c.cluster-abc.eu-west-1.neptune.amazonaws.com/status":              "",
		"https://c.cluster-abc.eu-west-1.neptune.amazonaws.com:8183/status":         "port 443 only, and Neptune on 8182",
		"https://sqs.eu-west-1.amazonaws.com:8182/":                                 "port 443 only, and Neptune on 8182",
		"https://app.livy.emr-serverless-services.eu-west-1.amazonaws.com/sessions": "operation",
		"https://bedrock-mantle.eu-west-1.api.aws/v1/responses":                     "unnamed: allow",
		"https://aws-mcp.us-east-1.api.aws/mcp":                                     "no service that is known here signs as aws-mcp",
		"https://sync-states.eu-west-1.amazonaws.com/":                              "operation",
		"https://stream-logs.eu-west-1.amazonaws.com/":                              "operation",
		"https://data-servicediscovery.eu-west-1.amazonaws.com/":                    "operation",
		"https://evil.example.sync-states.eu-west-1.amazonaws.com.evil.example/":    "none",
	} {
		q, err := policy.ParseRequest(http.MethodGet, url)
		require.NoError(t, err)
		endpoint, _ := sigv4.Locate(q.Authority.Name.String())
		signed := "s3"
		if len(endpoint.Services) > 0 {
			signed = endpoint.Services[len(endpoint.Services)-1]
		}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
		require.NoError(t, err)
		region := sigv4.RegionIn(q.Authority.Name.String())
		r.Header.Set("X-Amz-Date", "20260102T030405Z")
		r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
		r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=K/20260102/"+region+"/"+signed+"/aws4_request, SignedHeaders=host, Signature="+strings.Repeat("0", 64))
		v := where.Find(&services.Line{Query: q, Request: r, Agent: "a"})
		if want == "none" {
			assert.Nil(t, v, url)
			continue
		}
		require.NotNil(t, v, url)
		m := v.Read(whole(nil))
		if want == "" {
			require.Len(t, m.Calls, 1, m.Unclassified)
			assert.Equal(t, "neptune-db/GetEngineStatus", m.Calls[0].Operation)
			continue
		}
		assert.Contains(t, m.Unclassified, want, url)
	}
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
