// Package glob compares texts with patterns in which a star is any run of characters, and
// patterns with one another.
//
// It promises that no pattern makes a comparison long: its time is bounded by the product of
// the lengths.
package glob

import "strings"

// Match reports whether the pattern means the text, in time linear in the text for each star.
func Match(pattern, text string) bool {
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

// Meet reports whether some text matches both patterns.
func Meet(a, b string) bool {
	isStar := func(c rune) bool { return c == '*' }
	same := func(x, y rune) bool { return x == y }
	return Intersect([]rune(a), []rune(b), isStar, same)
}

// Intersect reports whether some sequence matches both patterns, in which a wild element
// matches any number of elements and others those that they meet.
func Intersect[T any](a, b []T, wild func(T) bool, meet func(T, T) bool) bool {
	// reach[j] says whether a[:i] and b[:j] can end at the same place.
	reach := make([]bool, len(b)+1)
	next := make([]bool, len(b)+1)
	for i := 0; i <= len(a); i++ {
		for j := range next {
			next[j] = i == 0 && j == 0 ||
				j > 0 && next[j-1] && (wild(b[j-1]) || i > 0 && wild(a[i-1])) ||
				i > 0 && reach[j] && (wild(a[i-1]) || j > 0 && wild(b[j-1])) ||
				i > 0 && j > 0 && reach[j-1] && meet(a[i-1], b[j-1])
		}
		reach, next = next, reach
	}
	return reach[len(b)]
}

// MeetAny reports whether some of a meets some of b, where none means all.
func MeetAny[T any](a, b []T, meet func(a, b T) bool) bool {
	for _, x := range a {
		for _, y := range b {
			if meet(x, y) {
				return true
			}
		}
	}
	return len(a) == 0 || len(b) == 0
}
