package aws_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/credentials"
	"sallyport/policy"
	"sallyport/services"
	"sallyport/services/aws"
)

// languages are AWS's, with the hosts that two credentials of AWS's and a store's are bound to.
func languages(t *testing.T) []policy.Language {
	t.Helper()
	s := aws.New()
	set, err := credentials.Parse("credentials.yaml", []byte(`credentials:
  k: {kind: aws_keys, access_key_id: AKIAIOSFODNN7EXAMPLE, secret: {env: KEY}, hosts: ["*.amazonaws.com"]}
  l: {kind: aws_keys, access_key_id: AKIAIOSFODNN7EXAMPLE, secret: {env: KEY}, hosts: ["*.amazonaws.com"]}
  store: {kind: aws_keys, access_key_id: AKIAIOSFODNN7EXAMPLE, secret: {env: KEY}, region: eu-west-1, hosts: ["store.example:9000"]}
`), credentials.Options{Kinds: s.Kinds(), Getenv: func(string) string { return "wJalrXUtnFEMI" }})
	require.NoError(t, err)
	return services.Languages([]services.Service{s}, set.Lookup)
}

func ruled(t *testing.T, rules string) (*policy.Policy, error) {
	t.Helper()
	return policy.Parse("test.yaml", []byte("policy: test\nrules:\n"+rules), languages(t)...)
}

// TestQuestionsAboutAWS asks as people and the tests in policy files do.
func TestQuestionsAboutAWS(t *testing.T) {
	t.Parallel()
	const rules = `policy: test
rules:
  - name: artifacts
    allow: {aws: {service: s3, operations: [GetObject, PutObject, ListObjectsV2], resources: ["arn:aws:s3:::acme-artifacts/agents/*"], regions: [eu-west-1]}}
    credential: k
  - name: tables
    allow: {aws: {service: dynamodb, operations: ["*Item"], resources: ["arn:aws:dynamodb:*:*:table/agents-*"]}}
    credential: k
  - name: who
    allow: {aws: {operations: [sts/GetCallerIdentity]}}
    credential: k
  - name: store
    allow: {aws: {service: s3, operations: ["Get*"]}}
    credential: store
  - name: never
    deny: {aws: {service: s3, operations: ["Delete*", PutObject], resources: ["arn:aws:s3:::acme-artifacts/agents/kept/*"]}}
  - name: anything-else
    allow: {host: "*.amazonaws.com", methods: [POST]}
`
	spoken := languages(t)
	p, err := policy.Parse("test.yaml", []byte(rules), spoken...)
	require.NoError(t, err)
	for question, want := range map[string]string{
		"aws:s3/GetObject arn:aws:s3:::acme-artifacts/agents/a eu-west-1":             "allow artifacts",
		"aws:s3/GetObject arn:aws:s3:::acme-artifacts/agents/a us-east-1":             "allow anything-else", // questions are POSTs
		"aws:s3/ListObjectsV2 arn:aws:s3:::acme-artifacts/agents/* eu-west-1":         "allow artifacts",
		"aws:s3/PutObject arn:aws:s3:::acme-artifacts/agents/kept/a eu-west-1":        "deny never",
		"aws:dynamodb/GetItem arn:aws:dynamodb:eu-west-1:123456789012:table/agents-1": "allow tables",
		"aws:sts/GetCallerIdentity":                                     "allow who",
		"aws:sts/AssumeRole arn:aws:iam::123456789012:role/r eu-west-1": "deny", // hands out credentials
		"aws:s3/GetObject arn:aws:s3:::any/thing store.example:9000":    "allow store",
		"aws:s3/PutObject arn:aws:s3:::any/thing store.example:9000":    "deny",
	} {
		q, ok, err := p.ParseQuestion(question, spoken...)
		require.True(t, ok, question)
		require.NoError(t, err, question)
		d := p.Decide(q)
		got := d.Effect.String()
		if d.Rule != "" {
			got += " " + d.Rule
		}
		assert.Equal(t, want, got, "%s: %s", question, d.Reason)
	}
	for url, want := range map[string]string{
		"https://acme-artifacts.s3.eu-west-1.amazonaws.com/agents/a":                    "artifacts",
		"https://s3.eu-west-1.amazonaws.com/acme-artifacts/agents/a":                    "artifacts",
		"https://s3.eu-west-1.amazonaws.com/acme-artifacts/other":                       "",
		"https://acme-artifacts.s3.eu-west-1.amazonaws.com/?list-type=2":                "",
		"https://acme-artifacts.s3.eu-west-1.amazonaws.com/?list-type=2&prefix=agents/": "artifacts",
		"https://acme-artifacts.s3.us-east-1.amazonaws.com/agents/a":                    "",
		"https://store.example:9000/any/thing":                                          "store",
		"https://dynamodb.eu-west-1.amazonaws.com/":                                     "never", // it cannot be told
	} {
		q, err := policy.ParseRequest("GET", url)
		require.NoError(t, err, url)
		d := p.Decide(p.Classify(q, spoken...))
		assert.Equal(t, want, d.Rule, "%s: %s", url, d.Reason)
	}
}

