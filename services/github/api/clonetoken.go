package api

import "io"

// cloneMember is the member of a repository's description that holds a live token for
// cloning it ("temp_clone_token", GitHub REST API, "Get a repository").
const cloneMember = `"temp_clone_token"`

// WithoutCloneTokens passes a JSON answer on and empties each temp_clone_token in it. The
// length stays as it was, so that the answer can stream: what was the value becomes an
// empty string and white space.
func WithoutCloneTokens(from io.Reader) io.Reader { return &withoutCloneTokens{from: from} }

type withoutCloneTokens struct {
	from    io.Reader
	matched int // bytes of the key
	state   cloneTokenState
	escape  bool
}

type cloneTokenState uint8

const (
	betweenTokens cloneTokenState = iota
	beforeToken                   // the key is complete
	tokenBegins                   // the next byte becomes the end of the string
	withinToken
)

// Read never returns a byte of a token, wherever pieces of the answer begin and end.
func (w *withoutCloneTokens) Read(p []byte) (int, error) {
	n, err := w.from.Read(p)
	for i, c := range p[:n] {
		p[i] = w.next(c)
	}
	return n, err
}

func (w *withoutCloneTokens) next(c byte) byte {
	switch w.state {
	case beforeToken:
		w.begin(c)
		return c
	case tokenBegins:
		w.state = withinToken
		w.within(c)
		return '"'
	case withinToken:
		w.within(c)
		return ' '
	default:
		w.match(c)
		return c
	}
}

func (w *withoutCloneTokens) match(c byte) {
	switch c {
	case cloneMember[w.matched]:
		w.matched++
	case '"':
		w.matched = 1
	default:
		w.matched = 0
	}
	if w.matched == len(cloneMember) {
		w.matched, w.state = 0, beforeToken
	}
}

// begin looks for the string behind the key. What is not one holds no token.
func (w *withoutCloneTokens) begin(c byte) {
	switch c {
	case ' ', '\t', '\n', '\r', ':':
	case '"':
		w.state = tokenBegins
	default:
		w.state = betweenTokens
	}
}

func (w *withoutCloneTokens) within(c byte) {
	switch {
	case w.escape:
		w.escape = false
	case c == '\\':
		w.escape = true
	case c == '"':
		w.state = betweenTokens
	}
}
