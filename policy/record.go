package policy

import (
	"net/textproto"
	"slices"
	"strings"

	"sallyport/internal/authfield"
	"sallyport/internal/yamldoc"
)

// Record lists what the trail keeps of a rule's exchanges beside what it always
// keeps: the values of these query parameters, and of these header fields of the
// request and of the answer.
type Record struct {
	Query   []string // as decoded
	Headers []string // in canonical form
}

// RecordUse is one rule that records, for the check that nothing it lists is
// where a credential is written.
type RecordUse struct {
	*Record
	Rule string
	Line int
}

// Records lists the rules that record.
func (p *Policy) Records() []RecordUse {
	var uses []RecordUse
	for i := range p.rules {
		if r := &p.rules[i]; r.record != nil {
			uses = append(uses, RecordUse{r.record, r.name, r.recordLine})
		}
	}
	return uses
}

// maxRecorded names may be listed of each kind.
const maxRecorded = 16

// readRecord reads what the trail is to keep.
func readRecord(n *yamldoc.Node, r *rule) {
	f := n.Field("record")
	if f == nil || !f.Mapping("query", "headers") {
		return
	}
	r.recordLine = f.Line
	r.record = &Record{
		Query:   recorded(f.Field("query"), "write the names of query parameters, as in [page]", recordedParameter),
		Headers: recorded(f.Field("headers"), "write the names of header fields, as in [x-request-id]", recordedHeader),
	}
	if len(f.Below) == 0 {
		f.Fail("lists nothing; write for example record: {query: [page], headers: [x-request-id]}")
	}
}

func recorded(n *yamldoc.Node, hint string, read func(*yamldoc.Node, string) string) []string {
	if n == nil {
		return nil
	}
	items, ok := n.Items(hint)
	if ok && len(items) > maxRecorded {
		n.Fail("lists %d names; at most %d may be recorded", len(items), maxRecorded)
		return nil
	}
	var names []string
	for _, item := range items {
		text, ok := item.Word(hint)
		if !ok {
			continue
		}
		name := read(item, text)
		if name != "" && slices.Contains(names, name) {
			item.Fail("%s is listed twice", yamldoc.Quote(name))
		}
		names = append(names, name)
	}
	return names
}

const neverKept = "%s is where services take secrets, and the trail never keeps one; remove it"

func recordedParameter(n *yamldoc.Node, name string) string {
	switch {
	case len(name) > maxIdentifier:
		n.Fail("is longer than %d bytes", maxIdentifier)
	case authfield.CarriesSecretIn(name):
		n.Fail(neverKept, yamldoc.Quote(name))
	}
	return name
}

func recordedHeader(n *yamldoc.Node, name string) string {
	switch {
	case len(name) > maxIdentifier || !isToken(name):
		n.Fail("%s is not the name of a header field (RFC 9110 section 5.1), or longer than %d bytes", yamldoc.Quote(name), maxIdentifier)
	case authfield.CarriesSecret(name):
		n.Fail(neverKept, yamldoc.Quote(name))
	}
	return textproto.CanonicalMIMEHeaderKey(name)
}

// isToken accepts what RFC 9110, section 5.6.2, calls a token.
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !('a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0) {
			return false
		}
	}
	return s != ""
}
