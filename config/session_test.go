package config_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/config"
)

const awsCredentials = `credentials:
  role: {kind: aws_role, role_arn: "arn:aws:iam::123456789012:role/agents", region: eu-west-1}
  store: {kind: aws_keys, access_key_id: AKIA, secret: {file: key}, region: auto, hosts: [store.example]}
`

func TestLoadNamesMistakesAboutAWS(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		changed map[string]string
		want    []string
	}{
		"credential of another kind": {
			map[string]string{"policies/p.yaml": "policy: p\nrules:\n  - {name: r, allow: {aws: {service: s3}}, credential: key}\n"},
			[]string{`policies/p.yaml:3: rules[r].credential: a rule that says aws: takes a credential of kind aws_role or aws_keys, and "key" is of kind bearer`},
		},
		"session without bounds": {
			map[string]string{"credentials.yaml": awsCredentials, "policies/p.yaml": "policy: p\nrules:\n  - {name: r, allow: {host: \"*.amazonaws.com\"}, credential: role}\n"},
			[]string{`rules[r].credential: a rule about hosts does not tell what a session of credential "role" must be able to do; write an aws: rule, or give the credential a session_policy or policy_arns`},
		},
		"session too large": {
			map[string]string{"credentials.yaml": awsCredentials, "policies/p.yaml": "policy: p\nrules:\n  - {name: r, allow: {aws: {service: ec2}}, credential: role}\n"},
			[]string{`rules[r].credential: the session policy that the policy's aws: rules with credential "role" make has 5`, `characters, and STS takes 2048; shorten the rules`},
		},
		"session for everything": {
			map[string]string{"credentials.yaml": awsCredentials, "policies/p.yaml": "policy: p\nrules:\n  - {name: r, allow: {aws: {regions: [eu-west-1]}}, credential: role}\n"},
			[]string{`rule r allows operations of every service, which no session policy can say`},
		},
		"another partition": {
			map[string]string{"credentials.yaml": awsCredentials, "policies/p.yaml": "policy: p\nrules:\n  - {name: r, allow: {aws: {service: s3, regions: [cn-north-1]}}, credential: role}\n"},
			[]string{`the rule is for regions [cn-north-1], and the role of credential "role" is in partition aws`},
		},
		"another region than the keys'": {
			map[string]string{"credentials.yaml": awsCredentials, "policies/p.yaml": "policy: p\nrules:\n  - {name: r, allow: {aws: {service: s3, regions: [eu-west-1]}}, credential: store}\n"},
			[]string{`the rule is for regions [eu-west-1], and credential "store" signs for auto alone`},
		},
	} {
		_, err := config.Load(files(t, c.changed), options())
		require.Error(t, err, name)
		for _, want := range c.want {
			assert.Contains(t, strings.ReplaceAll(err.Error(), "\n", " "), want, name)
		}
	}
}
