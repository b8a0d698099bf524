package session_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/credentials"
	"sallyport/services/aws/session"
	"sallyport/services/aws/sigv4"
)

const (
	roleFile = `
credentials:
  keys: {kind: aws_keys, access_key_id: AKIABASE, secret: {env: KEY}, region: eu-west-1, hosts: ["*.amazonaws.com"]}
  role: {kind: aws_role, role_arn: "arn:aws:iam::123456789012:role/agents", region: eu-west-1, base: keys}
  given: {kind: aws_role, role_arn: "arn:aws:iam::123456789012:role/agents", region: eu-west-1, base: keys, policy_arns: ["arn:aws:iam::aws:policy/ReadOnlyAccess"], session_policy: '{ "Version": "2012-10-17", "Statement": [] }'}
  second: {kind: aws_role, role_arn: "arn:aws:iam::999999999999:role/there", region: us-east-1, base: role, sts_endpoint: "https://sts.internal"}
  china: {kind: aws_role, role_arn: "arn:aws-cn:iam::123456789012:role/agents", region: cn-north-1, base: keys}
`
	document = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:GetObject"],"Resource":["*"]}]}`
)

// fakeSTS answers as STS does, from inside this process.
type fakeSTS struct {
	now    func() time.Time
	life   time.Duration
	hang   atomic.Pointer[string] // the session name for which there is no answer
	refuse string                 // an error document

	mu    sync.Mutex
	asked []url.Values
	hosts []string
	keys  []string // by which it was asked
}

func (f *fakeSTS) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	f.asked, f.hosts = append(f.asked, form), append(f.hosts, r.URL.Host)
	_, key, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	key, _, _ = strings.Cut(key, "/")
	f.keys = append(f.keys, key)
	n := len(f.asked)
	f.mu.Unlock()
	if name := f.hang.Load(); name != nil && *name == form.Get("RoleSessionName") {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	answer := &http.Response{StatusCode: 200, Header: http.Header{}, Request: r, ProtoMajor: 1, ProtoMinor: 1}
	text := f.refuse
	if text != "" {
		answer.StatusCode = 403
	} else {
		text = fmt.Sprintf(`<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIA%04d</AccessKeyId><SecretAccessKey>%s-secret</SecretAccessKey>`+
			`<SessionToken>%s-token-%d</SessionToken><Expiration>%s</Expiration></Credentials><PackedPolicySize>7</PackedPolicySize></AssumeRoleResult></AssumeRoleResponse>`,
			n, canary, canary, n, f.now().Add(f.life).UTC().Format(time.RFC3339))
	}
	if form.Get("Action") == "AssumeRoleWithWebIdentity" {
		text = strings.ReplaceAll(text, "AssumeRoleRes", "AssumeRoleWithWebIdentityRes")
	}
	if form.Get("Action") == "GetCallerIdentity" && f.refuse == "" {
		text = "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/u</Arn></GetCallerIdentityResult></GetCallerIdentityResponse>"
	}
	answer.Body = io.NopCloser(strings.NewReader(text))
	return answer, nil
}

func (f *fakeSTS) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.asked)
}

// roles is the file with its sessions kept, and an STS.
func roles(t *testing.T) (*credentials.Set, *credentials.Tokens, *fakeSTS) {
	t.Helper()
	o := options(t, "KEY", canary)
	o.Now, o.Tokens = time.Now, credentials.NewTokens(time.Now)
	return parse(t, roleFile, o), o.Tokens, &fakeSTS{now: time.Now, life: time.Hour}
}

func purpose(t *testing.T, f *fakeSTS, agent string) credentials.Use {
	return credentials.Use{
		Agent: agent, Transport: f, Request: fromAgent(t, "https://bucket.s3.eu-west-1.amazonaws.com/key", "s3", "eu-west-1"),
		For: session.Purpose{Owner: "person:dana", Policy: "operator", PolicyHash: "1", Document: document},
	}
}

// key is the access key that a retrieval signs with.
func key(t *testing.T, c *credentials.Credential, use credentials.Use) string {
	t.Helper()
	i, err := c.Retrieve(t.Context(), use)
	require.NoError(t, err)
	id, _ := i.Details()["access_key_id"].(string)
	return id
}

