package session

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"
	smithymiddleware "github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"sallyport/audit"
	"sallyport/credentials"
)

// secrets are keys as they are: what STS is asked with, and what it answers.
type secrets struct {
	id            string
	secret, token func() string // closures, for the reason that credentials.Secret has one
	expires       time.Time     // zero for keys that do not
}

func newSecrets(id, secret, token string, expires time.Time) *secrets {
	return &secrets{id: id, secret: func() string { return secret }, token: func() string { return token }, expires: expires}
}

// clean takes the keys out of what a server says: of a signature that it does not take, STS
// says what it was sent.
func (k *secrets) clean(text string) string {
	return credentials.MintedTraits(k.secret(), k.secret(), k.token()).Clean(text)
}

func (k *secrets) provider() sdk.CredentialsProvider {
	return sdk.CredentialsProviderFunc(func(context.Context) (sdk.Credentials, error) {
		return sdk.Credentials{AccessKeyID: k.id, SecretAccessKey: k.secret(), SessionToken: k.token()}, nil
	})
}

// roleRequest is what a session is asked for by.
type roleRequest struct {
	arn, name, sourceIdentity string
	tags                      []roleTag
	duration                  time.Duration
	policy                    string
	policyARNs                []string
}

type roleTag struct {
	key, value string
	transitive bool
}

// roleAnswer is a session.
type roleAnswer struct {
	*secrets
	packed *int32 // PackedPolicySize in percent; nil from servers that do not tell
}

// stsClient asks the STS of a region, or the endpoint given, by nothing but via.
func stsClient(keys *secrets, endpoint, region string, via http.RoundTripper) *sts.Client {
	return sts.New(sts.Options{
		BaseEndpoint: &endpoint, Region: region, Credentials: keys.provider(), HTTPClient: throughOnly(via),
		// A second try corrects the clock by what the first was answered.
		Retryer: retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts, o.MaxBackoff = 2, 500*time.Millisecond }),
	})
}

