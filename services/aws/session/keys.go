package session

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"regexp"
	"sync/atomic"
	"time"

	"sallyport/credentials"
	"sallyport/internal/host"
	"sallyport/services/aws/sigv4"
)

// fixed are fixed keys: for stores that speak S3, and for AWS where nothing better
// can be had.
type fixed struct {
	signing
	accessKeyID   string
	secret, token credentials.Source // token gives none for keys that are not a session's
	region        string             // "": any that the host serves

	current atomic.Pointer[signingKeys] // of the last readings
}

var (
	accessKeyID = regexp.MustCompile(`^[A-Za-z0-9+=,.@_-]+$`)
	regionName  = regexp.MustCompile(`^[A-Za-z0-9-]+$`)
)

func decodeKeys(s *credentials.Section, c *credentials.Credential) {
	k := &fixed{signing: newSigning(s, c)}
	k.secret = s.Source("secret")
	if s.Has("session_token") {
		k.token = s.Source("session_token")
	}
	var ok bool
	if k.accessKeyID, ok = s.Text("access_key_id", "AKIAIOSFODNN7EXAMPLE"); ok && !accessKeyID.MatchString(k.accessKeyID) {
		s.Wrong("access_key_id", "is not the id of an access key; the secret belongs in secret")
	}
	c.Made(k, s.Hosts())
	if s.Has("region") {
		if k.region, ok = s.Text("region", "eu-west-1"); ok && !regionName.MatchString(k.region) {
			s.Wrong("region", "is not the name of a region; write region: eu-west-1")
		}
	} else if !allOfAWS(c) {
		s.Missing(`key "region" is missing, and the hosts do not tell it; write the region that clients of this store use, such as region: us-east-1`)
	}
	k.readServices(s)
	k.readAccounts(s)
	k.options.Agree = k.agree
}

// Region implements [credentials.Regional].
func (k *fixed) Region() string { return k.region }

// allOfAWS reports whether every host is one of AWS's, whose names tell their region.
func allOfAWS(c *credentials.Credential) bool {
	for _, p := range c.Hosts() {
		name, exact := p.Exact()
		below, _ := p.Below()
		if exact && !sigv4.IsAWS(name.String()) || !exact && !sigv4.IsAWS("any."+below.String()) {
			return false
		}
	}
	return true
}

// agree is the table of hosts: AWS's own for AWS's hosts. What else the keys are bound
// to is a store that speaks S3, in the one region that the file names. That region is no
// bound where AWS has but one for the whole world, and SDKs sign for that.
func (k *fixed) agree(host, service, region string) error {
	if k.region != "" && region != k.region && !sigv4.IsGlobal(host) {
		hint := "set the client's region"
		if sigv4.IsAWS(host) {
			hint += ", or leave region out of the credential: AWS's hosts tell theirs"
		}
		return &sigv4.Refusal{Reason: sigv4.HostMismatch, Detail: fmt.Sprintf("the request is signed for region %s, but credential %s is for %s; %s", region, k.credential.Name(), k.region, hint)}
	}
	agreed, err := k.agreeServed(host, service, region)
	switch {
	case sigv4.AWS(host, service, region) == nil: // what the table has goes before what the file says
		return nil
	case err != nil || agreed:
		return err
	case sigv4.IsAWS(host):
		return sigv4.AWS(host, service, region)
	}
	return agreeStore(host, service)
}

func agreeStore(host, service string) error {
	if service != "s3" {
		return &sigv4.Refusal{Reason: sigv4.HostMismatch, Detail: fmt.Sprintf("the request is signed for %s, but %s is a store that speaks S3", service, host)}
	}
	return nil
}

// read returns secret and token as their sources give them now. The token is nil for keys
// that are not a session's.
func (k *fixed) read(ctx context.Context) (secret, token *credentials.Reading, err error) {
	if secret, err = k.secret.Read(ctx); err != nil {
		return nil, nil, err
	}
	if k.token.IsZero() {
		return secret, nil, nil
	}
	if token, err = k.token.Read(ctx); err != nil {
		return nil, nil, fmt.Errorf("session_token: %w", err)
	}
	return secret, token, nil
}

// raw returns the keys as they are, to ask STS with.
func (k *fixed) raw(ctx context.Context) (*secrets, error) {
	secret, token, err := k.read(ctx)
	if err != nil {
		return nil, err
	}
	return newSecrets(k.accessKeyID, text(secret), text(token), time.Time{}), nil
}

// text is the text of a reading, "" of none.
func text(r *credentials.Reading) string {
	if r == nil {
		return ""
	}
	return string(r.Reveal())
}

// Retrieve implements [credentials.Maker].
func (k *fixed) Retrieve(ctx context.Context, use credentials.Use) (*credentials.Injection, error) {
	in, err := k.claim(use)
	if err != nil {
		return nil, err
	}
	keys, err := k.keys(ctx)
	if err != nil {
		return nil, err
	}
	return k.injection(keys, in, nil), nil
}

// Check implements [credentials.Maker]: it finds out whether the keys can be read and, where they are for AWS, whether it
// takes them: it is asked whose they are.
func (k *fixed) Check(ctx context.Context, via http.RoundTripper) (*credentials.Injection, error) {
	keys, err := k.keys(ctx)
	if err != nil {
		return nil, err
	}
	if endpoint, region, ok := k.identityEndpoint(); ok && via != nil {
		raw, err := k.raw(ctx)
		if err != nil {
			return nil, err
		}
		if err := callerIdentity(ctx, stsClient(raw, "https://"+endpoint, region, via), raw); err != nil {
			return nil, err
		}
	}
	return k.credential.Assemble(credentials.Parts{Traits: keys.traits}), nil
}

// identityEndpoint is the STS that knows whose the keys are, if they are bound to it.
func (k *fixed) identityEndpoint() (endpoint, region string, ok bool) {
	region = cmp.Or(k.region, "us-east-1")
	endpoint, known := sigv4.EndpointOf(sigv4.Partition(region), "sts", region)
	p, err := host.ParsePattern(endpoint)
	return endpoint, region, known && err == nil && k.credential.Covers(p)
}

// keys returns the keys as their sources give them now, ready to sign.
func (k *fixed) keys(ctx context.Context) (*signingKeys, error) {
	secret, token, err := k.read(ctx)
	if err != nil {
		return nil, err
	}
	if current := k.current.Load(); current != nil && current.secret == secret && current.token == token {
		return current, nil
	}
	fresh, err := k.ready(k.accessKeyID, text(secret), text(token), k.credential.Traits(text(secret), text(secret), text(token)))
	if err != nil {
		return nil, err
	}
	fresh.secret, fresh.token = secret, token
	k.current.Store(fresh)
	return fresh, nil
}
