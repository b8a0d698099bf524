// Package fieldname keeps how the names of HTTP/1.1 fields were written. They mean the same
// in any case (RFC 9110 section 5.1), and net/http gives all of them one form; but some who
// read them compare them as text, metadata of objects above all, so that they are passed on
// as they came.
package fieldname

import (
	"bytes"
	"net/textproto"
)

// Names are how names were written, by net/http's form of them; those that were written in
// that form are left out. Nil is a header section without any other. Names are not changed
// once they are read.
type Names map[string]string

// Of is how a name in net/http's form was written.
func (n Names) Of(name string) string {
	if written, other := n[name]; other {
		return written
	}
	return name
}

// Add notes how a name was written. What is written in two ways is known by the first.
func (n *Names) Add(name, written string) {
	if name == written {
		return
	}
	if *n == nil {
		*n = Names{}
	}
	if _, known := (*n)[name]; !known {
		(*n)[name] = written
	}
}

// Read returns the names in a head: a first line, and the fields up to an empty line or the
// end. What is malformed in it is passed over.
func Read(head []byte) Names {
	var names Names
	_, head, _ = bytes.Cut(head, []byte("\n"))
	for len(head) > 0 {
		line, rest, _ := bytes.Cut(head, []byte("\n"))
		head = rest
		if line = bytes.TrimSuffix(line, []byte("\r")); len(line) == 0 {
			break
		}
		name, _, found := bytes.Cut(line, []byte(":"))
		if found && !isUsual(name) {
			written := string(name)
			names.Add(textproto.CanonicalMIMEHeaderKey(written), written)
		}
	}
	return names
}

// isUsual reports whether a name is in net/http's form, as most are.
func isUsual(name []byte) bool {
	upper := true // is what comes next
	for _, c := range name {
		if upper && 'a' <= c && c <= 'z' || !upper && 'A' <= c && c <= 'Z' {
			return false
		}
		upper = c == '-'
	}
	return true
}