func TestSessionsNameTheirAgentAndAreBounded(t *testing.T) {
	t.Parallel()
	set, _, sts := roles(t)
	use := purpose(t, sts, "0198-agent")
	i, err := set.Lookup("role").Retrieve(t.Context(), use)
	require.NoError(t, err)
	form := sts.asked[0]
	assert.Equal(t, "sts.eu-west-1.amazonaws.com", sts.hosts[0])
	assert.Equal(t, "AKIABASE", sts.keys[0])
	assert.Equal(t, "0198-agent", form.Get("RoleSessionName"))
	assert.Equal(t, "agent-0198-agent", form.Get("SourceIdentity"))
	assert.JSONEq(t, document, form.Get("Policy"))
	assert.Equal(t, "3600", form.Get("DurationSeconds"))
	tags := map[string]string{}
	for n := 1; form.Has(fmt.Sprintf("Tags.member.%d.Key", n)); n++ {
		tags[form.Get(fmt.Sprintf("Tags.member.%d.Key", n))] = form.Get(fmt.Sprintf("Tags.member.%d.Value", n))
	}
	assert.Equal(t, map[string]string{"agent": "0198-agent", "owner": "person:dana", "policy": "operator"}, tags)
	assert.Equal(t, "agent owner", form.Get("TransitiveTagKeys.member.1")+" "+form.Get("TransitiveTagKeys.member.2"))
	assert.Equal(t, map[string]any{
		"region": "eu-west-1", "access_key_id": "ASIA0001", "payload_mode": "UNSIGNED-PAYLOAD", "packed_policy_size": int64(7),
		"role_arn": "arn:aws:iam::123456789012:role/agents", "session_name": "0198-agent", "source_identity": "agent-0198-agent",
	}, i.Details())
	assert.Len(t, i.Fingerprint(), 64)
	out := use.Request.Clone(t.Context())
	require.NoError(t, i.Apply(out))
	assert.Contains(t, out.Header.Get("Authorization"), "Credential=ASIA0001/")
	assert.Equal(t, canary+"-token-1", out.Header.Get("X-Amz-Security-Token"))
	for _, text := range []string{fmt.Sprintf("%v %+v %#v", i, i, i), fmt.Sprintf("%+v", set.Lookup("role"))} {
		assert.NotContains(t, text, canary)
	}

	_, err = set.Lookup("given").Retrieve(t.Context(), use)
	require.NoError(t, err)
	assert.JSONEq(t, `{"Version":"2012-10-17","Statement":[]}`, sts.asked[1].Get("Policy"))
	assert.Equal(t, "arn:aws:iam::aws:policy/ReadOnlyAccess", sts.asked[1].Get("PolicyArns.member.1.arn"))

	use.For = nil
	_, err = set.Lookup("role").Retrieve(t.Context(), use)
	require.ErrorContains(t, err, "nothing bounds its session")
	use.Request = fromAgent(t, "https://bucket.s3.cn-north-1.amazonaws.com.cn/key", "s3", "cn-north-1")
	_, err = set.Lookup("role").Retrieve(t.Context(), use)
	var refused *sigv4.Refusal
	require.ErrorAs(t, err, &refused, "a session of another partition signs nothing there")
	assert.Equal(t, 2, sts.count())
	use.Request = fromAgent(t, "https://bucket.s3.cn-north-1.amazonaws.com.cn/key", "s3", "cn-north-1")
	use.For = session.Purpose{Document: document}
	_, err = set.Lookup("china").Retrieve(t.Context(), use)
	require.NoError(t, err)
	assert.Equal(t, "sts.cn-north-1.amazonaws.com.cn", sts.hosts[2])
}

func TestWhateverShapesASessionMakesAnother(t *testing.T) {
	t.Parallel()
	set, tokens, sts := roles(t)
	seen := map[string]string{}
	for name, change := range map[string]func(*credentials.Use, *session.Purpose){
		"first":            func(*credentials.Use, *session.Purpose) {},
		"another agent":    func(u *credentials.Use, _ *session.Purpose) { u.Agent = "b" },
		"another owner":    func(_ *credentials.Use, p *session.Purpose) { p.Owner = "team:platform" },
		"another policy":   func(_ *credentials.Use, p *session.Purpose) { p.Policy = "other" },
		"a changed policy": func(_ *credentials.Use, p *session.Purpose) { p.PolicyHash = "2" },
		"other rules":      func(_ *credentials.Use, p *session.Purpose) { p.Document = strings.ReplaceAll(document, "Get", "Put") },
	} {
		use := purpose(t, sts, "a")
		changed := use.For.(session.Purpose)
		change(&use, &changed)
		use.For = changed
		id := key(t, set.Lookup("role"), use)
		assert.NotContains(t, seen, id, name)
		seen[id] = name
		assert.Equal(t, id, key(t, set.Lookup("role"), use), "the same again is kept")
	}
	assert.Equal(t, len(seen), sts.count())
	_, err := tokens.Revoke(t.Context(), "a", sts)
	require.NoError(t, err)
	assert.NotContains(t, seen, key(t, set.Lookup("role"), purpose(t, sts, "a")), "what was revoked is gone")
	other := purpose(t, sts, "b")
	assert.Contains(t, seen, key(t, set.Lookup("role"), other), "and nothing else")
}

