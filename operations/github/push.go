package github

import (
	"bufio"
	"bytes"
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
	// maxPushList holds MaxPushUpdates of SHA-256 with names as long as GitHub takes
	// them, twice over.
	maxPushList = 8 << 20
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

	consumed []byte
}

// ReadPush reads the command list of a git-receive-pack request (gitprotocol-pack(5)) and
// stops where the pack begins. The error is always an [*Unresolved].
//
// contentEncoding is the request's header: "", "identity" or "gzip". A compressed body is
// inflated only as far as the command list goes.
//
// A list that ReadPush accepts is the whole of what the push does: every command is of the
// plain form, no ref comes twice, and nothing but the pack follows.
func ReadPush(body io.Reader, contentEncoding string) (*Push, error) {
	taken := &recorder{from: body, limit: maxPushList}
	p, err := readPush(taken, contentEncoding)
	if err != nil {
		return nil, err
	}
	p.consumed = taken.bytes
	return p, nil
}

// Body is the request's body from its first byte, in its own encoding: what ReadPush
// took, then the rest.
func (p *Push) Body(rest io.Reader) io.Reader {
	return io.MultiReader(bytes.NewReader(p.consumed), rest)
}

// Has reports whether the client announced a capability, "atomic" for one.
func (p *Push) Has(capability string) bool { return slices.Contains(p.Capabilities, capability) }

func readPush(taken *recorder, contentEncoding string) (*Push, *Unresolved) {
	raw := bufio.NewReaderSize(taken, 4096)
	switch strings.ToLower(contentEncoding) {
	case "", "identity":
		return parsePush(raw, raw)
	case "gzip", "x-gzip":
	default:
		return nil, unresolved(ReasonEncoding, "the push is compressed in a way that is not read")
	}
	inflated, err := gzip.NewReader(raw)
	if err != nil {
		return nil, unresolved(ReasonEncoding, "the push is not the gzip stream that it says")
	}
	// git reads one member and no more; a second one would be data that only others see.
	inflated.Multistream(false)
	// A few compressed bytes can inflate to a thousand times as many.
	bounded := &recorder{from: inflated, limit: maxPushList, forget: true}
	return parsePush(bufio.NewReaderSize(bounded, 4096), raw)
}

// recorder keeps what was read through it, up to a limit. A bufio.Reader above it may
// read ahead: what it took is recorded, used or not.
type recorder struct {
	from   io.Reader
	limit  int
	forget bool // count only

	count int
	bytes []byte
}

func (r *recorder) Read(p []byte) (int, error) {
	if r.count >= r.limit {
		return 0, unresolved(ReasonTooLarge, "the push's command list is longer than is read")
	}
	n, err := r.from.Read(p)
	r.count += n
	if !r.forget {
		r.bytes = append(r.bytes, p[:n]...)
	}
	return n, err
}

// parsePush reads the list from r. raw is the body below any compression.
func parsePush(r, raw *bufio.Reader) (*Push, *Unresolved) {
	p := &Push{}
	lines := &pktReader{r: r}
	if err := p.readCommands(lines); err != nil {
		return nil, err
	}
	if p.Has("push-options") {
		if err := p.readOptions(lines); err != nil {
			return nil, err
		}
	}
	return p, p.checkRest(r, raw)
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
			p.Shallow = append(p.Shallow, id)
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
