package api

import (
	"fmt"
	"slices"
	"strings"

	"sallyport/internal/nearest"
)

// Pattern matches operations: "s3/PutObject", "s3/Get*", or "*" for every one. A star
// is any run of characters but a slash. It is immutable; the zero value matches nothing.
type Pattern struct {
	text          string
	service, name string
}

// ParsePattern reads a pattern and checks that it matches at least one operation. The
// service may be called as botocore's clients call it. Its error names the nearest one.
func ParsePattern(s string) (Pattern, error) {
	if s == "*" {
		return Pattern{text: s, service: "*", name: "*"}, nil
	}
	service, name, found := strings.Cut(s, "/")
	if !found || name == "" || strings.Contains(name, "/") {
		return Pattern{}, fmt.Errorf("operation pattern %q: want SERVICE/OPERATION, as in s3/GetObject; * stands for any run of characters", s)
	}
	names := serviceNames(service)
	switch {
	case service == "*":
		names = []string{"*"}
	case len(names) == 0:
		_, err := ParseService(service)
		return Pattern{}, fmt.Errorf("operation pattern %q: %w", s, err)
	case len(names) > 1:
		return Pattern{}, fmt.Errorf("operation pattern %q: %s may be %s; write which", s, service, strings.Join(names, " or "))
	}
	t := operationsTable()
	known := t.byPrefix[names[0]]
	if service == "*" {
		known = t.services
	}
	best, distance := "", 1<<30
	for _, one := range known {
		for _, alias := range one.aliases {
			if alias[0] == name {
				name = alias[1]
			}
		}
		for operation := range one.load().operations {
			if glob(name, operation) {
				return Pattern{text: names[0] + "/" + name, service: names[0], name: name}, nil
			}
			if d := nearest.Edits(strings.ReplaceAll(name, "*", ""), operation); d < distance || d == distance && operation < best {
				best, distance = operation, d
			}
		}
	}
	if service == "*" {
		return Pattern{}, fmt.Errorf("operation pattern %q matches no operation of any service; did you mean %q", s, "*/"+best)
	}
	return Pattern{}, fmt.Errorf("operation pattern %q matches no operation of %s; did you mean %q", s, names[0], names[0]+"/"+best)
}

// bounds says why a rule about these patterns (about every operation, if there are none) cannot
// be bounded by resources: no request tells the resource of an operation that is named exactly,
// or of any that a pattern means.
func bounds(patterns []Pattern) error {
	for _, p := range patterns {
		if !slices.ContainsFunc(p.Operations(), HasResources) {
			return fmt.Errorf("the resource of %s cannot be told from a request; leave resources out, or name other operations", p)
		}
	}
	return nil
}

// ParseResourceOf is ParseResource for a rule about operations of these patterns: a
// resource that none of them can touch is an error.
func ParseResourceOf(s string, patterns []Pattern) (Resource, error) {
	r, err := ParseResource(s)
	if err != nil {
		return r, err
	}
	if err := bounds(patterns); err != nil {
		return r, err
	}
	var services []string
	for _, p := range patterns {
		if p.service == "*" {
			return r, nil
		}
		services = append(services, arnServices(p.service)...)
	}
	if r.Service() == "" || len(services) == 0 || slices.Contains(services, r.Service()) {
		return r, nil
	}
	return r, fmt.Errorf("resource %q is of %s, and the rule is about %s", s, r.Service(), strings.Join(slices.Compact(services), ", "))
}

// arnServices are the names by which ARNs call what a service's operations touch.
func arnServices(prefix string) []string {
	switch prefix {
	case "sts":
		return []string{"iam", "sts"}
	case "s3":
		return []string{"s3", "s3-object-lambda"}
	case "bedrock", "bedrock-runtime":
		return []string{"bedrock", "sagemaker"}
	}
	return []string{SigningName(prefix + "/")}
}

func (p Pattern) String() string { return p.text }

// Exact reports whether the pattern is one name, without a star.
func (p Pattern) Exact() bool { return p.text != "" && !strings.Contains(p.text, "*") }

// Matches reports whether the pattern names the operation.
func (p Pattern) Matches(operation string) bool {
	service, name, found := strings.Cut(operation, "/")
	return found && p.text != "" && glob(p.service, service) && glob(p.name, name)
}

// Catches is Matches: an operation has one name.
func (p Pattern) Catches(operation string) bool { return p.Matches(operation) }

// Operations lists what the pattern names, sorted; a rule's resources must be known for
// all of it.
func (p Pattern) Operations() []string {
	var names []string
	for _, s := range operationsTable().services {
		if !glob(p.service, s.prefix) {
			continue
		}
		for name := range s.load().operations {
			if glob(p.name, name) {
				names = append(names, s.prefix+"/"+name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// glob compares with stars, in time linear in the text for each star.
func glob(pattern, text string) bool {
	head, rest, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == text
	}
	text, found := strings.CutPrefix(text, head)
	if !found {
		return false
	}
	for {
		part, after, more := strings.Cut(rest, "*")
		if !more {
			return strings.HasSuffix(text, part)
		}
		i := strings.Index(text, part)
		if i < 0 {
			return false
		}
		text, rest = text[i+len(part):], after
	}
}
