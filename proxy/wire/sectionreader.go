package wire

import (
	"encoding/binary"
	"net"
	"strings"

	"golang.org/x/net/http2/hpack"
)

// sectionReader is an HTTP/2 connection on its way to the server. The server
// resets the streams of requests that it finds malformed and calls no handler; so
// the header sections are read once more here, beside it, and what it does not let
// through has a row all the same. What passes is not changed, and every rule here
// is one of the server's own: FuzzSection holds them equal.
type sectionReader struct {
	net.Conn
	session *Session
	tunnels Tunnels // that are told of what is refused

	preface int // bytes of the client's preface that are still to come
	head    [frameHeadLen]byte
	have    int // bytes of head
	left    int // bytes of the frame's payload that are still to come

	keep    bool   // this frame is part of a header section
	block   []byte // the frame's part of it
	ended   bool   // and it is the last one
	stream  uint32 // that the section is on
	highest uint32 // of all streams so far
	fields  *hpack.Decoder
	section section
	lost    bool // the server ends the connection; nothing more can be told
}

const (
	prefaceLen   = 24
	frameHeadLen = 9
	// RFC 9113 sections 6.2 and 6.10.
	frameHeaders      = 0x1
	frameContinuation = 0x9
	flagEndHeaders    = 0x4
	flagPadded        = 0x8
	flagPriority      = 0x20
	priorityLen       = 5
	maxPadding        = 1 + 0xff + priorityLen
	streamMask        = 1<<31 - 1

	hpackTableSize = 4096    // RFC 9113 section 6.5.2; no other is announced
	keptBlock      = 4 << 10 // capacity that is kept between frames
)

func newSectionReader(conn net.Conn, s *Session, tunnels Tunnels) *sectionReader {
	r := &sectionReader{Conn: conn, session: s, tunnels: tunnels, preface: prefaceLen}
	r.fields = hpack.NewDecoder(hpackTableSize, func(f hpack.HeaderField) { r.section.add(f) })
	r.fields.SetMaxStringLength(maxSectionSize)
	return r
}

// Close ends the tunnel, and waits no longer than farewell does.
func (r *sectionReader) Close() error { return farewell(r.Conn, r.session.Tunnel.Cut) }

// Read is called by one goroutine at a time, as net/http does.
func (r *sectionReader) Read(b []byte) (int, error) {
	n, err := r.Conn.Read(b)
	r.follow(b[:n])
	return n, err
}

// follow walks through the frames (RFC 9113 section 4.1).
func (r *sectionReader) follow(b []byte) {
	for len(b) > 0 && !r.lost {
		switch {
		case r.preface > 0:
			n := min(r.preface, len(b))
			r.preface -= n
			b = b[n:]
		case r.have < frameHeadLen:
			n := copy(r.head[r.have:], b)
			r.have += n
			b = b[n:]
			if r.have == frameHeadLen {
				r.beginFrame()
			}
		default:
			n := min(r.left, len(b))
			if r.keep {
				r.block = append(r.block, b[:n]...)
			}
			r.left -= n
			b = b[n:]
			if r.left == 0 {
				r.endFrame()
			}
		}
	}
}

func (r *sectionReader) beginFrame() {
	r.left = int(r.head[0])<<16 | int(r.head[1])<<8 | int(r.head[2])
	stream := binary.BigEndian.Uint32(r.head[5:]) & streamMask
	switch r.head[3] {
	case frameHeaders:
		r.keep, r.stream, r.section = true, stream, section{}
	case frameContinuation:
		r.keep, r.lost = true, stream != r.stream
	default:
		r.keep = false
	}
	r.block, r.ended = r.block[:0], r.head[4]&flagEndHeaders != 0
	if r.keep && r.left > 2*maxSectionSize+maxPadding {
		r.lose("the header section is too large")
		return
	}
	if r.left == 0 {
		r.endFrame()
	}
}

func (r *sectionReader) endFrame() {
	r.have = 0
	if !r.keep {
		return
	}
	block := r.block
	if r.head[3] == frameHeaders {
		var ok bool
		if block, ok = r.unpad(block); !ok {
			return
		}
	}
	r.decode(block)
	if cap(r.block) > keptBlock {
		r.block = nil
	}
}

// unpad takes padding and priority off the first fragment (RFC 9113 section 6.2).
// One in which they do not fit is decoded by nobody.
func (r *sectionReader) unpad(block []byte) (fragment []byte, ok bool) {
	padding := 0
	if r.head[4]&flagPadded != 0 && len(block) > 0 {
		padding, block = int(block[0]), block[1:]
	}
	if r.head[4]&flagPriority != 0 {
		if len(block) < priorityLen {
			r.lose("a frame is too short")
			return nil, false
		}
		r.section.circular = binary.BigEndian.Uint32(block)&streamMask == r.stream
		block = block[priorityLen:]
	}
	if padding > len(block) {
		r.refuse(&section{fault: "a frame's padding is longer than the frame"})
		r.stream = 0 // a CONTINUATION would be an error
		return nil, false
	}
	return block[:len(block)-padding], true
}

// decode takes one frame's fragment, and with the last one judges the section if
// it is a request: the first of its stream, not its trailers. Trailers are decoded
// too, to keep the table of fields in step.
func (r *sectionReader) decode(fragment []byte) {
	s := &r.section
	if len(fragment) > 2*s.room() {
		r.lose("the header section is too large")
		return
	}
	if r.head[3] == frameContinuation && s.fault != "" {
		r.lose(s.fault)
		return
	}
	if _, err := r.fields.Write(fragment); err != nil || r.ended && r.fields.Close() != nil {
		r.lose("the header section cannot be decoded")
		return
	}
	if !r.ended || r.stream <= r.highest {
		return
	}
	r.highest = r.stream
	if s.end(); s.fault != "" {
		r.refuse(s)
	}
}

// lose records a section for which the server ends the connection.
func (r *sectionReader) lose(why string) {
	r.lost = true
	r.section.fault, r.section.status = why, 0
	r.refuse(&r.section)
}

// refuse tells of a request that the server does not let through.
func (r *sectionReader) refuse(s *section) {
	path, _, _ := strings.Cut(s.path, "?")
	_ = r.tunnels.Unparsed(r.session, Unparsed{Method: s.method, Path: path, HTTP2: true, Why: s.fault, Status: s.status}) //nolint:bodyclose // its body is in memory
}