func TestChainedSessionsCarryTheirAgent(t *testing.T) {
	t.Parallel()
	set, _, sts := roles(t)
	id := key(t, set.Lookup("second"), purpose(t, sts, "a"))
	require.Equal(t, "ASIA0002", id)
	assert.Equal(t, []string{"sts.eu-west-1.amazonaws.com", "sts.internal"}, sts.hosts)
	assert.Equal(t, []string{"AKIABASE", "ASIA0001"}, sts.keys)
	assert.Contains(t, sts.asked[0].Get("Policy"), `"sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"],"Resource":"arn:aws:iam::999999999999:role/there"`)
	assert.Equal(t, "policy", sts.asked[1].Get("Tags.member.1.Key"), "the others carry over, and must not be set again")
	assert.Empty(t, sts.asked[1].Get("Tags.member.2.Key"))
	assert.Equal(t, "agent-a", sts.asked[1].Get("SourceIdentity"))
}

func TestSessionsAreMintedAnewAtHalfOfTheirLife(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		set, tokens, sts := roles(t)
		sts.life = 40 * time.Minute // less than was asked for: the answer counts
		use := purpose(t, sts, "a")
		require.Equal(t, "ASIA0001", key(t, set.Lookup("role"), use))
		time.Sleep(17 * time.Minute)
		require.Equal(t, "ASIA0001", key(t, set.Lookup("role"), use))
		time.Sleep(8 * time.Minute) // half of its life, and a tenth for the jitter
		require.Equal(t, "ASIA0001", key(t, set.Lookup("role"), use), "the old one serves until the new one is there")
		tokens.Wait()
		require.Equal(t, "ASIA0002", key(t, set.Lookup("role"), use))
		sts.refuse = "<ErrorResponse><Error><Code>Throttling</Code></Error></ErrorResponse>"
		time.Sleep(28 * time.Minute)
		require.Equal(t, "ASIA0002", key(t, set.Lookup("role"), use), "a session that is good is used while STS is not")
		tokens.Wait()
		time.Sleep(12 * time.Minute)
		_, err := set.Lookup("role").Retrieve(t.Context(), use)
		require.Error(t, err, "and not beyond its end")
		tokens.Wait()
	})
}

func TestAnSTSThatHangsHarmsNobodyElse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		set, tokens, sts := roles(t)
		name := "slow"
		sts.hang.Store(&name)
		var group sync.WaitGroup
		began := time.Now()
		for range 5 {
			group.Go(func() {
				_, err := set.Lookup("role").Retrieve(t.Context(), purpose(t, sts, "slow"))
				assert.Error(t, err)
				assert.Equal(t, 10*time.Second, time.Since(began))
			})
		}
		synctest.Wait()
		assert.Equal(t, 1, sts.count(), "one call in flight")
		key(t, set.Lookup("role"), purpose(t, sts, "quick"))
		assert.Equal(t, began, time.Now())
		leaving, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := set.Lookup("role").Retrieve(leaving, purpose(t, sts, "slow"))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		group.Wait()
		tokens.Wait()
	})
}

