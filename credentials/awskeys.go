package credentials

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"regexp"
	"sync/atomic"
	"time"

	"sallyport/credentials/sigv4"
	"sallyport/internal/host"
)

// awsKeys are fixed keys: for stores that speak S3, and for AWS where nothing better
// can be had.
type awsKeys struct {
	aws
	accessKeyID   string
	secret, token source // token is nil for keys that are not a session's
	region        string // "": any that the host serves

	current atomic.Pointer[signingKeys] // of the last readings
}

var (
	accessKeyID = regexp.MustCompile(`^[A-Za-z0-9+=,.@_-]+$`)
	awsRegion   = regexp.MustCompile(`^[A-Za-z0-9-]+$`)
)

func decodeAWSKeys(s *Section, c *Credential) {
	k := &awsKeys{aws: s.aws(c)}
	k.secret = s.source("secret")
	if s.Has("session_token") {
		k.token = s.source("session_token")
	}
	var ok bool
	if k.accessKeyID, ok = s.Text("access_key_id", "AKIAIOSFODNN7EXAMPLE"); ok && !accessKeyID.MatchString(k.accessKeyID) {
		s.Wrong("access_key_id", "is not the id of an access key; the secret belongs in secret")
	}
	c.hosts = s.Hosts()
	if s.Has("region") {
		if k.region, ok = s.Text("region", "eu-west-1"); ok && !awsRegion.MatchString(k.region) {
			s.Wrong("region", "is not the name of a region; write region: eu-west-1")
		}
	} else if !allOfAWS(c) {
		s.Missing(`key "region" is missing, and the hosts do not tell it; write the region that clients of this store use, such as region: us-east-1`)
	}
	s.awsAccounts(&k.aws)
	k.options.Agree = k.agree
	c.maker = k
}

// allOfAWS reports whether every host is one of AWS's, whose names tell their region.
func allOfAWS(c *Credential) bool {
	for _, p := range c.hosts {
		name, exact := p.Exact()
		below, _ := p.Below()
		if exact && !sigv4.IsAWS(name.String()) || !exact && !sigv4.IsAWS("any."+below.String()) {
			return false
		}
	}
	return true
}

// agree is the table of hosts: AWS's own for AWS's hosts. What else the keys are bound
// to is a store that speaks S3, in the one region that the file names.
func (k *awsKeys) agree(host, service, region string) error {
	if k.region != "" && region != k.region {
		return &sigv4.Refusal{Reason: sigv4.HostMismatch, Detail: fmt.Sprintf("the request is signed for region %s, but credential %s is for %s; set the client's region", region, k.name, k.region)}
	}
	if sigv4.IsAWS(host) {
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

// raw returns the keys as they are, to ask STS with.
func (k *awsKeys) raw(ctx context.Context) (*awsSecrets, error) {
	secret, err := k.secret.read(ctx)
	if err != nil {
		return nil, err
	}
	token := ""
	if k.token != nil {
		read, err := k.token.read(ctx)
		if err != nil {
			return nil, fmt.Errorf("session_token: %w", err)
		}
		token = string(read.secret.bytes())
	}
	return newAWSSecrets(k.accessKeyID, string(secret.secret.bytes()), token, time.Time{}), nil
}

func (k *awsKeys) Retrieve(ctx context.Context, use Use) (*Injection, error) {
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

// check finds out whether the keys can be read and, where they are for AWS, whether it
// takes them: it is asked whose they are.
func (k *awsKeys) Check(ctx context.Context, via http.RoundTripper) (*Injection, error) {
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
	return &Injection{name: k.name, fingerprint: keys.fingerprint}, nil
}

// identityEndpoint is the STS that knows whose the keys are, if they are bound to it.
func (k *awsKeys) identityEndpoint() (endpoint, region string, ok bool) {
	region = cmp.Or(k.region, "us-east-1")
	endpoint, known := sigv4.EndpointOf(sigv4.Partition(region), "sts", region)
	p, err := host.ParsePattern(endpoint)
	return endpoint, region, known && err == nil && k.Covers(p)
}

// keys returns the keys as their sources give them now.
func (k *awsKeys) keys(ctx context.Context) (*signingKeys, error) {
	secret, err := k.secret.read(ctx)
	if err != nil {
		return nil, err
	}
	token := &reading{}
	if k.token != nil {
		if token, err = k.token.read(ctx); err != nil {
			return nil, fmt.Errorf("session_token: %w", err)
		}
	}
	if current := k.current.Load(); current != nil && current.secret == secret && (k.token == nil || current.token == token) {
		return current, nil
	}
	fresh, err := k.signWith(k.accessKeyID, string(secret.secret.bytes()), string(token.secret.bytes()))
	if err != nil {
		return nil, err
	}
	fresh.secret, fresh.token = secret, token
	k.current.Store(fresh)
	return fresh, nil
}
