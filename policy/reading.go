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

// What separates readings in Path.lenient: no path can hold a backslash.
const readingSeparator = `\`

// What readings take.
const (
	onlyMerged     = "slashes are merged"
	onlyDecoded    = "slashes are merged or decoded"
	onlyLast       = "a slash at its end is left out"
	onlyParameters = "what follows a ; in a segment is left out"
	onlyTails      = "dots and spaces at the end of a segment are left out"
	onlyOuter      = "slashes at the ends of a segment, encoded or not, are left out"
)

// readingsOf returns how lenient servers may read a decoded path, without what it says by
// itself: empty for nearly every path.
//
// Servers merge slashes and decode them, or merge them and keep those that are encoded;
// leave out a slash at the end, and what follows a semicolon, before or after they decode;
// and file systems leave out dots and spaces at the end of a name. Who denies a path means
// all of these, and who allows it none.
func readingsOf(text string) []reading {
	if isPlain(text) {
		return nil
	}
	var all readings
	if strings.IndexByte(text, encodedSlash) >= 0 {
		all.addWays(text, mergeSent, onlyMerged)
		all.addWays(withoutOuter(text), mergeSent, onlyOuter)
	}
	all.addWays(text, mergeSlashes, onlyDecoded)
	return all
}

type readings []reading

func (all *readings) add(text, only string) string {
	text = withoutLastSlash(text)
	if !slices.ContainsFunc(*all, func(r reading) bool { return r.text == text }) {
		*all = append(*all, reading{text, only})
	}
	return text
}

// addWays adds the readings of a server that merges slashes in one way.
func (all *readings) addWays(text string, merge func(string) string, only string) {
	merged := merge(text)
	if only != onlyOuter && (merged == text || merged == withoutLastSlash(text)) {
		only = onlyLast
	}
	merged = all.add(merged, only)
	ways := []string{merged}
	if strings.Contains(text, ";") {
		ways = append(ways, all.add(merge(withoutParameters(text)), onlyParameters), all.add(merge(withoutParameters(merged)), onlyParameters))
	}
	for _, way := range ways {
		all.add(merge(withoutTails(way)), onlyTails)
	}
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

// mergeSent makes runs of slashes one, and keeps those that are encoded.
func mergeSent(text string) string {
	for strings.Contains(text, "//") {
		text = strings.ReplaceAll(text, "//", "/")
	}
	return text
}

// withoutOuter leaves out encoded slashes at the ends of each segment.
func withoutOuter(text string) string {
	return eachSegment(text, func(s string) string { return strings.Trim(s, string(rune(encodedSlash))) })
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
		if p.matchReading(p.folded(text), path) {
			return true
		}
	}
	return false
}

// matchReading compares one reading. Where both pattern and path have encoded slashes, they
// may be decoded in both.
func (p *pathPattern) matchReading(text string, path Path) bool {
	return p.loosened().matchText(text) ||
		p.decoded != nil && strings.IndexByte(path.text, encodedSlash) >= 0 && p.decoded.matchText(text)
}

// explainReading says what it takes to read the path as one that the pattern means.
func (p *pathPattern) explainReading(path Path) string {
	for _, r := range readingsOf(path.text) {
		if p.matchReading(p.folded(r.text), path) {
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

// loosen compiles what lenient readings are compared with, where it is another pattern.
func (p *pathPattern) loosen() {
	p.loose = p.withSegments(p.segments)
	var decoded []segment
	for _, s := range p.segments {
		decoded = append(decoded, s.decoded()...)
	}
	if len(decoded) != len(p.segments) {
		p.decoded = &pathPattern{raw: p.raw, segments: decoded, fold: p.fold}
		if shorter := p.withSegments(decoded); shorter != nil {
			p.decoded = shorter
		}
	}
}

// withSegments is a pattern of the segments that are not empty; nil if none is.
func (p *pathPattern) withSegments(segments []segment) *pathPattern {
	empty := func(s segment) bool { return !s.deep && len(s.parts) == 1 && s.parts[0] == "" }
	kept := slices.DeleteFunc(slices.Clone(segments), empty)
	if len(kept) == len(segments) {
		return nil
	}
	if len(kept) == 0 {
		kept = []segment{{parts: []string{""}}} // the root
	}
	return &pathPattern{raw: p.raw, segments: kept, fold: p.fold}
}

// decoded is what becomes of the segment when its encoded slashes part segments.
func (s segment) decoded() []segment {
	if s.deep {
		return []segment{s}
	}
	all := []segment{{}}
	for _, part := range s.parts {
		for i, piece := range strings.Split(part, string(rune(encodedSlash))) {
			if i > 0 {
				all = append(all, segment{})
			}
			last := &all[len(all)-1]
			last.parts = append(last.parts, piece)
		}
	}
	return all
}
