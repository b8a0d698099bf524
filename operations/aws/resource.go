package aws

import (
	"errors"
	"fmt"
	"strings"
)

// Resource is a pattern of ARNs as IAM's policies have them: a star is any run of
// characters, also slashes and colons, a question mark is one. It is immutable.
type Resource struct {
	text  string
	parts [6]string // arn, partition, service, region, account, resource
}

// ParseResource reads "arn:aws:s3:::bucket/*" or "*".
func ParseResource(s string) (Resource, error) {
	if s == "*" {
		return Resource{text: s}, nil
	}
	parts := strings.SplitN(s, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" || parts[5] == "" || parts[2] == "" {
		return Resource{}, fmt.Errorf("resource %q: write an ARN as arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE, with stars where any will do", s)
	}
	if strings.ContainsAny(parts[2], "*?") {
		return Resource{}, errors.New("resource " + s + ": name the service")
	}
	return Resource{text: s, parts: [6]string(parts)}, nil
}

func (r Resource) String() string { return r.text }

// Service is the service that the pattern names, empty for "*".
func (r Resource) Service() string { return r.parts[2] }

// Matches reports whether the pattern takes in the ARN. A request that says no account
// means the caller's, so that the pattern's own counts for nothing then.
func (r Resource) Matches(arn string) bool {
	if r.text == "*" {
		return true
	}
	parts := strings.SplitN(arn, ":", 6)
	if r.text == "" || len(parts) != 6 {
		return false
	}
	for i, part := range parts {
		if i == 4 && part == "" {
			continue
		}
		if strings.HasSuffix(part, "*") && !strings.HasSuffix(r.parts[i], "*") || !wildcard(r.parts[i], part) {
			return false
		}
	}
	return true
}

// wildcard compares with "*" and "?", in time linear in the text for each star. A star in
// the text is that of a listing: only a star takes it in.
func wildcard(pattern, text string) bool {
	star, from := -1, 0
	p, t := 0, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, from = p, t
			p++
		case p < len(pattern) && (pattern[p] == text[t] || pattern[p] == '?' && text[t] != '*'):
			p++
			t++
		case star >= 0:
			from++
			p, t = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
