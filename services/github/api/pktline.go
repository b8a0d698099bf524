package api

import (
	"bufio"
	"errors"
	"io"
)

// maxPktLine is the longest pkt-line, its four length digits included
// (gitprotocol-common(5)).
const maxPktLine = 65520

// pktLine is one line of git's wire format. A flush has no payload and is set apart by
// its flag, for an empty line is something else.
type pktLine struct {
	payload []byte // valid until the next read
	flush   bool
}

// pktReader reads pkt-lines. It takes flushes and data only: the delimiter and the end of
// protocol version 2 have no place in a push.
type pktReader struct {
	r   *bufio.Reader
	buf []byte
}

func (p *pktReader) read() (pktLine, *Unresolved) {
	var digits [4]byte
	if _, err := io.ReadFull(p.r, digits[:]); err != nil {
		return pktLine{}, readError(err)
	}
	length := 0
	for _, c := range digits {
		if !isHex(c) {
			return pktLine{}, unresolved(ReasonSyntax, "the push holds a line without a length")
		}
		length = length<<4 | int(unhex(c))
	}
	switch {
	case length == 0:
		return pktLine{flush: true}, nil
	case length < len(digits):
		return pktLine{}, unresolved(ReasonSyntax, "the push holds a control line that pushes do not have")
	case length > maxPktLine:
		return pktLine{}, unresolved(ReasonSyntax, "the push holds a line longer than git's protocol allows")
	}
	length -= len(digits)
	if cap(p.buf) < length {
		p.buf = make([]byte, length)
	}
	payload := p.buf[:length]
	if _, err := io.ReadFull(p.r, payload); err != nil {
		return pktLine{}, readError(err)
	}
	return pktLine{payload: payload}, nil
}

// readError tells a body that ended from one that grew too long.
func readError(err error) *Unresolved {
	if u, ok := errors.AsType[*Unresolved](err); ok {
		return u
	}
	return unresolved(ReasonTruncated, "the push ended within its command list")
}

// pktAppend writes one pkt-line of at most maxPktLine bytes.
func pktAppend(to []byte, payload string) []byte {
	const hex = "0123456789abcdef"
	n := len(payload) + 4
	to = append(to, hex[n>>12&15], hex[n>>8&15], hex[n>>4&15], hex[n&15])
	return append(to, payload...)
}
