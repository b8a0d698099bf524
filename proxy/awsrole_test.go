package proxy_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
)

const (
	roleCredentials = `
credentials:
  base: {kind: aws_keys, access_key_id: AKIABASE, secret: {env: SECRET}, region: eu-west-1, hosts: ["*.amazonaws.com"]}
  role: {kind: aws_role, role_arn: "arn:aws:iam::123456789012:role/agents", region: eu-west-1, base: base}
`
	rolePolicy = `
policy: operator
rules:
  - {name: read, allow: {aws: {service: s3, operations: [GetObject], resources: ["arn:aws:s3:::acme/*"]}}, credential: role}
`
	acmeHost = "https://acme.s3.eu-west-1.amazonaws.com/"
)

// stsServer answers AssumeRole, or refuses it.
type stsServer struct {
	mu     sync.Mutex
	asked  []url.Values
	refuse string
	packed int
}

func (s *stsServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, r.PostForm)
	w.Header().Set("X-Amzn-Requestid", fmt.Sprint("sts-", len(s.asked)))
	if s.refuse != "" {
		w.WriteHeader(http.StatusForbidden)
		_, _ = fmt.Fprintf(w, "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>%s</Message></Error></ErrorResponse>", s.refuse)
		return
	}
	_, _ = fmt.Fprintf(w, `<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIA%04d</AccessKeyId><SecretAccessKey>%s</SecretAccessKey>`+
		`<SessionToken>%s</SessionToken><Expiration>%s</Expiration></Credentials><AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/agents/x</Arn></AssumedRoleUser>`+
		`<PackedPolicySize>%d</PackedPolicySize></AssumeRoleResult></AssumeRoleResponse>`, len(s.asked), realSecret, realToken, time.Now().Add(time.Hour).UTC().Format(time.RFC3339), s.packed)
}

func (s *stsServer) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.asked)
}

func roleRig(t *testing.T) (*rig, *stsServer) {
	t.Helper()
	r := newRig(t, func(r *rig) {
		r.policy, r.credentials = rolePolicy, roleCredentials
		r.getenv = func(string) string { return "base-" + realSecret }
	})
	sts := &stsServer{packed: 12}
	r.upstream(sts.ServeHTTP, false, "sts.eu-west-1.amazonaws.com")
	r.upstream(func(w http.ResponseWriter, req *http.Request) {
		_, signed, _ := strings.Cut(req.Header.Get("Authorization"), "Credential=")
		id, _, _ := strings.Cut(signed, "/")
		_, _ = fmt.Fprint(w, id, " ", req.Header.Get("X-Amz-Security-Token") == realToken)
	}, true, "acme.s3.eu-west-1.amazonaws.com")
	return r, sts
}

func fetch(t *testing.T, client *http.Client) (int, string) {
	t.Helper()
	response, err := client.Do(signedFor(t, "s3", "eu-west-1", "GET", acmeHost+"key", ""))
	require.NoError(t, err)
	return response.StatusCode, body(t, response)
}

