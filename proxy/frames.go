package proxy

import (
	"encoding/binary"
	"io"
	"sync/atomic"
)

// frames follows one direction of a WebSocket as it passes (RFC 6455, section 5.2), to know
// whether it said goodbye. It is used by one goroutine at a time.
type frames struct {
	head []byte // of the frame that is coming, as far as it is there
	left uint64 // of its payload
	lost bool   // what came are no frames

	closed bool   // a Close frame has begun
	code   uint16 // of it; 0 if it has none
}

const (
	opcodeClose = 8
	noCode      = 1005 // no status code was present (RFC 6455, section 7.4.1)
)

// follow takes what passes.
func (f *frames) follow(p []byte) {
	for len(p) > 0 && !f.lost && !f.closed {
		if skipped := min(f.left, uint64(len(p))); skipped > 0 {
			f.left -= skipped
			p = p[skipped:]
			continue
		}
		f.head = append(f.head, p[0])
		p = p[1:]
		f.begin()
	}
}

// begin reads the head once it is whole: with the code of a Close frame, which stands in its
// payload.
func (f *frames) begin() {
	if len(f.head) < 2 {
		return
	}
	length, need := uint64(f.head[1]&0x7f), 2
	switch length {
	case 126:
		need += 2
	case 127:
		need += 8
	}
	masked := f.head[1]&0x80 != 0
	lengthEnds := need
	if masked {
		need += 4
	}
	closes := f.head[0]&0x0f == opcodeClose
	if closes && length >= 2 {
		need += 2
	}
	if len(f.head) < need {
		return
	}
	switch lengthEnds {
	case 4:
		length = uint64(binary.BigEndian.Uint16(f.head[2:]))
	case 10:
		length = binary.BigEndian.Uint64(f.head[2:])
	}
	switch {
	case length > 1<<63-1 || closes && length > 125:
		f.lost = true
	case closes:
		f.closed, f.code = true, closeCode(f.head, lengthEnds, masked, length)
	}
	f.left, f.head = length, f.head[:0]
}

func closeCode(head []byte, at int, masked bool, length uint64) uint16 {
	if length < 2 {
		return noCode
	}
	var mask [4]byte
	if masked {
		copy(mask[:], head[at:])
		at += len(mask)
	}
	return uint16(head[at]^mask[0])<<8 | uint16(head[at+1]^mask[1])
}

// farewell is an upstream's connection whose WebSocket is followed in both directions.
type farewell struct {
	io.ReadWriteCloser
	sent, received frames
	first          atomic.Pointer[frames] // of the two, which closed first
}

func (f *farewell) Read(p []byte) (int, error) {
	n, err := f.ReadWriteCloser.Read(p)
	f.follow(&f.received, p[:n])
	return n, err
}

func (f *farewell) Write(p []byte) (int, error) {
	f.follow(&f.sent, p)
	return f.ReadWriteCloser.Write(p)
}

func (f *farewell) follow(way *frames, p []byte) {
	if way.follow(p); way.closed {
		f.first.CompareAndSwap(nil, way)
	}
}

// tell says in the row how the WebSocket was closed: with which code, and by whom first. Both are
// missing where nobody has closed it in the protocol's own way. Nothing passes any more.
func (f *farewell) tell(r *row) {
	first := f.first.Load()
	if first == nil {
		return
	}
	by := "upstream"
	if first == &f.sent {
		by = "agent"
	}
	r.found("close_code", int64(first.code))
	r.found("closed_by", by)
}