func TestRefusalsOfSTSSayWhatToDo(t *testing.T) {
	t.Parallel()
	for message, want := range map[string]string{
		"<Code>AccessDenied</Code><Message>User: arn:aws:iam::1:user/u is not authorized to perform: sts:TagSession on resource: arn:aws:iam::123456789012:role/agents</Message>": `add "sts:TagSession" to the Action of the statement in the trust policy of arn:aws:iam::123456789012:role/agents that allows sts:AssumeRole to arn:aws:iam::1:user/u: "Action": ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]`,
		"<Code>AccessDenied</Code><Message>User: arn:aws:iam::1:user/u is not authorized to perform: sts:SetSourceIdentity on resource: r</Message>":                              `add "sts:SetSourceIdentity" to the Action`,
		"<Code>AccessDenied</Code><Message>User: arn:aws:iam::1:user/u is not authorized to perform: sts:AssumeRole on resource: r</Message>":                                     "the trust policy of arn:aws:iam::123456789012:role/agents must allow",
		"<Code>PackedPolicyTooLarge</Code><Message>Packed policy consumes 132% of allotted space</Message>":                                                                       "shorten the agent's aws: rules",
		"<Code>InvalidClientTokenId</Code><Message>The security token included in the request is invalid</Message>":                                                               "the keys that asked are not good",
		"<Code>RegionDisabledException</Code><Message>STS is not activated in this region</Message>":                                                                              "activate STS",
	} {
		set, _, sts := roles(t)
		sts.refuse = "<ErrorResponse><Error><Type>Sender</Type>" + message + "</Error><RequestId>r</RequestId></ErrorResponse>"
		_, err := set.Lookup("role").Retrieve(t.Context(), purpose(t, sts, "a"))
		require.ErrorContains(t, err, want)
		var refused *credentials.RefusedError
		assert.ErrorAs(t, err, &refused, "another try does not help")
		assert.NotContains(t, err.Error(), canary)
	}
	set, _, sts := roles(t)
	sts.refuse = "<ErrorResponse><Error><Type>Sender</Type><Code>Throttling</Code><Message>Rate exceeded</Message></Error></ErrorResponse>"
	_, err := set.Lookup("role").Retrieve(t.Context(), purpose(t, sts, "a"))
	var later interface{ RetryAfter() time.Duration }
	require.ErrorAs(t, err, &later)
}

func TestCheckMintsASessionThatMayDoNothing(t *testing.T) {
	t.Parallel()
	set, _, sts := roles(t)
	i, err := set.Lookup("role").Check(t.Context(), sts)
	require.NoError(t, err)
	assert.Len(t, i.Fingerprint(), 64)
	assert.Contains(t, sts.asked[0].Get("Policy"), `"Effect":"Deny","Action":["*"]`)
	_, err = set.Lookup("role").Check(t.Context(), nil)
	require.ErrorContains(t, err, "running server")
}

// TestCheckAsksWhoseKeysTheseAre, where they may go to the one that knows.
func TestCheckAsksWhoseKeysTheseAre(t *testing.T) {
	t.Parallel()
	set, _, sts := roles(t)
	_, err := set.Lookup("keys").Check(t.Context(), sts)
	require.NoError(t, err)
	require.Equal(t, 1, sts.count())
	assert.Equal(t, "GetCallerIdentity", sts.asked[0].Get("Action"))
	assert.Equal(t, "sts.eu-west-1.amazonaws.com AKIABASE", sts.hosts[0]+" "+sts.keys[0])
	sts.refuse = "<ErrorResponse><Error><Type>Sender</Type><Code>InvalidClientTokenId</Code><Message>The security token is invalid</Message></Error></ErrorResponse>"
	_, err = set.Lookup("keys").Check(t.Context(), sts)
	require.ErrorContains(t, err, "InvalidClientTokenId")
	store := parse(t, "credentials:\n  store: {kind: aws_keys, access_key_id: minio, secret: {env: KEY}, region: us-east-1, hosts: [minio.internal]}\n", options(t, "KEY", canary))
	_, err = store.Lookup("store").Check(t.Context(), sts)
	require.NoError(t, err)
	assert.Equal(t, 2, sts.count(), "keys of a store go nowhere else")
}

// TestTheDefaultChainDialsNothingByItself: what it asks goes by the transport given, and
// the metadata service is asked only if that is configured.
func TestTheDefaultChainDialsNothingByItself(t *testing.T) {
	for _, name := range []string{"AWS_PROFILE", "AWS_CA_BUNDLE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_SESSION_TOKEN"} {
		t.Setenv(name, "")
	}
	t.Setenv("HOME", t.TempDir())
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1")
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIACHAIN")
	t.Setenv("AWS_SECRET_ACCESS_KEY", canary)
	const file = "credentials:\n  role: {kind: aws_role, role_arn: \"arn:aws:iam::123456789012:role/agents\", region: eu-west-1}\n"
	sts := &fakeSTS{now: time.Now, life: time.Hour}
	key(t, parse(t, file, options(t)).Lookup("role"), purpose(t, sts, "a"))
	assert.Equal(t, []string{"AKIACHAIN"}, sts.keys)

	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	_, err := parse(t, file, options(t)).Lookup("role").Retrieve(t.Context(), purpose(t, sts, "a"))
	require.ErrorContains(t, err, "AWS's default chain has no keys")
	t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:9/creds")
	_, err = parse(t, file, options(t)).Lookup("role").Retrieve(t.Context(), purpose(t, sts, "a"))
	require.ErrorContains(t, err, "set metadata: true")
	assert.Equal(t, 1, sts.count())
}