func TestEachAgentHasASessionOfItsOwn(t *testing.T) {
	t.Parallel()
	r, sts := roleRig(t)
	first, second := r.agent("first"), r.agent("second")
	client := r.client(first, true)
	for range 3 {
		status, text := fetch(t, client)
		require.Equal(t, http.StatusOK, status, text)
		assert.Equal(t, "ASIA0001 true", text)
	}
	_, text := fetch(t, r.client(second, true))
	assert.Equal(t, "ASIA0002 true", text)
	form := sts.asked[0]
	assert.Equal(t, first.ID.String(), form.Get("RoleSessionName"))
	assert.Equal(t, "agent-"+first.ID.String(), form.Get("SourceIdentity"))
	assert.Equal(t, "person:dana", form.Get("Tags.member.2.Value"))
	assert.Contains(t, form.Get("Policy"), `"Action":["s3:GetObject","s3:GetObjectVersion"],"Resource":["arn:aws:s3:::acme/*"]`)

	// A changed policy is another session at the next request.
	r.configure(strings.ReplaceAll(rolePolicy, "acme/*", "acme/k*"))
	_, text = fetch(t, client)
	assert.Equal(t, "ASIA0003 true", text)
	assert.Contains(t, sts.asked[2].Get("Policy"), "acme/k*")

	rows := r.rowsOf(8)
	for _, mint := range rows {
		if mint.Operation != "aws:sts/AssumeRole" {
			assert.Equal(t, "agent-"+mint.Agent.String(), mint.Details["source_identity"])
			assert.Equal(t, "arn:aws:iam::123456789012:role/agents", mint.Details["role_arn"])
			assert.EqualValues(t, 12, mint.Details["packed_policy_size"])
			assert.Len(t, mint.CredentialFingerprint, 64)
			continue
		}
		assert.Equal(t, "sts.eu-west-1.amazonaws.com", mint.Host)
		assert.Equal(t, "arn:aws:iam::123456789012:role/agents", mint.Resource)
		assert.EqualValues(t, 12, mint.Outcome.Details["packed_policy_size"])
		assert.Equal(t, mint.Agent.String(), mint.Outcome.Details["session_name"])
		assert.Equal(t, audit.OutcomeCompleted, mint.Outcome.Outcome)
		assert.Contains(t, mint.Outcome.UpstreamRequestID, "sts-")
	}
	for _, row := range rows {
		assert.NotContains(t, fmt.Sprint(row), realSecret)
		assert.NotContains(t, fmt.Sprint(row), realToken)
	}
	assert.NotContains(t, r.log.String(), realSecret)
}

func TestARevokedAgentsSessionIsGone(t *testing.T) {
	t.Parallel()
	r, sts := roleRig(t)
	a := r.agent("a")
	status, text := fetch(t, r.client(a, true))
	require.Equal(t, http.StatusOK, status, text)
	_, err := r.registry.Revoke(t.Context(), a.ID, "test")
	require.NoError(t, err)
	r.proxy.Cut(a.ID)
	r.shutdown()
	_, err = r.tokens.Revoke(t.Context(), a.ID.String(), http.DefaultTransport)
	require.NoError(t, err)
	assert.Equal(t, 1, sts.count(), "a session is dropped, for STS revokes none")
}

func TestRefusedSessionsAreSaidToTheOperatorAndAreFinal(t *testing.T) {
	t.Parallel()
	r, sts := roleRig(t)
	sts.refuse = "User: arn:aws:iam::123456789012:user/proxy is not authorized to perform: sts:SetSourceIdentity on resource: arn:aws:iam::123456789012:role/agents"
	status, text := fetch(t, r.client(r.agent("a"), true))
	assert.Equal(t, http.StatusForbidden, status, "clients of AWS try 502 again")
	assert.Contains(t, text, "<Code>AccessDenied</Code><Message>sallyport: The credential cannot be had")
	assert.NotContains(t, text, "arn:aws:iam::123456789012:user/proxy")
	row := r.rowsOf(2)[0]
	if row.Operation == "aws:sts/AssumeRole" {
		row = r.rowsOf(2)[1]
	}
	assert.Equal(t, "credential", row.Outcome.Refusal)
	assert.Contains(t, row.Outcome.Error, `add "sts:SetSourceIdentity" to the Action of the statement in the trust policy of arn:aws:iam::123456789012:role/agents`)
}

// TestSessionsThatAlmostFillTheLimitWarn: from 80 % on the row of the mint says so.
func TestSessionsThatAlmostFillTheLimitWarn(t *testing.T) {
	t.Parallel()
	r, sts := roleRig(t)
	sts.packed = 80
	status, text := fetch(t, r.client(r.agent("a"), true))
	require.Equal(t, http.StatusOK, status, text)
	for _, row := range r.rowsOf(2) {
		if row.Operation == "aws:sts/AssumeRole" {
			assert.Contains(t, row.Outcome.Details["warning"], "80% of what STS allows")
		}
	}
}
