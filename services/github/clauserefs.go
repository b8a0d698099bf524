package github

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"sallyport/internal/glob"
	"sallyport/internal/yamldoc"
	"sallyport/policy"
	"sallyport/services/github/api"
)

// pushClause is what a rule says of pushes: to which refs, and what becomes of them. Where it
// lists none, it means any.
type pushClause struct {
	refs    []refPattern
	updates []string
}

func readPushes(n *yamldoc.Node) pushClause {
	p := pushClause{refs: policy.ReadPatterns(n.Field("refs"), "write refs: [refs/heads/agent/**]", parseRefPattern)}
	for _, f := range n.Field("updates").Words("write updates: [create, update]") {
		if !slices.Contains([]api.Update{api.Create, api.Change, api.Delete}, api.Update(f.Text)) {
			f.Fail("must be create, update or delete")
		}
		p.updates = append(p.updates, f.Text)
	}
	return p
}

func (p *pushClause) isAny() bool { return len(p.refs)+len(p.updates) == 0 }

func (p *pushClause) match(f *facts) bool { return p.matchUpdate(f.Update) && p.matchRef(f.Ref) }

func (p *pushClause) matchUpdate(update string) bool {
	return len(p.updates) == 0 || slices.Contains(p.updates, update)
}

func (p *pushClause) matchRef(ref string) bool {
	for i := range p.refs {
		if p.refs[i].matches(ref) {
			return true
		}
	}
	return len(p.refs) == 0
}

// meet reports whether two rules have an update of a ref in common.
func (p *pushClause) meet(o *pushClause) bool {
	same := func(a, b string) bool { return a == b }
	return glob.MeetAny(p.updates, o.updates, same) && glob.MeetAny(p.refs, o.refs, refPattern.meets)
}

// why says why a push is not one of them.
func (p *pushClause) why(f *facts) string {
	if !p.matchUpdate(f.Update) {
		return fmt.Sprintf("updates [%s] do not include %s", strings.Join(p.updates, ", "), f.Update)
	}
	return fmt.Sprintf("refs [%s] do not match %s", policy.Listed(p.refs), f.Ref)
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
func (p *refPattern) matches(ref string) bool {
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
			if glob.Match(pattern[0], segment) {
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

// meets reports whether both match some ref.
func (p refPattern) meets(o refPattern) bool {
	return glob.Intersect(p.segments, o.segments, func(s string) bool { return s == "**" }, glob.Meet)
}
