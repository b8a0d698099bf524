package api

import (
	"io"
	"slices"
	"strings"
	"unicode"
)

// PushResultType is the content type of the answer to a push.
const PushResultType = "application/x-git-receive-pack-result"

// CanReport reports whether the client understands a refusal in git's own protocol.
// Without it (no client of today) only an HTTP status can tell.
func (p *Push) CanReport() bool {
	return (p.Has("report-status") || p.Has("report-status-v2")) && len(p.Updates) > 0
}

// WriteRefusal answers a push with status 200 and a report that refuses every update
// (gitprotocol-pack(5), "Report Status"), so that git prints
//
//	! [remote rejected] main -> main (REASON)
//
// reason gives the text for each ref: none may be accepted, for the push was not sent on.
// message, if any, is shown to the user as "remote: MESSAGE".
//
// The client may still be sending its pack, and reads no answer before it has sent it
// all: drain the body first.
func (p *Push) WriteRefusal(w io.Writer, message string, reason func(RefUpdate) string) error {
	report := pktAppend(nil, "unpack ok\n")
	for _, u := range p.Updates {
		report = pktAppend(report, "ng "+u.Ref+" "+oneLine(reason(u), 1000)+"\n")
	}
	report = append(report, "0000"...)

	chunk := p.sideBand()
	if chunk == 0 {
		_, err := w.Write(report)
		return err
	}
	var answer []byte
	if message = oneLine(message, 900); message != "" {
		answer = pktAppend(answer, "\x02"+message+"\n")
	}
	for part := range slices.Chunk(report, chunk) {
		answer = pktAppend(answer, "\x01"+string(part))
	}
	_, err := w.Write(append(answer, "0000"...))
	return err
}

// sideBand is how much a packet of the multiplexed answer may carry, 0 if the answer is
// not multiplexed: the whole packet is 1,000 or 65,520 bytes, five of them its head.
func (p *Push) sideBand() int {
	switch {
	case p.Has("side-band-64k"):
		return maxPktLine - 5
	case p.Has("side-band"):
		return 1000 - 5
	}
	return 0
}

// oneLine makes a text fit for a terminal line of bounded length.
func oneLine(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsGraphic(r):
			return -1
		}
		return r
	}, s)
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "")
	}
	return strings.TrimSpace(s)
}
