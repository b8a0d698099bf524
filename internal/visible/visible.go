// Package visible tells which characters a reader can see for what they are. What an
// agent sends is shown in terminals and read by people, and a character that looks like
// a space, like nothing, or that moves its neighbours lets one thing look like another.
//
// It never changes a text; who prints one does.
package visible

import "unicode"

// Hides reports whether r drives a terminal, reorders what is beside it (the
// bidirectional characters of CVE-2021-42574), has no width, or is a blank other than
// U+0020, which reads as the end of a word or of a column.
func Hides(r rune) bool {
	if r >= ' ' && r <= '~' {
		return false
	}
	switch r {
	case '\u2800', // a braille pattern of no dots
		'\uffa0', '\u3164', '\u115f', '\u1160', // fillers of Hangul, which are letters
		'\ufffc', '\U0001d159', // the place of an object; a note without a head
		unicode.ReplacementChar: // what was no UTF-8
		return true
	}
	// What is graphic and no blank: neither control, format, surrogate, private use nor
	// unassigned characters are.
	return !unicode.IsGraphic(r) || unicode.In(r, unicode.Zs, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}
