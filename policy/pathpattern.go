package policy

import (
	"errors"
	"fmt"
	"strings"
)

const maxPathPattern = 4096

// pathPattern is a compiled path pattern. Matching remembers at most one place
// to go back to on each level, so that its time is bounded by the product of the
// lengths of pattern and path, whatever the pattern.
type pathPattern struct {
	raw      string
	segments []segment
	fold     bool         // case does not matter
	loose    *pathPattern // without empty segments; nil if it has none
	decoded  *pathPattern // with its encoded slashes decoded; nil if it has none
}

// segment matches one segment of a path, or any number of them.
type segment struct {
	deep bool // **
	// parts are the texts between the stars, decoded: "a*b" is ["a","b"], a
	// segment without stars has one part.
	parts []string
}

func parsePathPattern(s string, fold bool) (*pathPattern, error) {
	if s[0] != '/' {
		return nil, errors.New("the path does not begin with /")
	}
	if len(s) > maxPathPattern {
		return nil, fmt.Errorf("the path is longer than %d bytes", maxPathPattern)
	}
	if strings.ContainsRune(s, '?') {
		return nil, errors.New("the path has a ?; write what follows it under query, as in query: {state: [open]}")
	}
	// The same checks as for the path of a request: a pattern with a dot segment
	// could never match.
	if _, err := ParsePath(s); err != nil {
		return nil, err
	}
	p := &pathPattern{raw: s, fold: fold}
	for text := range strings.SplitSeq(s[1:], "/") {
		seg, err := parseSegment(text)
		if err != nil {
			return nil, err
		}
		for i := range seg.parts {
			seg.parts[i] = p.folded(seg.parts[i])
		}
		p.segments = append(p.segments, seg)
	}
	p.loosen()
	return p, nil
}

func parseSegment(s string) (segment, error) {
	if s == "**" {
		return segment{deep: true}, nil
	}
	if strings.Contains(s, "**") {
		return segment{}, fmt.Errorf("%q: ** stands alone between slashes, as in /v1/**; use * inside a segment", s)
	}
	parts := strings.Split(s, "*") // before decoding: %2A is a star that means itself
	for i := range parts {
		var err error
		if parts[i], err = decodePath(parts[i]); err != nil {
			return segment{}, err
		}
	}
	return segment{parts: parts}, nil
}

func (p *pathPattern) String() string { return p.raw }

// folded is a text in the case in which it is compared.
func (p *pathPattern) folded(text string) string {
	if p.fold {
		return strings.ToLower(text)
	}
	return text
}

// match is certain about the path as it was sent, and in doubt about the path as
// a lenient server reads it.
func (p *pathPattern) match(path Path) Verdict {
	switch {
	case p.matchText(p.folded(path.text)):
		return Matched
	case path.text != "" && p.matchLeniently(path):
		return Doubtful
	}
	return Mismatch
}

// matchText walks pattern and path once, going back only to the last "**".
func (p *pathPattern) matchText(text string) bool {
	if text == "" {
		return false // the zero Path
	}
	i, pos := 0, 1 // next segment of the pattern; start of the next segment of the path
	deep, retry := -1, 0
	for pos <= len(text) {
		if i < len(p.segments) && p.segments[i].deep {
			if i == len(p.segments)-1 {
				return true
			}
			deep, retry = i, pos
			i++
			continue
		}
		end := segmentEnd(text, pos)
		if i < len(p.segments) && p.segments[i].match(text[pos:end]) {
			i, pos = i+1, end+1
			continue
		}
		if deep < 0 {
			return false
		}
		retry = segmentEnd(text, retry) + 1
		i, pos = deep+1, retry
	}
	for i < len(p.segments) && p.segments[i].deep {
		i++
	}
	return i == len(p.segments)
}

func segmentEnd(text string, from int) int {
	if i := strings.IndexByte(text[from:], '/'); i >= 0 {
		return from + i
	}
	return len(text)
}

// match compares one decoded segment. A lone "*" is one segment and so not an
// empty one: servers that merge slashes would see no segment there.
func (s segment) match(text string) bool {
	first, last := s.parts[0], s.parts[len(s.parts)-1]
	if len(s.parts) == 1 {
		return text == first
	}
	if s.isStar() {
		return text != ""
	}
	if len(text) < len(first)+len(last) || !strings.HasPrefix(text, first) || !strings.HasSuffix(text, last) {
		return false
	}
	text = text[len(first) : len(text)-len(last)]
	// The leftmost place for each part leaves the most room for the rest.
	for _, part := range s.parts[1 : len(s.parts)-1] {
		i := strings.Index(text, part)
		if i < 0 {
			return false
		}
		text = text[i+len(part):]
	}
	return true
}

func (s segment) isStar() bool {
	return len(s.parts) == 2 && s.parts[0] == "" && s.parts[1] == ""
}
