package config

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"sallyport/internal/host"
	"sallyport/services"
)

// S3Place is a bucket, best one with object lock.
type S3Place struct {
	Address    string // of the bucket: https, with a slash at the end
	Region     string
	Prefix     string
	Credential string
	Lock       string // COMPLIANCE or GOVERNANCE; "" leaves it to the bucket
	Retain     time.Duration
	line       int
}

// leastRetained is the shortest time to lock a checkpoint for: a shorter one is most likely a
// typing mistake, and would protect nothing.
const leastRetained = 24 * time.Hour

func (c *Config) parseS3(v value) *S3Place {
	s := &S3Place{line: v.Line}
	var bucket, endpoint string
	v.fields(map[string]func(value){
		"bucket":   func(v value) { bucket = v.matching(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`, "the name of a bucket") },
		"region":   func(v value) { s.Region = v.matching(`^[A-Za-z0-9-]{1,64}$`, "a region, such as eu-west-1") },
		"endpoint": func(v value) { endpoint = v.address() },
		"prefix": func(v value) {
			s.Prefix = v.matching(`^[A-Za-z0-9][A-Za-z0-9_./-]{0,255}$`, "a prefix of letters, digits, and _ . / -")
		},
		"credential": func(v value) { s.Credential, _ = v.Written() },
		"lock": func(v value) {
			s.Lock = strings.ToUpper(v.matching(`^(compliance|governance)$`, "compliance or governance"))
		},
		"retain": func(v value) { s.Retain = v.duration(leastRetained, "8760h") },
	})
	if bucket == "" || s.Region == "" || s.Credential == "" {
		v.Fail("needs bucket, region and credential")
	}
	if (s.Lock == "") != (s.Retain == 0) {
		v.Fail("lock and retain go together; without both, the bucket's own default holds")
	}
	if strings.Contains("/"+s.Prefix+"/", "/../") || strings.Contains("/"+s.Prefix+"/", "/./") {
		v.Fail("prefix has a dot segment")
	}
	s.Address = bucketAddress(bucket, s.Region, endpoint)
	return s
}

// bucketAddress names the bucket in the host at AWS, and in the path elsewhere,
// or where a certificate would not cover its dots.
func bucketAddress(bucket, region, endpoint string) string {
	suffix := "amazonaws.com"
	if strings.HasPrefix(region, "cn-") {
		suffix += ".cn"
	}
	switch {
	case endpoint != "":
		return strings.TrimSuffix(endpoint, "/") + "/" + bucket + "/"
	case strings.Contains(bucket, "."):
		return fmt.Sprintf("https://s3.%s.%s/%s/", region, suffix, bucket)
	}
	return fmt.Sprintf("https://%s.s3.%s.%s/", bucket, region, suffix)
}

func (v value) matching(pattern, what string) string {
	s, ok := v.Written()
	if ok && !regexp.MustCompile(pattern).MatchString(s) {
		v.Fail("%q is not %s", s, what)
	}
	return s
}

func (v value) duration(least time.Duration, example string) time.Duration {
	s, ok := v.Written()
	if !ok {
		return 0
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < least {
		v.Fail("%q is not a time of at least %s; write for example %s", s, least, example)
	}
	return d
}

// checkPlaces finds a place whose credential does not exist, does not sign, or
// must not go there.
func (set *Set) checkPlaces(file string) error {
	for i, p := range set.Config.Publish {
		if p.S3 == nil || p.S3.Address == "" {
			continue
		}
		problem := &fileError{File: file, Line: p.S3.line, Key: fmt.Sprintf("audit.publish[%d].s3.credential", i)}
		c := set.Credentials.Lookup(p.S3.Credential)
		at, err := url.Parse(p.S3.Address)
		if err != nil {
			continue // named where it is parsed
		}
		bucket, err := host.ParsePattern(at.Host)
		if err != nil {
			return &fileError{File: file, Line: p.S3.line, Key: problem.Key, Msg: err.Error()}
		}
		switch {
		case c == nil:
			problem.Msg = fmt.Sprintf("credentials.yaml has no credential %q", p.S3.Credential)
		case !c.Signs():
			problem.Msg = fmt.Sprintf("credential %q is of kind %s, which signs nothing", p.S3.Credential, c.Kind())
			problem.Hint = "name one of kind " + set.signingKinds()
		case !c.Covers(bucket):
			problem.Msg = fmt.Sprintf("credential %q must not go to %s (it is bound to %s)", p.S3.Credential, at.Host, patterns(c.Hosts()))
			problem.Hint = "add the host to the credential's hosts"
		default:
			continue
		}
		return problem
	}
	return nil
}

// signingKinds are the kinds whose credentials sign.
func (set *Set) signingKinds() string {
	var names []string
	for _, kind := range services.Kinds(set.Services) {
		if kind.Signs {
			names = append(names, kind.Name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, " or ")
}
