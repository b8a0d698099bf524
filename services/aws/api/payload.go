package api

import (
	"net/url"
	"strings"
	"unicode/utf8"

	"sallyport/internal/ijson"
)

// payload is the body of a request, which is read at most once, and only where it matters.
type payload struct {
	head *head

	read    bool
	body    []byte
	problem *Unresolved

	form []pair // of a form

	membersRead    bool
	members        []ijson.Member // of a JSON object
	membersProblem string
}

// whole returns the body, or why it cannot be read.
func (p *payload) whole() ([]byte, *Unresolved) {
	if p.read {
		return p.body, p.problem
	}
	p.read = true
	if p.head.Body == nil {
		p.problem = unresolved(ReasonBody, "what it does is in its body, which is not known here")
		return nil, p.problem
	}
	for _, encoding := range p.head.Header["Content-Encoding"] {
		if !strings.EqualFold(encoding, "identity") && encoding != "" {
			p.problem = unresolved(ReasonBody, "the body is encoded; send it as it is")
			return nil, p.problem
		}
	}
	if p.head.framed() {
		p.problem = unresolved(ReasonBody, "the body is sent in chunks of AWS's own, behind which what it says is not read; send it whole, with its hash in X-Amz-Content-Sha256")
		return nil, p.problem
	}
	body, more, err := p.head.Body()
	switch {
	case err != nil:
		p.problem = unresolved(ReasonBody, "the body could not be read")
	case more:
		p.problem = unresolved(ReasonTooLarge, "the body is longer than is read to name a request (1 MiB)")
	default:
		p.body = body
	}
	return p.body, p.problem
}

const formType = "application/x-www-form-urlencoded"

// readForm reads the body as a form. It is taken in the one form that every reader
// divides alike: what clients encode is encoded, and names are written as they are.
func (p *payload) readForm() *Unresolved {
	body, err := p.whole()
	if err != nil || p.form != nil {
		return err
	}
	text := string(body)
	odd := unresolved(ReasonBody, "the body is not a form that every server reads alike; percent-encode values, and nothing in names")
	if strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' || r == ';' }) {
		return odd
	}
	for part := range strings.SplitSeq(text, "&") {
		if part == "" {
			continue
		}
		key, value, _ := strings.Cut(part, "=")
		value, bad := url.QueryUnescape(value)
		if bad != nil || key == "" || strings.ContainsFunc(key, oddInName) || !utf8.ValidString(value) || len(p.form) == maxParameters {
			return odd
		}
		p.form = append(p.form, pair{key, value})
	}
	return nil
}

// oddInName: members are called "Filter.1.Name".
func oddInName(r rune) bool {
	return !('a' <= r|0x20 && r|0x20 <= 'z' || '0' <= r && r <= '9' || r == '.' || r == '_' || r == '-')
}

// object reads the whole body as one JSON object that every server reads alike. The body is
// sent as it came, since its signature covers its bytes.
func (p *payload) object(protocol string) (members []ijson.Member, problem string) {
	if p.membersRead {
		return p.members, p.membersProblem
	}
	p.membersRead = true
	p.members, p.membersProblem = p.readMembers(protocol)
	return p.members, p.membersProblem
}

func (p *payload) readMembers(protocol string) (members []ijson.Member, problem string) {
	switch {
	case protocol == cbor:
		return nil, "what it touches is in CBOR, which is not read here; let the client speak JSON"
	case p.head.media != "" && p.head.media != "application/json" && !strings.HasPrefix(p.head.media, amzJSON):
		return nil, "what it touches is in its body, whose Content-Type does not say that it is JSON in UTF-8"
	}
	body, unread := p.whole()
	if unread != nil {
		return nil, unread.Detail
	}
	members, err := ijson.Object(body)
	if err != nil {
		return nil, "the body " + err.Error()
	}
	return members, ""
}
