package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode"
	"unicode/utf8"

	"sallyport/internal/visible"
)

// writeJSON prints one value for scripts. HTML escaping is off: the reader is
// a program, and paths hold ampersands.
func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// jsonArray prints an array of any length without holding it, one element a line.
type jsonArray struct {
	w   *bufio.Writer
	any bool
}

func newJSONArray(w io.Writer) *jsonArray { return &jsonArray{w: bufio.NewWriter(w)} }

func (j *jsonArray) add(element []byte) error {
	separator := ",\n"
	if !j.any {
		separator, j.any = "[\n", true
	}
	_, _ = j.w.WriteString(separator) // the writer keeps its error for the next call
	_, err := j.w.Write(element)
	return err
}

func (j *jsonArray) end() error {
	closing := "\n]\n"
	if !j.any {
		closing = "[]\n"
	}
	_, _ = j.w.WriteString(closing)
	return j.w.Flush()
}

// Widths in characters. A longer cell of a table is shortened, so that one that an agent
// chose does not push the others out of sight; the last cell of a row pushes nothing.
const (
	cellWidth    = 96
	lastWidth    = 400
	payloadWidth = 1000 // of an event in a list
)

// table prints rows for people, columns aligned, every cell escaped and shortened.
func table(w io.Writer, header []string, rows [][]string) error {
	return writeTable(w, header, rows, func(cells []string) []string {
		shown := make([]string, len(cells))
		for i, c := range cells {
			shown[i] = shortened(c, cellWidth)
			if i == len(cells)-1 {
				shown[i] = shortened(c, lastWidth)
			}
		}
		return shown
	})
}

// wholeTable is table with every cell whole.
func wholeTable(w io.Writer, header []string, rows [][]string) error {
	return writeTable(w, header, rows, func(cells []string) []string {
		shown := make([]string, len(cells))
		for i, c := range cells {
			shown[i] = cell(c)
		}
		return shown
	})
}

func writeTable(w io.Writer, header []string, rows [][]string, show func([]string) []string) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	writeRow(tw, header)
	for _, row := range rows {
		writeRow(tw, show(row))
	}
	return tw.Flush()
}

// fields prints name and value pairs, one a line, each whole.
func fields(w io.Writer, pairs ...string) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i := 0; i+1 < len(pairs); i += 2 {
		writeRow(tw, []string{pairs[i] + ":", printable(pairs[i+1])})
	}
	return tw.Flush()
}

// counted is a number and what it counts.
func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

// writeLines prints lines for people. A report that could not be printed is no report.
func writeLines(w io.Writer, lines []string) error {
	for _, line := range lines {
		if _, err := fmt.Fprintln(w, printable(line)); err != nil {
			return err
		}
	}
	return nil
}

// writeRow leaves the last cell unpadded, so that no line ends in spaces. The
// error of the underlying writer comes back from Flush.
func writeRow(w io.Writer, cells []string) {
	for i, c := range cells {
		if c == "" {
			cells[i] = "-"
		}
	}
	_, _ = fmt.Fprintln(w, strings.Join(cells, "\t"))
}

// cell is s as a part of a line whose parts two spaces keep apart, which it does not
// hold itself.
func cell(s string) string { return strings.Join(pieces(s), "") }

// shortened is a cell of at most width characters, by the beginning and the end of s and
// between them how many characters it has and the first digits of its SHA-256: two that
// differ in the middle only look different.
func shortened(s string, width int) string {
	all := pieces(s)
	if take(all, width) == len(all) {
		return strings.Join(all, "")
	}
	sum := sha256.Sum256([]byte(s))
	middle := fmt.Sprintf("…[%d:%x]…", len(all), sum[:4])
	begin, end := take(all, width/2), take(reversed(all), (width-len(middle))/2)
	return strings.Join(all[:begin], "") + middle + strings.Join(all[len(all)-end:], "")
}

// take is how many of the pieces fit into width characters.
func take(all []string, width int) int {
	for i, p := range all {
		if width -= utf8.RuneCountInString(p); width < 0 {
			return i
		}
	}
	return len(all)
}

func reversed(all []string) []string {
	other := slices.Clone(all)
	slices.Reverse(other)
	return other
}

// maxMarks are the marks that a letter may carry: more of them are drawn over what is
// around.
const maxMarks = 3

// pieces are the characters of s as a cell shows them. A space beside another, or at an
// edge, would look like the end of the cell; a mark that stands on nothing would stand on
// what is before it.
func pieces(s string) []string {
	all := make([]string, 0, len(s))
	marks, space := maxMarks, true
	for i, r := range s {
		switch {
		case r == ' ' && (space || i == len(s)-1):
			all = append(all, `\x20`)
		case unicode.In(r, unicode.Mn, unicode.Me, unicode.Mc) && marks >= maxMarks:
			all = append(all, escape(r))
		default:
			_, n := utf8.DecodeRuneInString(s[i:])
			all = append(all, printable(s[i:i+n]))
		}
		space = r == ' '
		if marks++; !unicode.In(r, unicode.Mn, unicode.Me, unicode.Mc) {
			marks = 0
		}
	}
	return all
}

// printable escapes what a reader would not see, or would take for something else: agents
// choose paths, names and reasons, and people read them in a terminal.
func printable(s string) string {
	if !strings.ContainsFunc(s, visible.Hides) {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == unicode.ReplacementChar && !strings.HasPrefix(s[i:], string(unicode.ReplacementChar)):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case visible.Hides(r):
			b.WriteString(escape(r))
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func escape(r rune) string {
	q := strconv.QuoteRuneToASCII(r)
	return q[1 : len(q)-1]
}
