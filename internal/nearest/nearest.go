// Package nearest finds the known word that somebody may have meant. It promises
// nothing more than a guess, which only an error's hint may use.
package nearest

import "strings"

// longest bounds the work for a word that is no slip.
const longest = 100

// Word is the known word with the fewest edits to word, stars left out of the
// count; "" if nothing is known.
func Word(word string, known []string) string {
	best, _ := find(word, known)
	return best
}

// Slip is the nearest known word if word could be a slip of it: a third of its
// letters are wrong at most.
func Slip(word string, known []string) (string, bool) {
	best, distance := find(word, known)
	return best, best != "" && len(word) <= longest && distance <= max(1, len(word)/3)
}

func find(word string, known []string) (best string, distance int) {
	bare := strings.ReplaceAll(word, "*", "")
	bare = bare[:min(len(bare), longest)]
	distance = len(word) + 1000
	for _, name := range known {
		if d := Edits(bare, name); d < distance {
			best, distance = name, d
		}
	}
	return best, distance
}

// Edits is the number of bytes that are wrong, missing, too many, or exchanged with
// their neighbour (the optimal string alignment distance).
func Edits(a, b string) int {
	before, above, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, above, row = above, row, before
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(above[j-1]+cost, above[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
}