func TestBadRulesAboutAWS(t *testing.T) {
	t.Parallel()
	for rule, want := range map[string]string{
		"{service: cloudwatch}":                  "write service: monitoring",
		"{service: s4}":                          "did you mean",
		"{service: ecr}":                         "write service: api.ecr",
		"{service: s3, operations: [GetObjekt]}": `did you mean "s3/GetObject"`,
		"{operations: [\"*/deleteeverything\"]}": "matches no operation of any service; did you mean",
		"{service: ec2, operations: [RunInstances], resources: [\"arn:aws:ec2:*:*:instance/*\"]}": "the resource of ec2/RunInstances cannot be told from a request",
		"{service: s3, operations: [GetObject], resources: [acme-artifacts]}":                     "write an ARN",
		"{service: s3, operations: [GetObject], resources: [\"arn:aws:dynamodb:*:*:table/t\"]}":   "is of dynamodb, and the rule is about s3",
		"{service: s3, regions: [\"Europe (Ireland)\"]}":                                          "is not a region",
		"{}":             "says nothing and would match every request to AWS; write {service: s3",
		"{repos: [a/b]}": "known here are service, operations, resources, regions",
		"{service: s3, operations: [s3/GetObject]}": "write the operation alone, as in GetObject",
		"{operations: [GetObject]}":                 "operation pattern",
		"{service: s3, operations: []}":             "the list is empty; as in {service: s3",
		"{service: s3, regions: []}":                "the list is empty; write regions: [eu-west-1]",
		"{service: [s3]}":                           "write service: s3",
	} {
		_, err := ruled(t, "  - {name: a, allow: {aws: "+rule+"}, credential: k}\n")
		assert.ErrorContains(t, err, want, rule)
	}
	_, ok, err := policy.ParseQuestion("aws:s3/GetObjekt", languages(t)...)
	assert.True(t, ok)
	assert.ErrorContains(t, err, `did you mean "s3/GetObject"`)
	_, err = ruled(t, "  - {name: a, allow: {aws: {service: s3}}}\n")
	require.ErrorContains(t, err, "nothing goes to AWS unsigned; give the rule a credential")
}

// means asks about a request to S3 that makes these calls; none stands for one without a name.
func means(t *testing.T, calls ...policy.Call) policy.Query {
	t.Helper()
	q, err := policy.ParseRequest("POST", "https://s3.eu-west-1.amazonaws.com/x")
	require.NoError(t, err)
	q.Meaning = &policy.Meaning{Service: "aws", Calls: calls}
	if len(calls) == 0 {
		q.Meaning.Unclassified = "the path says nothing"
	}
	return q
}

func get(resource, region string) policy.Call {
	return policy.Call{Operation: "s3/GetObject", Resource: resource, Facts: &aws.Facts{Region: region}}
}

