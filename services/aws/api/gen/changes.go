package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// writeChanges says what a table has that the one before it had not, and the other way
// about: sources, services, how each is spoken to and where, operations, and which of them
// have to be named exactly.
func writeChanges(w io.Writer, old, table []byte) error {
	before, after := facts(string(old)), facts(string(table))
	for _, change := range []struct {
		sign     string
		of, from map[string]bool
	}{{"+", after, before}, {"-", before, after}} {
		for _, fact := range slices.Sorted(maps.Keys(change.of)) {
			if change.from[fact] {
				continue
			}
			if _, err := fmt.Fprintln(w, change.sign, fact); err != nil {
				return err
			}
		}
	}
	return nil
}

// facts are what a table says, one a line.
func facts(table string) map[string]bool {
	all := map[string]bool{}
	prefix := ""
	for line := range strings.Lines(table) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		switch {
		case f[0] == "source":
			all["source "+f[1]] = true
		case f[0] == "s" && len(f) == 8:
			prefix = f[1]
			all["service "+f[5]+" ("+prefix+", signed for "+f[2]+")"] = true
			for _, protocol := range f[3] {
				all["protocol of "+f[5]+": "+string(protocol)] = true
			}
			for name := range strings.FieldsSeq(f[6]) {
				all["host of "+f[5]+": "+name] = true
			}
		case prefix != "":
			all["operation "+prefix+"/"+f[0]] = true
			if len(f) > 3 && f[3] == "c" {
				all["exactly "+prefix+"/"+f[0]] = true
			}
		}
	}
	return all
}
