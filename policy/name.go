package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"sallyport/internal/yamldoc"
)

const maxNamePattern = 1024

// repoPattern matches "owner/name", in lower case; a star is any run of
// characters of one of the two.
type repoPattern struct{ owner, name string }

func parseRepoPattern(s string) (repoPattern, error) {
	owner, name, found := strings.Cut(strings.ToLower(s), "/")
	switch {
	case s == "*":
		return repoPattern{"*", "*"}, nil
	case !found || owner == "" || name == "" || strings.Contains(name, "/"):
		return repoPattern{}, fmt.Errorf("%s is not a repository; write OWNER/NAME, as in acme/web or acme/*", yamldoc.Quote(s))
	case len(s) > maxNamePattern:
		return repoPattern{}, errors.New("is too long for the name of a repository")
	case strings.ContainsFunc(owner+name, func(c rune) bool { return !isRepoRune(c) && c != '*' }):
		return repoPattern{}, fmt.Errorf("%s holds a character that no repository has in its name", yamldoc.Quote(s))
	case strings.HasSuffix(name, ".git"):
		return repoPattern{}, fmt.Errorf("%s: leave .git out; it is the same repository", s)
	}
	return repoPattern{owner, name}, nil
}

func isRepoRune(c rune) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.'
}

func (p repoPattern) matches(repo string) bool {
	owner, name, _ := strings.Cut(repo, "/")
	return glob(p.owner, owner) && glob(p.name, name)
}

func (p repoPattern) exact() bool { return !strings.Contains(p.owner+p.name, "*") }

func (p repoPattern) String() string { return p.owner + "/" + p.name }

// owners lists the accounts that patterns name, without those that are patterns too.
func owners(patterns []repoPattern) (names []string) {
	for _, p := range patterns {
		if !strings.Contains(p.owner, "*") && !slices.Contains(names, p.owner) {
			names = append(names, p.owner)
		}
	}
	return names
}

// bounding reports whether a token can be narrowed to just the repositories: each
// by its name, or all of one account, and all of the same.
func bounding(patterns []repoPattern) bool {
	for _, p := range patterns {
		all := p.name == "*" && len(patterns) == 1
		if strings.Contains(p.owner, "*") || !p.exact() && !all || p.owner != patterns[0].owner {
			return false
		}
	}
	return len(patterns) > 0
}

// refPattern matches the full name of a ref, segment by segment: * is a run
// within one, ** any number of them, and at least one at the end.
type refPattern struct {
	raw      string
	segments []string
}

func parseRefPattern(s string) (refPattern, error) {
	p := refPattern{raw: s, segments: strings.Split(s, "/")}
	switch {
	case p.segments[0] != "refs" && !strings.HasPrefix(s, "**"):
		return p, fmt.Errorf("%s is not the full name of a ref; write %s", yamldoc.Quote(s), fullRef(s))
	case len(s) > maxNamePattern:
		return p, errors.New("is too long for the name of a ref")
	case strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c == 0x7f || strings.ContainsRune(`?[]\:^~{}`, c) }):
		return p, fmt.Errorf("%s holds a character that no ref has in its name; only * and ** are patterns", yamldoc.Quote(s))
	}
	for _, segment := range p.segments {
		switch {
		case segment == "":
			return p, fmt.Errorf("%s has an empty part between slashes", s)
		case segment[0] == '.' || strings.Contains(segment, "..") || strings.HasSuffix(segment, ".lock"):
			return p, fmt.Errorf("%s: no ref has a part like %s (git-check-ref-format)", s, segment)
		case segment != "**" && strings.Contains(segment, "**"):
			return p, fmt.Errorf("%s: ** stands alone between slashes, as in refs/heads/agent/**", s)
		}
	}
	return p, nil
}

// fullRef is the ref that a short name most likely means.
func fullRef(short string) string {
	short = strings.TrimPrefix(short, "/")
	if strings.HasPrefix(short, "heads/") || strings.HasPrefix(short, "tags/") {
		return "refs/" + short
	}
	return "refs/heads/" + short
}

func (p refPattern) String() string { return p.raw }

// matches goes back to the last ** only, so that its time is bounded by the
// product of the lengths.
func (p refPattern) matches(ref string) bool {
	pattern, retry, rest := p.segments, []string(nil), ""
	for {
		switch {
		case len(pattern) > 0 && pattern[0] == "**":
			if len(pattern) == 1 {
				return ref != ""
			}
			pattern, retry, rest = pattern[1:], pattern[1:], ref
			continue
		case ref == "" && len(pattern) == 0:
			return true
		case ref != "" && len(pattern) > 0:
			segment, after, _ := strings.Cut(ref, "/")
			if glob(pattern[0], segment) {
				pattern, ref = pattern[1:], after
				continue
			}
		}
		if retry == nil || rest == "" {
			return false
		}
		_, rest, _ = strings.Cut(rest, "/")
		pattern, ref = retry, rest
	}
}

// glob compares with stars, in time linear in the text for each star.
func glob(pattern, text string) bool {
	head, rest, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == text
	}
	text, found := strings.CutPrefix(text, head)
	for found {
		part, after, more := strings.Cut(rest, "*")
		if !more {
			return strings.HasSuffix(text, part)
		}
		_, text, found = strings.Cut(text, part)
		rest = after
	}
	return false
}