func TestRulesAboutResourcesAndRegions(t *testing.T) {
	t.Parallel()
	const a, chest = "arn:aws:s3:::box/a", "arn:aws:s3:::chest/a"
	listing := policy.Call{Operation: "s3/ListObjectsV2", Resource: "arn:aws:s3:::box/*", Facts: &aws.Facts{Container: "arn:aws:s3:::box", Region: "here"}}
	blind := policy.Call{Operation: "s3/GetObject", Facts: &aws.Facts{Unknown: "its body is not read", Region: "here"}}
	secret := policy.Call{Operation: "sts/AssumeRole", Credential: true, Facts: &aws.Facts{Region: "here"}}
	const wide = "  - {name: w, allow: {aws: {operations: [\"s3/*\", \"sts/*\"]}}, credential: k}\n"
	allow := func(clause string) string { return "  - {name: a, allow: {aws: {" + clause + "}}, credential: k}\n" }
	for _, c := range []struct {
		rules string
		calls []policy.Call
		want  string
	}{
		{wide, []policy.Call{get(a, "here")}, "allow w"},
		{wide, []policy.Call{blind}, "allow w"},
		{wide, []policy.Call{secret}, "deny"},
		{wide, nil, "deny"},
		{"  - {name: w, allow: {aws: {service: s3}}, credential: store}\n", []policy.Call{get(a, "here")}, "deny"},
		{allow("service: s3, operations: [GetObject, PutObject]"), []policy.Call{get(a, "here")}, "allow a"},
		{allow("operations: [s3/PutObject]"), []policy.Call{get(a, "here")}, "deny"},
		{allow("operations: [sts/AssumeRole]"), []policy.Call{secret}, "allow a"},
		{allow("service: sts, operations: [\"Assume*\"]"), []policy.Call{secret}, "deny"},

		{allow("resources: [\"arn:aws:s3:::box/*\"]"), []policy.Call{get(a, "here")}, "allow a"},
		{allow("resources: [\"arn:aws:s3:::box/*\"]"), []policy.Call{get(a, "here"), get(chest, "here")}, "deny"},
		{allow("resources: [\"arn:aws:s3:::box/*\"]"), []policy.Call{blind}, "deny"},
		{allow("resources: [\"arn:aws:s3:::box/a*\"]"), []policy.Call{listing}, "deny"},
		{allow("resources: [\"arn:aws:s3:::box\"]"), []policy.Call{listing}, "allow a"},
		{allow("regions: [here]"), []policy.Call{get(a, "here")}, "allow a"},
		{allow("regions: [\"h*\"]"), []policy.Call{get(a, "there")}, "deny"},
		{allow("regions: [here]"), []policy.Call{get(a, "")}, "deny"},
		{allow("regions: [here]"), []policy.Call{{Operation: "s3/GetObject"}}, "deny"},

		// A deny also takes what lies in it in part, or may.
		{wide + "  - {name: d, deny: {aws: {resources: [\"arn:aws:s3:::box/s*\"]}}}\n", []policy.Call{get(a, "here")}, "allow w"},
		{wide + "  - {name: d, deny: {aws: {resources: [\"arn:aws:s3:::box/s*\"]}}}\n", []policy.Call{listing}, "deny d"},
		{wide + "  - {name: d, deny: {aws: {resources: [\"arn:aws:s3:::box/s*\"]}}}\n", []policy.Call{blind}, "deny d"},
		{wide + "  - {name: d, deny: {aws: {regions: [there]}}}\n", []policy.Call{get(a, "")}, "deny d"},
		{wide + "  - {name: d, deny: {aws: {regions: [there]}}}\n", []policy.Call{get(a, "here")}, "allow w"},
		{"  - {name: h, allow: {host: \"*.amazonaws.com\"}}\n  - {name: d, deny: {aws: {operations: [\"*/Delete*\"]}}}\n", nil, "deny d"},
		{"  - {name: h, allow: {host: \"*.amazonaws.com\"}}\n  - {name: q, ask: {aws: {operations: [\"*/Delete*\"]}}, credential: k}\n", nil, "ask q"},
	} {
		p, err := ruled(t, c.rules)
		require.NoError(t, err, c.rules)
		q := means(t, c.calls...)
		d := p.Decide(q)
		assert.Equal(t, c.want, strings.TrimSpace(d.Effect.String()+" "+d.Rule), "%s%v: %s", c.rules, c.calls, d.Reason)
		e := p.Explain(q)
		assert.Equal(t, d, e.Decision)
		for _, r := range e.Rules {
			assert.NotEmpty(t, r.Why, "%s%v", c.rules, c.calls)
		}
	}
}

