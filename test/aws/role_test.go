package aws_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// roleCredentials are roles at servers that have an STS. MinIO takes any role, and what a
// session policy says; moto checks whether the role may be assumed, and names the
// session.
const roleCredentials = `
  moto-role: {kind: aws_role, role_arn: "arn:aws:iam::123456789012:role/agents", region: eu-west-1, base: moto}
  minio-role: {kind: aws_role, role_arn: "arn:aws:iam::123456789012:role/agents", region: eu-west-1, base: minio, sts_endpoint: "https://s3.minio.test", hosts: [s3.minio.test]}
  minio-narrow:
    kind: aws_role
    role_arn: arn:aws:iam::123456789012:role/agents
    region: eu-west-1
    base: minio
    sts_endpoint: https://s3.minio.test
    hosts: [s3.minio.test]
    session_policy: |
      {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::roles/agents/one"]}]}
`

const rolePolicy = `policy: roles
description: may use some of each store, as itself
rules:
  - {name: who, allow: {aws: {operations: [sts/GetCallerIdentity]}}, credential: moto-role}
  - {name: objects, allow: {aws: {service: s3, operations: [GetObject, PutObject, ListObjectsV2], resources: ["arn:aws:s3:::roles/agents/*"]}}, credential: minio-role}
  - {name: buckets, allow: {aws: {service: s3, operations: [CreateBucket], resources: ["arn:aws:s3:::roles"]}}, credential: minio-role}
`

const narrowPolicy = `policy: narrow
description: may read what the session itself may not
rules:
  - {name: objects, allow: {aws: {service: s3, operations: [GetObject]}}, credential: minio-narrow}
`

// configureRoles adds roles, where all servers are there.
func (w *world) configureRoles(credentials *strings.Builder) {
	if w.servers["moto"] != nil && w.servers["minio"] != nil {
		credentials.WriteString(strings.TrimPrefix(roleCredentials, "\n"))
	}
}

// available is a policy of roles, for which all servers are there.
func (w *world) available(policy string) string {
	return w.served("moto", w.served("minio", policy))
}

// served is the policy, or one without rules where the server is missing.
func (w *world) served(server, policy string) string {
	if w.servers[server] == nil {
		head, _, _ := strings.Cut(policy, "rules:")
		return head + "rules: []\n"
	}
	return policy
}

// TestASessionIsTheAgents: the server itself says who calls.
func TestASessionIsTheAgents(t *testing.T) {
	need(t, "moto")
	need(t, "minio")
	aws := find(t, "aws")
	c := newClient(t, "roles")
	out := c.run(aws, "sts", "get-caller-identity", "--output", "json")
	assert.Contains(t, out, "assumed-role/agents/"+c.agent.ID)
	var mint map[string]any
	for _, row := range c.exchanges() {
		if row.Operation != nil && *row.Operation == "aws:sts/AssumeRole" {
			mint = row.Details
		}
	}
	require.NotNil(t, mint, "the call to STS has a row of its own")
	assert.Equal(t, "agent-"+c.agent.ID, mint["source_identity"])
}

// TestTheServerEnforcesTheSessionPolicy: what the rules say is what the session may do,
// and a session that may do less is refused by the server although the rules allow it.
func TestTheServerEnforcesTheSessionPolicy(t *testing.T) {
	need(t, "moto")
	need(t, "minio")
	aws := find(t, "aws")
	c := newClient(t, "roles")
	file := filepath.Join(c.dir, "one")
	require.NoError(t, os.WriteFile(file, []byte("one"), 0o600))
	s3 := func(c *client, args ...string) (string, error) {
		return c.try(aws, append([]string{"--endpoint-url", "https://" + minioHost, "s3api"}, args...)...)
	}
	for _, args := range [][]string{
		{"create-bucket", "--bucket", "roles", "--create-bucket-configuration", "LocationConstraint=eu-west-1"},
		{"put-object", "--bucket", "roles", "--key", "agents/one", "--body", file},
		{"put-object", "--bucket", "roles", "--key", "agents/two", "--body", file},
		{"get-object", "--bucket", "roles", "--key", "agents/one", "copy"},
		{"list-objects-v2", "--bucket", "roles", "--prefix", "agents/"},
	} {
		out, err := s3(c, args...)
		require.NoError(t, err, "%v: %s", args, out)
	}
	for _, args := range [][]string{
		{"put-object", "--bucket", "roles", "--key", "other", "--body", file},
		{"list-objects-v2", "--bucket", "roles"},
	} {
		out, err := s3(c, args...)
		require.Error(t, err, args)
		assert.Contains(t, out, "sallyport: The policy does not allow this request", args)
	}

	t.Run("narrower than the rules", func(t *testing.T) {
		narrow := newClient(t, "narrow")
		out, err := s3(narrow, "get-object", "--bucket", "roles", "--key", "agents/one", "copy")
		require.NoError(t, err, out)
		out, err = s3(narrow, "get-object", "--bucket", "roles", "--key", "agents/two", "copy")
		require.Error(t, err)
		assert.Contains(t, out, "Access Denied", "MinIO's own words")
		assert.NotContains(t, out, "sallyport")
	})
}

// TestClientsShowARefusalAtOnce: every protocol's client prints the reason, and sends the
// request once.
func TestClientsShowARefusalAtOnce(t *testing.T) {
	for name, run := range map[string]func(t *testing.T, c *client) string{
		"boto3": func(t *testing.T, c *client) string {
			return c.run(find(t, "python3"), script(t, "refused.py"), region)
		},
		"go": func(t *testing.T, c *client) string { return c.run(goClient(t), "refused", region) },
		"js": func(t *testing.T, c *client) string {
			node, program := javaScript(t, c, "refused.cjs")
			return c.run(node, program, region)
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, "narrow")
			began := time.Now()
			out := run(t, c)
			var refused map[string]struct{ Code, Message string }
			require.NoError(t, json.Unmarshal([]byte(out), &refused), out)
			require.NotEmpty(t, refused)
			for service, got := range refused {
				assert.True(t, strings.HasPrefix(got.Code, "AccessDenied"), "%s: %s", service, got.Code)
				assert.Contains(t, got.Message, "no rule of policy narrow allows this request", service)
			}
			assert.Len(t, c.exchanges(), len(refused), "each is sent once")
			assert.Less(t, time.Since(began), time.Minute, "on a machine under load; no client waits between tries")
		})
	}
}
