package api

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Bounds of what is kept of a server's report.
const (
	maxRejections      = 100
	maxRejectionLength = 200
)

// Report is what the server says of a push in its answer, whose status is 200 whether it
// took the push or not (gitprotocol-pack(5), "Report Status").
type Report struct {
	// Whole: the report was read to its end. Without it nothing is known of the refs that
	// are not among Rejected.
	Whole bool
	// Rejected are the updates that the server did not make, by their place in the push.
	Rejected []int
	// Reasons are those of the first of them, shortened.
	Reasons []string
}

// ReportReader reads a report while the answer passes by. It keeps no more of it than what
// it says of each ref.
type ReportReader struct {
	push *Push
	to   *io.PipeWriter
	done chan struct{}

	status  []refStatus
	reasons map[int]string
	unpack  string // why the pack was not taken
	whole   bool
	next    int   // where the next ref is looked for first
	sorted  []int // the updates by their refs, once that was not enough
}

type refStatus uint8

const (
	untold refStatus = iota
	taken
	rejected
)

// ReadReport returns a reader of the answer to the push, which has this Content-Encoding.
// Close it, always.
func (p *Push) ReadReport(contentEncoding string) *ReportReader {
	from, to := io.Pipe()
	r := &ReportReader{
		push: p, to: to, done: make(chan struct{}),
		status: make([]refStatus, len(p.Updates)), reasons: map[int]string{},
	}
	go func() {
		defer close(r.done)
		r.whole = r.read(from, contentEncoding) == nil
		_, _ = io.Copy(io.Discard, from) // the rest says nothing
	}()
	return r
}

// Write takes a piece of the answer. It never fails.
func (r *ReportReader) Write(piece []byte) (int, error) { return r.to.Write(piece) }

// Close ends the answer and returns what it said.
func (r *ReportReader) Close() Report {
	_ = r.to.Close()
	<-r.done
	report := Report{Whole: r.whole}
	for i, status := range r.status {
		if status != rejected && r.unpack == "" {
			continue
		}
		report.Rejected = append(report.Rejected, i)
		reason := r.reasons[i]
		if reason == "" {
			reason = r.unpack
		}
		if len(report.Reasons) < maxRejections {
			report.Reasons = append(report.Reasons, reason)
		}
	}
	return report
}

var errReport = errors.New("the report is not in git's form")

func (r *ReportReader) read(from io.Reader, contentEncoding string) error {
	switch strings.ToLower(contentEncoding) {
	case "", "identity":
	case "gzip", "x-gzip":
		inflated, err := gzip.NewReader(from)
		if err != nil {
			return err
		}
		from = inflated
	default:
		return errReport
	}
	if r.push.sideBand() > 0 {
		from = &band{from: bufio.NewReaderSize(from, 4096), report: r}
	}
	lines := &pktReader{r: bufio.NewReaderSize(from, 4096)}
	for first := true; ; first = false {
		line, err := lines.read()
		switch {
		case err != nil:
			return err
		case line.flush && !first:
			return nil
		case line.flush:
			return errReport
		}
		text := strings.TrimSuffix(string(line.payload), "\n")
		if !first {
			r.take(text)
			continue
		}
		result, found := strings.CutPrefix(text, "unpack ")
		if !found {
			return errReport
		}
		if result != "ok" {
			r.unpack = oneLine("the pack was not taken: "+result, maxRejectionLength)
		}
	}
}

// take reads what is said of one ref. What follows it as an option does not change that.
func (r *ReportReader) take(line string) {
	word, rest, _ := strings.Cut(line, " ")
	ref, reason, _ := strings.Cut(rest, " ")
	if word != "ok" && word != "ng" {
		return
	}
	i := r.find(ref)
	switch {
	case i < 0:
	case word == "ok" && r.status[i] == untold:
		r.status[i] = taken
	case word == "ng":
		r.reject(i, reason)
	}
}

func (r *ReportReader) reject(i int, reason string) {
	r.status[i] = rejected
	if len(r.reasons) < maxRejections {
		r.reasons[i] = oneLine(reason, maxRejectionLength)
	}
}

// find returns the update of a ref, -1 if there is none. Servers report in the order of the
// commands.
func (r *ReportReader) find(ref string) int {
	updates := r.push.Updates
	if r.next < len(updates) && updates[r.next].Ref == ref {
		r.next++
		return r.next - 1
	}
	if r.sorted == nil {
		r.sorted = make([]int, len(updates))
		for i := range r.sorted {
			r.sorted[i] = i
		}
		slices.SortFunc(r.sorted, func(a, b int) int { return strings.Compare(updates[a].Ref, updates[b].Ref) })
	}
	at, found := slices.BinarySearchFunc(r.sorted, ref, func(i int, ref string) int { return strings.Compare(updates[i].Ref, ref) })
	if !found {
		return -1
	}
	r.next = r.sorted[at] + 1
	return r.sorted[at]
}

// band is the first of the bands into which an answer is multiplexed. The second is for
// people; an error on the third is the end, and nothing was done that was not reported.
type band struct {
	from   *bufio.Reader
	left   int
	report *ReportReader
}

func (b *band) Read(p []byte) (int, error) {
	for b.left == 0 {
		if err := b.head(); err != nil {
			return 0, err
		}
	}
	n, err := b.from.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// head reads the beginning of the next packet, and passes over one that is not of the first
// band.
func (b *band) head() error {
	var digits [4]byte
	if _, err := io.ReadFull(b.from, digits[:]); err != nil {
		return err
	}
	length := 0
	for _, c := range digits {
		if !isHex(c) {
			return errReport
		}
		length = length<<4 | int(unhex(c))
	}
	switch {
	case length == 0:
		return io.EOF
	case length < len(digits):
		return errReport
	case length == len(digits):
		return nil
	}
	number, err := b.from.ReadByte()
	if err != nil {
		return err
	}
	length -= len(digits) + 1
	switch number {
	case 1:
		b.left = length
		return nil
	case 2:
		_, err := b.from.Discard(length)
		return err
	case 3:
		text, err := io.ReadAll(io.LimitReader(b.from, int64(min(length, maxRejectionLength))))
		if err != nil {
			return err
		}
		return fmt.Errorf("the server broke off: %s", oneLine(string(text), maxRejectionLength))
	}
	return errReport
}
