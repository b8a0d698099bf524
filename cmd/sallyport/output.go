package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode"
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

// table prints rows for people, columns aligned, every cell escaped.
func table(w io.Writer, header []string, rows [][]string) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	writeRow(tw, header)
	for _, row := range rows {
		writeRow(tw, row)
	}
	return tw.Flush()
}

// fields prints name and value pairs, one a line.
func fields(w io.Writer, pairs ...string) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i := 0; i+1 < len(pairs); i += 2 {
		writeRow(tw, []string{pairs[i] + ":", pairs[i+1]})
	}
	return tw.Flush()
}

// writeRow leaves the last cell unpadded, so that no line ends in spaces. The
// error of the underlying writer comes back from Flush.
func writeRow(w io.Writer, cells []string) {
	shown := make([]string, len(cells))
	for i, c := range cells {
		if c == "" {
			c = "-"
		}
		shown[i] = printable(c)
	}
	_, _ = fmt.Fprintln(w, strings.Join(shown, "\t"))
}

// printable escapes what could drive a terminal or reorder what a reader sees:
// agents choose paths, names and reasons, and people read them in a terminal
// (control characters; the bidirectional and invisible format characters of
// Trojan Source, CVE-2021-42574; line and paragraph separators; invalid UTF-8).
func printable(s string) string {
	if !strings.ContainsFunc(s, unsafeRune) {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == unicode.ReplacementChar && !strings.HasPrefix(s[i:], string(unicode.ReplacementChar)):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case unsafeRune(r):
			q := strconv.QuoteRuneToASCII(r)
			b.WriteString(q[1 : len(q)-1])
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func unsafeRune(r rune) bool {
	return r == unicode.ReplacementChar || unicode.IsControl(r) ||
		unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Cs)
}