func TestWhyARuleDoesNotMatch(t *testing.T) {
	t.Parallel()
	const rules = "  - {name: s, allow: {aws: {service: s3, operations: [PutObject]}}, credential: store}\n" +
		"  - {name: o, allow: {aws: {service: s3, operations: [PutObject, \"Put*Tagging\"]}}, credential: k}\n" +
		"  - {name: g, allow: {aws: {service: s3, regions: [eu-west-1]}}, credential: k}\n" +
		"  - {name: r, allow: {aws: {service: s3, resources: [\"arn:aws:s3:::box/a*\"]}}, credential: k}\n"
	p, err := ruled(t, rules)
	require.NoError(t, err)
	why := func(rule int, c policy.Call) string { return p.Explain(means(t, c)).Rules[rule].Why }
	one := get("arn:aws:s3:::chest/x", "us-east-1")
	assert.Equal(t, "the rule's credential is not bound to s3.eu-west-1.amazonaws.com:443, so that the rule does not mean it", why(0, one))
	assert.Equal(t, "operations [s3/PutObject, s3/Put*Tagging] do not include s3/GetObject", why(1, one))
	assert.Equal(t, "regions [eu-west-1] do not include us-east-1", why(2, one))
	assert.Equal(t, "regions [eu-west-1] do not include a region that is not known", why(2, get("", "")))
	assert.Equal(t, "resources [arn:aws:s3:::box/a*] do not include arn:aws:s3:::chest/x", why(3, one))
	assert.Equal(t, "resources [arn:aws:s3:::box/a*] include only a part of arn:aws:s3:::box/*", why(3, get("arn:aws:s3:::box/*", "")))
	assert.Equal(t, "resources [arn:aws:s3:::box/a*] cannot be told from s3/GetObject, whose requests are not read for what they touch", why(3, get("", "")))
	blind := policy.Call{Operation: "s3/GetObject", Facts: &aws.Facts{Unknown: "its body is too long"}}
	assert.Equal(t, "resources [arn:aws:s3:::box/a*] cannot be told from s3/GetObject: its body is too long", why(3, blind))
}

func TestRulesWithDifferentKeysAreWarnedOfWhereTheyMeet(t *testing.T) {
	t.Parallel()
	for second, warned := range map[string]bool{
		"{service: s3, resources: [\"arn:aws:s3:::box/a*\"]}":         true,
		"{service: s3, resources: [\"arn:aws:s3:::chest/*\"]}":        false,
		"{resources: [\"arn:aws:s3:::box/*\"], regions: [us-east-1]}": false,
		"{operations: [dynamodb/GetItem]}":                            false,
	} {
		p, err := ruled(t, "  - {name: a, allow: {aws: {service: s3, resources: [\"arn:aws:s3:::box/*\"], regions: [eu-west-1]}}, credential: k}\n"+
			"  - {name: b, allow: {aws: "+second+"}, credential: l}\n")
		require.NoError(t, err)
		assert.Equal(t, warned, len(p.Warnings()) == 1, second)
	}
	elsewhere, err := ruled(t, "  - {name: a, allow: {aws: {service: s3}}, credential: k}\n  - {name: b, allow: {aws: {service: s3}}, credential: store}\n")
	require.NoError(t, err)
	assert.Empty(t, elsewhere.Warnings(), "their credentials go to different hosts")
}

// What is denied whatever its body says is denied before it is read.
func TestWhatTheLineAloneAnswers(t *testing.T) {
	t.Parallel()
	outline := policy.Outline{Call: policy.Call{Operation: "dynamodb/*", Facts: &aws.Facts{Region: "eu-west-1"}}}
	for rules, want := range map[string]string{
		"  []\n": "no rule",
		"  - {name: a, allow: {aws: {service: s3}}, credential: k}\n":                                                                                    "no rule",
		"  - {name: a, allow: {aws: {service: dynamodb, regions: [us-east-1]}}, credential: k}\n":                                                        "no rule",
		"  - {name: a, allow: {aws: {service: dynamodb}}, credential: store}\n":                                                                          "no rule",
		"  - {name: a, allow: {aws: {service: dynamodb}}, credential: k}\n  - {name: d, deny: {aws: {service: dynamodb}}}\n":                             "d",
		"  - {name: a, allow: {aws: {service: dynamodb}}, credential: k}\n":                                                                              "",
		"  - {name: a, allow: {aws: {operations: [dynamodb/GetItem]}}, credential: k}\n":                                                                 "",
		"  - {name: a, allow: {aws: {resources: [\"arn:aws:dynamodb:*:*:table/t\"]}}, credential: k}\n":                                                  "",
		"  - {name: a, allow: {aws: {service: dynamodb}}, credential: k}\n  - {name: d, deny: {aws: {operations: [dynamodb/PutItem]}}}\n":                "",
		"  - {name: a, allow: {aws: {service: dynamodb}}, credential: k}\n  - {name: d, deny: {aws: {resources: [\"arn:aws:dynamodb:*:*:table/t\"]}}}\n": "",
	} {
		p, err := ruled(t, rules)
		require.NoError(t, err, rules)
		d, sure := p.DecideUnread(means(t), &outline)
		assert.Equal(t, want != "", sure, rules)
		if sure {
			assert.Equal(t, policy.Deny, d.Effect)
			assert.Equal(t, strings.TrimPrefix(want, "no rule"), d.Rule, rules)
		}
	}
}
