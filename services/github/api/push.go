package api

import (
	"bufio"
	"compress/gzip"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// Limits of a push's command list; the pack behind it is not limited.
const (
	MaxPushUpdates = 10_000
	maxPushOptions = 1_000
	// maxPushShallow is more than clones have whose history was cut in one place on
	// every branch.
	maxPushShallow = 1_000
	// maxPushList holds MaxPushUpdates with names as long as GitHub takes them.
	maxPushList = 4 << 20
	// updateWeight is what one update takes in memory beside its line: here, and as the
	// call that a policy is asked about.
	updateWeight = 320
)

// Update is what a push does to a ref.
type Update string

// The updates, as a policy writes them.
const (
	Create Update = "create"
	Change Update = "update"
	Delete Update = "delete"
)

// RefUpdate is one command of a push.
type RefUpdate struct {
	Ref      string // "refs/heads/main"
	Old, New string // object ids in lower-case hex; all zeros for a ref that is not there
	Update   Update
}

// Push is the command list of one git-receive-pack request.
type Push struct {
	// Updates may be empty: before a large push git sends an empty one, to see whether
	// it may.
	Updates      []RefUpdate
	Capabilities []string
	Options      []string
	Shallow      []string // object ids the client has no parents of

	room func(n int64) bool
}

// ReadPush reads the command list of a git-receive-pack request (gitprotocol-pack(5)) and
// stops where the pack begins. The error is always an [*Unresolved].
//
// contentEncoding is the request's header: "", "identity" or "gzip". A compressed body is
// inflated only as far as the command list goes. room, unless it is nil, is asked for the
// memory that what was read takes; once it says no, nothing more is read.
//
// A list that ReadPush accepts is the whole of what the push does: every command is of the
// plain form, no ref comes twice, and nothing but the pack follows.
func ReadPush(body io.Reader, contentEncoding string, room func(n int64) bool) (*Push, error) {
	if room == nil {
		room = func(int64) bool { return true }
	}
	p := &Push{room: room}
	if err := p.read(body, contentEncoding); err != nil {
		return nil, err
	}
	p.room = nil
	return p, nil
}

// Has reports whether the client announced a capability, "atomic" for one.
func (p *Push) Has(capability string) bool { return slices.Contains(p.Capabilities, capability) }

func (p *Push) read(body io.Reader, contentEncoding string) *Unresolved {
	switch strings.ToLower(contentEncoding) {
	case "", "identity":
		raw := bufio.NewReaderSize(&bounded{from: body, left: maxPushList, room: p.room}, 4096)
		return p.parse(raw, raw)
	case "gzip", "x-gzip":
	default:
		return unresolved(ReasonEncoding, "the push is compressed in a way that is not read")
	}
	raw := bufio.NewReaderSize(&bounded{from: body, left: maxPushList, room: func(int64) bool { return true }}, 4096)
	inflated, err := gzip.NewReader(raw)
	if err != nil {
		return unresolved(ReasonEncoding, "the push is not the gzip stream that it says")
	}
	// git reads one member and no more; a second one would be data that only others see.
	inflated.Multistream(false)
	// A few compressed bytes can inflate to a thousand times as many.
	return p.parse(bufio.NewReaderSize(&bounded{from: inflated, left: maxPushList, room: p.room}, 4096), raw)
}

// bounded ends what is read through it at a limit, or where there is no room for more.
type bounded struct {
	from io.Reader
	left int
	room func(n int64) bool
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, unresolved(ReasonTooLarge, "the push's command list is longer than is read; push fewer refs at a time")
	}
	n, err := b.from.Read(p)
	b.left -= n
	if !b.room(int64(n)) {
		return 0, noRoom()
	}
	return n, err
}

func noRoom() *Unresolved {
	return unresolved(ReasonTooLarge, "too much of this agent's requests is being read at this time")
}

// parse reads the list from r. raw is the body below any compression.
func (p *Push) parse(r, raw *bufio.Reader) *Unresolved {
	lines := &pktReader{r: r}
	if err := p.readCommands(lines); err != nil {
		return err
	}
	if p.Has("push-options") {
		if err := p.readOptions(lines); err != nil {
			return err
		}
	}
	return p.checkRest(r, raw)
}

