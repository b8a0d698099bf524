package main

import (
	"fmt"
	"slices"
	"strings"
)

const (
	// diffContext lines are shown around what changed.
	diffContext = 3
	// maxDiffCells bounds the work for two texts; where they have more in common than
	// their edges, it is told as removed and added whole.
	maxDiffCells = 16 << 20
)

// diffLines tells in unified form how one text becomes another; "" for the same.
func diffLines(from, to string) string {
	a, b := slices.Collect(strings.Lines(from)), slices.Collect(strings.Lines(to))
	edits := editsOf(a, b)
	var out strings.Builder
	for i := 0; i < len(edits); {
		if edits[i][0] == ' ' {
			i++
			continue
		}
		// A hunk goes on until so many lines are alike that another's context begins.
		begin, end, alike := max(0, i-diffContext), i, 0
		for ; end < len(edits) && alike <= 2*diffContext; end++ {
			if alike++; edits[end][0] != ' ' {
				alike = 0
			}
		}
		end -= max(0, alike-diffContext)
		writeHunk(&out, edits, begin, end)
		i = end
	}
	return out.String()
}

func writeHunk(out *strings.Builder, edits []string, begin, end int) {
	count := func(list []string, but byte) (n int) {
		for _, e := range list {
			if e[0] != but {
				n++
			}
		}
		return n
	}
	n, m := count(edits[begin:end], '+'), count(edits[begin:end], '-')
	at := func(before, n int) int { // the number of the first line; where a side has no line, of the line before (POSIX diff -u)
		if n == 0 {
			return before
		}
		return before + 1
	}
	fmt.Fprintf(out, "@@ -%d,%d +%d,%d @@\n", at(count(edits[:begin], '+'), n), n, at(count(edits[:begin], '-'), m), m)
	for _, e := range edits[begin:end] {
		out.WriteString(strings.TrimSuffix(e, "\n") + "\n")
	}
}

// editsOf are the lines of both, each after a space, or after the sign of its own side.
func editsOf(a, b []string) []string {
	head := 0
	for head < min(len(a), len(b)) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < min(len(a), len(b))-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	edits := signed(' ', a[:head])
	edits = append(edits, middleEdits(a[head:len(a)-tail], b[head:len(b)-tail])...)
	return append(edits, signed(' ', a[len(a)-tail:])...)
}

func signed(sign byte, lines []string) []string {
	list := make([]string, len(lines))
	for i, line := range lines {
		list[i] = string(sign) + line
	}
	return list
}

// middleEdits are the edits between two texts that differ in their first and last lines. It keeps the
// longest common sequence of lines.
func middleEdits(a, b []string) (edits []string) {
	if len(a)*len(b) > maxDiffCells {
		return append(signed('-', a), signed('+', b)...)
	}
	width := len(b) + 1
	common := make([]int32, (len(a)+1)*width)
	for i, left := range slices.Backward(a) {
		for j, right := range slices.Backward(b) {
			if left == right {
				common[i*width+j] = common[(i+1)*width+j+1] + 1
			} else {
				common[i*width+j] = max(common[(i+1)*width+j], common[i*width+j+1])
			}
		}
	}
	i, j := 0, 0
	for i < len(a) && j < len(b) {
		switch {
		case a[i] == b[j]:
			edits = append(edits, " "+a[i])
			i, j = i+1, j+1
		case common[(i+1)*width+j] >= common[i*width+j+1]:
			edits = append(edits, "-"+a[i])
			i++
		default:
			edits = append(edits, "+"+b[j])
			j++
		}
	}
	edits = append(edits, signed('-', a[i:])...)
	return append(edits, signed('+', b[j:])...)
}
