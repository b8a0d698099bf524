package policy

import (
	"slices"
	"strings"
)

// reading is a path as some server takes it that is more lenient than others.
type reading struct {
	text string
	only string // what that takes: "slashes are merged or decoded"
}

// What separates readings in Path.lenient: they hold no slash that is still encoded.
const readingSeparator = string(rune(encodedSlash))

// readingsOf returns how lenient servers may read a decoded path, without what it says by
// itself: empty for nearly every path.
//
// Servers merge slashes and decode them; leave out a slash at the end, and what follows a
// semicolon, before or after they decode; and file systems leave out dots and spaces at
// the end of a name. Who denies a path means all of these, and who allows it none.
func readingsOf(text string) []reading {
	if isPlain(text) {
		return nil
	}
	var all []reading
	add := func(text, only string) string {
		text = withoutLastSlash(text)
		if !slices.ContainsFunc(all, func(r reading) bool { return r.text == text }) {
			all = append(all, reading{text, only})
		}
		return text
	}
	const parameters = "what follows a ; in a segment is left out"
	merged := add(mergeSlashes(text), "slashes are merged or decoded")
	if merged == text || merged == withoutLastSlash(text) {
		all[0].only = "a slash at its end is left out"
	}
	ways := []string{merged}
	if strings.Contains(text, ";") {
		ways = append(ways, add(mergeSlashes(withoutParameters(text)), parameters), add(mergeSlashes(withoutParameters(merged)), parameters))
	}
	for _, way := range ways {
		add(mergeSlashes(withoutTails(way)), "dots and spaces at the end of a segment are left out")
	}
	return all
}

// isPlain reports whether every server reads the path alike, as far as is known here.
func isPlain(text string) bool {
	for i := range len(text) {
		switch text[i] {
		case encodedSlash, ';':
			return false
		case '/':
			if i > 0 && isTail(text[i-1]) || i > 0 && (i == len(text)-1 || text[i-1] == '/') {
				return false
			}
		}
	}
	return text == "" || !isTail(text[len(text)-1])
}

func isTail(c byte) bool { return c == '.' || c == ' ' }

// mergeSlashes returns text with encoded slashes decoded and runs of slashes
// made one.
func mergeSlashes(text string) string {
	if !strings.Contains(text, "//") && strings.IndexByte(text, encodedSlash) < 0 {
		return text
	}
	out := make([]byte, 0, len(text))
	for i := range len(text) {
		if !isSlash(text[i]) {
			out = append(out, text[i])
		} else if len(out) == 0 || out[len(out)-1] != '/' {
			out = append(out, '/')
		}
	}
	return string(out)
}

func withoutLastSlash(text string) string {
	if len(text) > 1 {
		return strings.TrimSuffix(text, "/")
	}
	return text
}

// withoutParameters leaves out, in each segment, what follows a semicolon.
func withoutParameters(text string) string {
	return eachSegment(text, func(s string) string {
		s, _, _ = strings.Cut(s, ";")
		return s
	})
}

// withoutTails leaves out dots and spaces at the end of each segment.
func withoutTails(text string) string {
	return eachSegment(text, func(s string) string { return strings.TrimRight(s, ". ") })
}

func eachSegment(text string, change func(string) string) string {
	segments := strings.Split(text, "/")
	for i := range segments {
		segments[i] = change(segments[i])
	}
	return strings.Join(segments, "/")
}

// matchLeniently reports whether a lenient server may read the path as one that the
// pattern means, and what that takes.
func (p *pathPattern) matchLeniently(path Path) bool {
	loose := p.loosened()
	if path.lenient == "" {
		return loose != p && loose.matchText(p.folded(path.text))
	}
	for text := range strings.SplitSeq(path.lenient, readingSeparator) {
		if loose.matchText(p.folded(text)) {
			return true
		}
	}
	return false
}

// explainReading says what it takes to read the path as one that the pattern means.
func (p *pathPattern) explainReading(path Path) string {
	for _, r := range readingsOf(path.text) {
		if p.loosened().matchText(p.folded(r.text)) {
			return r.only
		}
	}
	return "a slash at the end counts for nothing"
}

// loosened is the pattern without its own empty segments.
func (p *pathPattern) loosened() *pathPattern {
	if p.loose != nil {
		return p.loose
	}
	return p
}

// loosen compiles the pattern without its empty segments, if it has some.
func (p *pathPattern) loosen() {
	empty := func(s segment) bool { return !s.deep && len(s.parts) == 1 && s.parts[0] == "" }
	kept := slices.DeleteFunc(slices.Clone(p.segments), empty)
	if len(kept) == len(p.segments) {
		return
	}
	if len(kept) == 0 {
		kept = p.segments[:1] // the root
	}
	p.loose = &pathPattern{raw: p.raw, segments: kept, fold: p.fold}
}