func (p *Push) readCommands(lines *pktReader) *Unresolved {
	seen := map[string]bool{}
	for {
		line, err := lines.read()
		if err != nil {
			return err
		}
		if line.flush {
			return nil
		}
		text := strings.TrimSuffix(string(line.payload), "\n")
		if id, shallow := strings.CutPrefix(text, "shallow "); shallow && len(p.Updates) == 0 {
			if !isObjectID(id) {
				return unresolved(ReasonSyntax, "the push holds a shallow line that is none")
			}
			if p.Shallow = append(p.Shallow, id); len(p.Shallow) > maxPushShallow {
				return unresolved(ReasonTooLarge, "the push comes from a clone whose history is cut in more places than is read; fetch the rest of it (git fetch --unshallow)")
			}
			continue
		}
		if err := p.readCommand(text, seen); err != nil {
			return err
		}
	}
}

// readCommand takes "OLD NEW REF", the first with NUL and the capabilities.
func (p *Push) readCommand(text string, seen map[string]bool) *Unresolved {
	command, capabilities, announced := strings.Cut(text, "\x00")
	if command == "push-cert" {
		return unresolved(ReasonSignedPush, "signed pushes (push certificates) are not read; push without --signed")
	}
	if announced {
		if len(p.Updates) > 0 {
			return unresolved(ReasonSyntax, "the push announces capabilities twice")
		}
		if !isPrintable(capabilities) {
			return unresolved(ReasonSyntax, "the push announces capabilities that are not text")
		}
		p.Capabilities = strings.Fields(capabilities)
	}
	if len(p.Updates) == MaxPushUpdates {
		return unresolved(ReasonTooLarge, "the push updates more refs than is read; push fewer at a time")
	}
	fields := strings.SplitN(command, " ", 3)
	if len(fields) != 3 || !isObjectID(fields[0]) || !isObjectID(fields[1]) || len(fields[0]) != len(fields[1]) {
		return unresolved(ReasonSyntax, "the push holds a command that is not OLD NEW REF")
	}
	u := RefUpdate{Old: fields[0], New: fields[1], Ref: fields[2], Update: Change}
	switch {
	case !isRef(u.Ref):
		return unresolved(ReasonRef, "the push names a ref outside refs/ or with characters that are not accepted")
	case seen[u.Ref]:
		return unresolved(ReasonRef, "the push updates a ref twice")
	case isZeroID(u.Old) && isZeroID(u.New):
		return unresolved(ReasonSyntax, "the push holds a command from nothing to nothing")
	case isZeroID(u.Old):
		u.Update = Create
	case isZeroID(u.New):
		u.Update = Delete
	}
	if len(p.Updates) > 0 && len(p.Updates[0].Old) != len(u.Old) {
		return unresolved(ReasonSyntax, "the push mixes object formats")
	}
	if !p.room(updateWeight) {
		return noRoom()
	}
	seen[u.Ref] = true
	p.Updates = append(p.Updates, u)
	return nil
}

func (p *Push) readOptions(lines *pktReader) *Unresolved {
	for {
		line, err := lines.read()
		if err != nil {
			return err
		}
		if line.flush {
			return nil
		}
		option := strings.TrimSuffix(string(line.payload), "\n")
		if len(p.Options) == maxPushOptions || !isPrintable(option) {
			return unresolved(ReasonSyntax, "the push has options that are too many or not text")
		}
		p.Options = append(p.Options, option)
	}
}

// checkRest makes sure that the pack is all that follows, and that it does not where
// there is nothing to pack: otherwise the server might find commands that were not seen.
func (p *Push) checkRest(r, raw *bufio.Reader) *Unresolved {
	const magic = "PACK"
	start, err := r.Peek(len(magic))
	if string(start) == magic && len(p.Updates) > 0 {
		return nil
	}
	switch {
	case err == nil, len(start) > 0:
		return unresolved(ReasonTrailing, "the push goes on after its command list with something other than a pack")
	case err != io.EOF: //nolint:errorlint // io.Reader promises io.EOF itself
		return readError(err)
	case slices.ContainsFunc(p.Updates, func(u RefUpdate) bool { return u.Update != Delete }):
		return unresolved(ReasonTruncated, "the push ended before its pack")
	}
	if r != raw {
		if _, err := raw.Peek(1); err != io.EOF { //nolint:errorlint // as above
			return unresolved(ReasonTrailing, "the push goes on after its compressed part")
		}
	}
	return nil
}

func isPrintable(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}