// throughOnly is a client that follows no redirect and reads no variable.
func throughOnly(via http.RoundTripper) *http.Client {
	return &http.Client{Transport: via, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// assumeRole asks for a session.
func assumeRole(ctx context.Context, c *sts.Client, keys *secrets, r roleRequest) (*roleAnswer, error) {
	in := &sts.AssumeRoleInput{RoleArn: &r.arn, RoleSessionName: &r.name, DurationSeconds: sdk.Int32(int32(r.duration / time.Second))}
	if r.sourceIdentity != "" {
		in.SourceIdentity = &r.sourceIdentity
	}
	if r.policy != "" {
		in.Policy = &r.policy
	}
	for _, arn := range r.policyARNs {
		in.PolicyArns = append(in.PolicyArns, types.PolicyDescriptorType{Arn: &arn})
	}
	for _, tag := range r.tags {
		in.Tags = append(in.Tags, types.Tag{Key: &tag.key, Value: &tag.value})
		if tag.transitive {
			in.TransitiveTagKeys = append(in.TransitiveTagKeys, tag.key)
		}
	}
	call := credentials.Call{Operation: "aws:sts/AssumeRole", Resource: r.arn, Describe: func(status int, body []byte) map[string]any { return describeSession(r, status, body) }}
	out, err := c.AssumeRole(call.In(ctx), in)
	if err != nil {
		return nil, explainSTS(err, r.arn, keys)
	}
	got := out.Credentials
	if got == nil || got.AccessKeyId == nil || got.SecretAccessKey == nil || got.SessionToken == nil || got.Expiration == nil {
		return nil, errors.New("STS answered without a session")
	}
	packed := out.PackedPolicySize //nolint:staticcheck // what replaces it is not yet told by every STS
	return &roleAnswer{newSecrets(*got.AccessKeyId, *got.SecretAccessKey, *got.SessionToken, *got.Expiration), packed}, nil
}

// callerIdentity asks AWS whose keys these are.
func callerIdentity(ctx context.Context, c *sts.Client, keys *secrets) error {
	call := credentials.Call{Operation: "aws:sts/GetCallerIdentity"}
	_, err := c.GetCallerIdentity(call.In(ctx), &sts.GetCallerIdentityInput{})
	return explainSTS(err, "", keys)
}

// sessionAnswer is what the row of a mint tells of the answer.
type sessionAnswer struct {
	AccessKeyID string `xml:"AssumeRoleResult>Credentials>AccessKeyId"`
	Expiration  string `xml:"AssumeRoleResult>Credentials>Expiration"`
	Assumed     string `xml:"AssumeRoleResult>AssumedRoleUser>Arn"`
	Packed      int64  `xml:"AssumeRoleResult>PackedPolicySize"`
	Error       string `xml:"Error>Code"`
}

// packedWarning is the percentage of STS's limit from which on the row of a mint warns.
const packedWarning = 80

func describeSession(r roleRequest, _ int, body []byte) map[string]any {
	details := map[string]any{"role_arn": r.arn, audit.DetailSession: r.name, audit.DetailSource: r.sourceIdentity, "duration_s": int64(r.duration / time.Second)}
	var answer sessionAnswer
	if xml.Unmarshal(body, &answer) != nil {
		return details
	}
	for key, value := range map[string]string{
		audit.DetailKey: answer.AccessKeyID, "expires_at": answer.Expiration, "assumed_role": answer.Assumed, "sts_error": answer.Error,
	} {
		if value = credentials.Told(value); value != "" {
			details[key] = value
		}
	}
	if answer.Packed > 0 {
		details["packed_policy_size"] = answer.Packed
	}
	if answer.Packed >= packedWarning {
		details["warning"] = fmt.Sprintf("session policy and tags take %d%% of what STS allows; shorten the rules, or give the credential policy_arns", answer.Packed)
	}
	return details
}

// explainSTS says what a failure most likely means, and what to do about it.
func explainSTS(err error, role string, keys *secrets) error {
	var api smithy.APIError
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &api):
		return credentials.Reworded(err, credentials.Told(keys.clean(err.Error())))
	}
	code, message := credentials.Told(keys.clean(api.ErrorCode())), credentials.Told(keys.clean(api.ErrorMessage()))
	text := fmt.Sprintf("STS: %s: %s", code, message)
	switch code {
	case "Throttling", "ThrottlingException", "RequestLimitExceeded":
		return &credentials.LimitedError{After: 2 * time.Second, Err: errors.New(text)}
	case "AccessDenied", "AccessDeniedException":
		text += "; " + missingTrust(message, role)
	case "PackedPolicyTooLarge":
		text += "; shorten the agent's aws: rules for this credential, or give it policy_arns"
	case "RegionDisabledException":
		text += "; activate STS in that region for the account, or change region"
	case "InvalidClientTokenId", "SignatureDoesNotMatch", "ExpiredToken", "ExpiredTokenException", "UnrecognizedClientException":
		text += "; the keys that asked are not good: check them and this machine's clock"
	}
	if api.ErrorFault() == smithy.FaultServer {
		return errors.New(text)
	}
	return &credentials.RefusedError{Err: errors.New(text)}
}

// missingTrust says what to add to the role's trust policy. STS names the action that it
// refused, and by whom.
func missingTrust(message, role string) string {
	const all = `["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]`
	principal := "the base credential's own ARN"
	if _, rest, ok := strings.Cut(message, "User: "); ok {
		principal, _, _ = strings.Cut(rest, " ")
	}
	for _, action := range []string{"sts:TagSession", "sts:SetSourceIdentity"} {
		if strings.Contains(message, action) {
			return fmt.Sprintf("add %q to the Action of the statement in the trust policy of %s that allows sts:AssumeRole to %s: \"Action\": %s", action, role, principal, all)
		}
	}
	return fmt.Sprintf("the trust policy of %s must allow %s to %s, and that identity's own policies must allow it to call them", role, all, principal)
}

