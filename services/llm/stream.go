package llm

import "bytes"

// Bounds of what is remembered of an answer.
const (
	maxLevels = 4  // of objects whose members' names count
	maxName   = 48 // bytes of a name
	maxScalar = 64 // bytes of a scalar
)

// jsonReader reads one document after another as they come, of any length in the same memory,
// and hands out the scalars that lie in at most maxLevels objects and in no list. A list around
// a whole document counts for nothing: Gemini streams so. What is no JSON finds nothing.
type jsonReader struct {
	found func(path, value string)

	depth  int // of objects and lists that are open
	lists  int // of them, the first in which nothing counts; 0 for none
	outer  int // 1 inside a list around the document
	path   [maxLevels][]byte
	token  []byte // string or scalar so far, cut
	state  readState
	isName bool // the next string is the name of a member
	open   [maxDepth]byte
}

// maxDepth is how deep documents are followed; what is deeper finds nothing.
const maxDepth = 256

type readState uint8

const (
	between  readState = iota // tokens
	inString                  // after its quote
	inEscape                  // after a backslash
	inWord                    // a number, true, false, null
)

func (r *jsonReader) reset() {
	r.depth, r.lists, r.outer, r.state, r.isName, r.token = 0, 0, 0, between, false, r.token[:0]
}

func (r *jsonReader) write(b []byte) {
	for len(b) > 0 {
		if r.state == inString { // most of an answer is text
			n := bytes.IndexAny(b, `"\`)
			if n < 0 {
				n = len(b)
			}
			r.keep(b[:n])
			if b = b[n:]; len(b) == 0 {
				return
			}
		}
		r.next(b[0])
		b = b[1:]
	}
}

func (r *jsonReader) keep(b []byte) {
	if room := maxScalar + 1 - len(r.token); room > 0 {
		r.token = append(r.token, b[:min(room, len(b))]...)
	}
}

func (r *jsonReader) next(c byte) {
	switch r.state {
	case inEscape:
		r.keep([]byte{'\\', c}) // no name or value that counts has one
		r.state = inString
	case inString:
		switch c {
		case '"':
			r.state = between
			r.endString()
		case '\\':
			r.state = inEscape
		}
	case inWord:
		switch c {
		case ',', '}', ']', ' ', '\t', '\r', '\n':
			r.state = between
			r.scalar()
			r.punctuation(c)
		default:
			r.keep([]byte{c})
		}
	case between:
		r.punctuation(c)
	}
}

func (r *jsonReader) punctuation(c byte) {
	switch c {
	case ' ', '\t', '\r', '\n':
	case '"':
		r.state, r.token = inString, r.token[:0]
	case '{', '[':
		r.enter(c)
	case '}', ']':
		r.leave()
	case ':':
		r.isName = false
	case ',':
		r.isName = r.depth > 0 && r.depth <= maxDepth && r.open[r.depth-1] == '{'
	default:
		r.state, r.token = inWord, append(r.token[:0], c)
	}
}

func (r *jsonReader) enter(c byte) {
	if r.depth++; r.depth <= maxDepth {
		r.open[r.depth-1] = c
	}
	r.isName = c == '{'
	if c == '[' && r.lists == 0 {
		if r.depth == 1 {
			r.outer = 1
		} else {
			r.lists = r.depth
		}
	}
}

func (r *jsonReader) leave() {
	if r.depth == r.lists {
		r.lists = 0
	}
	if r.depth > 0 {
		r.depth--
	}
	if r.depth == 0 {
		r.outer = 0
	}
	r.isName = false
}

// level is the number of objects around what comes next; 0 if nothing counts there.
func (r *jsonReader) level() int {
	level := r.depth - r.outer
	if r.lists > 0 || level > maxLevels || level < 0 {
		return 0
	}
	return level
}

func (r *jsonReader) endString() {
	level := r.level()
	if !r.isName {
		r.scalar()
		return
	}
	if level > 0 {
		r.path[level-1] = append(r.path[level-1][:0], r.token[:min(len(r.token), maxName)]...)
	}
}

func (r *jsonReader) scalar() {
	level := r.level()
	if level == 0 || len(r.token) > maxScalar {
		return
	}
	r.found(string(bytes.Join(r.path[:level], []byte("."))), string(r.token))
}

// eventLines has the data of each event in a stream read (WHATWG HTML, section 9.2.6). Providers
// write a document in one line.
type eventLines struct {
	to    *jsonReader
	field []byte // of the line, until it is known
	state lineState
}

type lineState uint8

const (
	inField lineState = iota
	inData
	inOther
)

const dataField = "data:"

func (e *eventLines) write(b []byte) {
	for len(b) > 0 {
		end := bytes.IndexAny(b, "\r\n")
		line := b
		if end >= 0 {
			line = b[:end]
		}
		e.part(line)
		if end < 0 {
			return
		}
		if e.state == inData {
			e.to.write([]byte{'\n'}) // ends a word
		}
		e.state, e.field = inField, e.field[:0]
		b = b[end+1:]
	}
}

func (e *eventLines) part(line []byte) {
	for e.state == inField && len(line) > 0 {
		e.field = append(e.field, line[0])
		line = line[1:]
		switch {
		case string(e.field) == dataField:
			e.state = inData
			e.to.reset()
		case !bytes.HasPrefix([]byte(dataField), e.field):
			e.state = inOther
		}
	}
	if e.state == inData {
		e.to.write(line)
	}
}
