package proxy_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/internal/host"
	"sallyport/policy"
	"sallyport/services"
)

// bound are the services, with the hosts that two credentials are bound to.
func bound() []policy.Service {
	services := services.Languages(rooms(), nil)
	for i := range services {
		if services[i].Key == "aws" {
			services[i].Hosts = func(credential string) []host.Pattern {
				p, err := host.ParsePattern(map[string]string{"k": "*.amazonaws.com", "store": "store.example:9000"}[credential])
				if err != nil {
					panic(err)
				}
				return []host.Pattern{p}
			}
		}
	}
	return services
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
	services := bound()
	p, err := policy.Parse("test.yaml", []byte(rules), services...)
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
		q, ok, err := p.ParseQuestion(question, services...)
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
		d := p.Decide(p.Classify(q, services...))
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
	} {
		_, err := policy.Parse("test.yaml", []byte("policy: test\nrules:\n  - {name: a, allow: {aws: "+rule+"}, credential: k}\n"), bound()...)
		assert.ErrorContains(t, err, want, rule)
	}
	_, ok, err := policy.ParseQuestion("aws:s3/GetObjekt", services.Languages(rooms(), nil)...)
	assert.True(t, ok)
	assert.ErrorContains(t, err, `did you mean "s3/GetObject"`)
}
