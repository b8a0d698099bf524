package proxy

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"sallyport/internal/authfield"
	"sallyport/internal/share"
	"sallyport/policy"
	"sallyport/proxy/wire"
)

// Bounds of what is read of bodies to judge their requests. An agent decides what it sends,
// and how slowly.
const (
	keptByAll   = 256 << 20 // bytes of memory for bodies, of all agents
	keptByAgent = 16 << 20  // of one: the largest list of a push, and half of another

	readingIdle = 10 * time.Second // without a byte
	readingMost = 30 * time.Second // for all that has to be read
)

// ahead bounds what is read of bodies before their requests leave.
type ahead struct {
	memory *share.Pool // of all agents
	idle   time.Duration
	most   time.Duration
}

func newAhead() ahead {
	return ahead{memory: share.NewPool(keptByAll, keptByAgent), idle: readingIdle, most: readingMost}
}

// body is a request's body as visits see it ([services.Body]).
type body struct {
	r      *http.Request // with what was read in front again, or printed anew
	flow   *wire.Flow
	held   *held
	bounds *ahead
	policy *policy.Policy
	query  policy.Query // what the line says

	denied *policy.Decision // what the policy says whatever is in it; nil if it was not asked, or cannot say
	unread *refusal         // why it was not read, or not to its end
}

// Denied implements [services.Body].
func (b *body) Denied(meaning policy.Meaning, outlines ...policy.Outline) bool {
	q := b.query
	q.Meaning = &meaning
	var first policy.Decision
	for i := range outlines {
		decision, certain := b.policy.DecideUnread(q, &outlines[i])
		if !certain {
			return false
		}
		if i == 0 {
			first = decision
		}
	}
	b.denied = &first
	b.unread = deniedByPolicy.because(first.Reason)
	b.unread.rule, b.unread.details = first.Rule, map[string]any{"body": "unread"}
	return true
}

// Stream implements [services.Body].
func (b *body) Stream(weight int64, read func(io.Reader) (beside int64)) {
	var taken bytes.Buffer
	from, beginning := b.r.Body, b.begin(weight)
	beside := int64(0)
	defer func() { beginning.done(beside) }()
	b.r.Body = &restored{Reader: io.MultiReader(&taken, from), Closer: from}
	beside = read(io.TeeReader(beginning, &taken))
}

// Peek implements [services.Body].
func (b *body) Peek(most, weight int64) (read []byte, more bool, err error) {
	var taken bytes.Buffer
	if announced := b.r.ContentLength; announced > 0 && announced <= most {
		// The memory is taken before it is used, so that nobody has it by a promise of bytes.
		if weight--; !b.Room(announced) {
			return nil, false, errNoRoom
		}
		taken.Grow(int(announced) + bytes.MinRead) // Copy asks for room before it learns of the end
	} else {
		weight += growing
	}
	from, beginning := b.r.Body, b.begin(weight)
	defer beginning.done(0)
	_, err = io.Copy(&taken, io.LimitReader(beginning, most+1))
	read = taken.Bytes()
	b.r.Body = &restored{Reader: io.MultiReader(bytes.NewReader(read), from), Closer: from}
	return read, int64(len(read)) > most, err
}

// growing is what a buffer takes beside its bytes while it grows: twice as many, for the room
// ahead and for what is copied.
const growing = 2

// Room implements [services.Body].
func (b *body) Room(n int64) bool {
	if n <= 0 || b.held.memory().Take(n) {
		return true
	}
	b.unread = exceeded(limitMemory, time.Second)
	b.unread.detail = "Too much of the bodies of this agent's requests has to be held at this time."
	return false
}

// Replace implements [services.Body]. What was judged is what is sent: the agent's body has
// been read to its end, and what described it ends here, as do its trailers, which would no
// longer fit.
func (b *body) Replace(printed []byte, media string) {
	r := b.r.WithContext(b.r.Context()) // the server keeps its own
	r.Header = make(http.Header, len(b.r.Header))
	for name, values := range b.r.Header {
		if !describesBody(name) {
			r.Header[name] = values
		}
	}
	r.Header["Content-Type"] = []string{media}
	r.Header["Content-Length"] = []string{strconv.Itoa(len(printed))} // for the row; what is sent is framed by its length
	r.Body, r.ContentLength, r.Trailer = io.NopCloser(bytes.NewReader(printed)), int64(len(printed)), nil
	b.r = r
}

// describesBody reports whether a field speaks of the body that it came with: of its
// form, length, coding or part (RFC 9110 section 8), of its hash (RFC 9530), of a
// signature over that (RFC 9421), or of the wish to be asked before it is sent.
func describesBody(name string) bool {
	name = authfield.FoldHeader(name)
	switch name {
	case "Digest", "Repr-Digest", "Signature", "Signature-Input", "Expect":
		return true
	}
	return strings.HasPrefix(name, "Content-")
}

// restored is a body whose beginning was read already.
type restored struct {
	io.Reader
	io.Closer
}

// beginning is the beginning of a body, as it is read to classify its request: within a time,
// and into memory that counts against its agent's share. What ends it for a reason of ours is
// why the body is unread.
type beginning struct {
	body   *body
	from   io.Reader
	weight int64 // of a byte
	until  time.Time
	next   time.Time // when the deadline is due to be set anew
	taken  int64
}

// begin begins to read the body; the caller calls done when enough was read, with how much
// memory stays in use beside what was taken.
func (b *body) begin(weight int64) *beginning {
	return &beginning{body: b, from: b.flow.Ahead(b.r.Body), weight: weight, until: time.Now().Add(b.bounds.most)}
}

func (b *beginning) done(beside int64) {
	b.body.flow.ReadBy(time.Time{})
	b.body.held.memory().Keep(b.taken + beside)
}

func (b *beginning) Read(p []byte) (int, error) {
	flow, bounds := b.body.flow, b.body.bounds
	if now := time.Now(); now.After(b.next) {
		b.next = now.Add(bounds.idle / 10)
		deadline := now.Add(bounds.idle)
		if deadline.After(b.until) {
			deadline = b.until
		}
		flow.ReadBy(deadline)
	}
	n, err := b.from.Read(p)
	b.taken += int64(n)
	if errors.Is(err, os.ErrDeadlineExceeded) && !flow.IsCut() {
		b.body.unread = slowBody.because("What the request does is in its body, which did not come within " + bounds.idle.String() + " without a pause, and " + bounds.most.String() + " in all.")
	}
	if !b.body.Room(int64(n) * b.weight) {
		return 0, errNoRoom
	}
	return n, err
}

var errNoRoom = errors.New("too much of this agent's requests is held at this time")
