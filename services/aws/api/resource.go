package api

import (
	"errors"
	"fmt"
	"slices"
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

// Matches reports whether the pattern covers the ARN. An ARN without an account is about the
// caller's own account, and the pattern's account is not compared then. A star at the end of
// the ARN is a listing's, and only a star covers it.
func (r Resource) Matches(arn string) bool {
	if r.text == "*" {
		return true
	}
	parts, ok := cutARN(arn)
	if r.text == "" || !ok {
		return false
	}
	if r.matches(parts) {
		return true
	}
	if group, ok := strings.CutPrefix(parts[5], "log-group:"); ok && parts[2] == "logs" {
		// A group's ARN is written with ":*" by some, and without it by others.
		group = strings.TrimSuffix(group, ":*")
		if !strings.Contains(group, ":") {
			bare, starred := parts, parts
			bare[5], starred[5] = "log-group:"+group, "log-group:"+group+":*"
			return r.matches(bare) || r.matches(starred)
		}
	}
	return false
}

func (r Resource) matches(parts [6]string) bool {
	for i, part := range parts {
		if i == 4 && part == "" {
			continue
		}
		if strings.HasSuffix(part, "*") && !strings.HasSuffix(r.parts[i], "*") || !wildcard(r.parts[i], part, 0) {
			return false
		}
	}
	return true
}

func cutARN(arn string) (parts [6]string, ok bool) {
	for i := range 5 {
		if parts[i], arn, ok = strings.Cut(arn, ":"); !ok {
			return parts, false
		}
	}
	parts[5] = arn
	return parts, true
}

// wildcard compares with "*" and "?", in time linear in the text for each star. The last
// characters of the text, as many as free says, may be any.
func wildcard(pattern, text string, free int) bool {
	star, from := -1, 0
	p, t := 0, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, from = p, t
			p++
		case p < len(pattern) && (pattern[p] == text[t] || t >= len(text)-free || pattern[p] == '?' && !(text[t] == '*' && t == len(text)-1)):
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

// Touches reports whether some of what arn names lies in the pattern: a listing names
// all that begins alike, and one thing may have several names.
func (r Resource) Touches(arn string) bool {
	if r.Matches(arn) || arn == "*" {
		return true
	}
	parts, ok := cutARN(arn)
	if r.text == "" || !ok {
		return false
	}
	if start, listing := strings.CutSuffix(parts[5], "*"); listing {
		n := namedBy{parts: parts, open: true}
		if n.parts[5] = start; r.touches(n) {
			return true
		}
	}
	return slices.ContainsFunc(otherNames(parts), r.touches) || r.throughAlias(parts)
}

// Meets reports whether some ARN lies in both patterns. The account of one that has
// none may be any.
func (r Resource) Meets(other string) bool {
	parts := strings.SplitN(other, ":", 6)
	if r.text == "*" || other == "*" {
		return true
	}
	if r.text == "" || len(parts) != 6 {
		return false
	}
	for i, part := range parts {
		anyAccount := i == 4 && (part == "" || r.parts[i] == "")
		if !anyAccount && !meet(r.parts[i], part) {
			return false
		}
	}
	return true
}

// meet reports whether some text matches both patterns.
func meet(a, b string) bool {
	// reach[j] says whether a[:i] and b[:j] can end at the same place.
	reach, next := make([]bool, len(b)+1), make([]bool, len(b)+1)
	for i := 0; i <= len(a); i++ {
		for j := 0; j <= len(b); j++ {
			starA, starB := i > 0 && a[i-1] == '*', j > 0 && b[j-1] == '*'
			next[j] = i == 0 && j == 0 ||
				j > 0 && next[j-1] && (starA || starB) ||
				i > 0 && reach[j] && (starA || starB) ||
				i > 0 && j > 0 && reach[j-1] && (a[i-1] == b[j-1] || a[i-1] == '?' || b[j-1] == '?')
		}
		reach, next = next, reach
	}
	return reach[len(b)]
}