// defaultChain finds keys as AWS's SDKs do: variables, shared files, a web identity. What
// it asks over https goes by via; the metadata service of the machine or the container
// is asked only if that is configured, directly.
func defaultChain(ctx context.Context, region string, metadata bool, via http.RoundTripper) (*secrets, error) {
	state := imds.ClientDisabled
	if metadata {
		state = imds.ClientEnabled
	}
	client := throughOnly(&chainTransport{via: via, metadata: metadata})
	c, err := config.LoadDefaultConfig(ctx,
		config.WithRegion(region), config.WithDefaultsMode(sdk.DefaultsModeStandard), config.WithEC2IMDSClientEnableState(state),
		config.WithHTTPClient(dialsNothing()), config.WithAPIOptions([]func(*smithymiddleware.Stack) error{insteadOfClient(client)}),
		config.WithEndpointCredentialOptions(func(o *endpointcreds.Options) { o.HTTPClient = client }), // which looks at no other
	)
	if err != nil {
		return nil, fmt.Errorf("read AWS's default configuration: %w", err)
	}
	got, err := c.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, fmt.Errorf("AWS's default chain has no keys: %w", err)
	}
	keys := newSecrets(got.AccessKeyID, got.SecretAccessKey, got.SessionToken, time.Time{})
	if got.CanExpire {
		keys.expires = got.Expires
	}
	return keys, nil
}

// insteadOfClient has a client of the SDK send its requests by another than its own. The SDK
// takes no other where AWS_CA_BUNDLE is set, or ca_bundle in a shared file: it wants to add
// those roots itself. Here upstream.roots says whom to trust, so they are read and not used.
func insteadOfClient(client *http.Client) func(*smithymiddleware.Stack) error {
	handler := smithyhttp.NewClientHandlerWithOptions(client)
	send := func(ctx context.Context, in smithymiddleware.DeserializeInput, _ smithymiddleware.DeserializeHandler) (smithymiddleware.DeserializeOutput, smithymiddleware.Metadata, error) {
		response, metadata, err := handler.Handle(ctx, in.Request)
		return smithymiddleware.DeserializeOutput{RawResponse: response}, metadata, err
	}
	return func(stack *smithymiddleware.Stack) error {
		return stack.Deserialize.Add(smithymiddleware.DeserializeMiddlewareFunc("InsteadOfClient", send), smithymiddleware.After)
	}
}

// dialsNothing is the client that the SDK may add roots to, and that nothing is sent by.
func dialsNothing() *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.Proxy = nil
		t.DialContext = func(context.Context, string, string) (net.Conn, error) {
			return nil, errors.New("the default chain dials nothing by itself")
		}
	})
}

// chainTransport carries what the default chain asks.
type chainTransport struct {
	via      http.RoundTripper
	metadata bool
}

func (t *chainTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme == "https" {
		var call credentials.Call
		prefixes := map[string]string{"STS": "sts", "SSO": "portal.sso", "SSO OIDC": "oidc", "Signin": "signin"}
		if prefix := prefixes[middleware.GetServiceID(r.Context())]; prefix != "" {
			call.Operation = "aws:" + prefix + "/" + middleware.GetOperationName(r.Context())
		}
		return t.via.RoundTrip(r.WithContext(call.In(r.Context())))
	}
	if !t.metadata || !isMetadata(r.URL.Hostname()) {
		return nil, fmt.Errorf("the default chain must not ask http://%s; set metadata: true if it is the metadata service of this machine or container", r.URL.Host)
	}
	direct := &http.Transport{DialContext: (&net.Dialer{Timeout: time.Second}).DialContext, DisableKeepAlives: true}
	return direct.RoundTrip(r)
}

// isMetadata reports whether a host is where machines and containers find their own
// credentials: EC2, ECS, EKS, and loopback for an agent of the same kind.
func isMetadata(name string) bool {
	return slices.Contains([]string{"169.254.169.254", "fd00:ec2::254", "169.254.170.2", "169.254.170.23", "fd00:ec2::23", "127.0.0.1", "::1", "localhost"}, name)
}
