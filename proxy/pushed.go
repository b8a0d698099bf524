package proxy

import (
	"fmt"
	"net/http"
	"strings"

	"sallyport/audit"
	github "sallyport/services/github/api"
)

// watchPush has the server's report on a push read while it passes by. Its status is 200
// whether the push was taken or not.
func (x *exchange) watchPush(response *http.Response) {
	c := x.classified
	if c == nil || !c.rejects() || response.StatusCode != http.StatusOK {
		return
	}
	x.watch = c.push.ReadReport(strings.Join(response.Header["Content-Encoding"], ","))
}

// pushed records what the server said of the push.
func (x *exchange) pushed(report github.Report) {
	updates := x.classified.push.Updates
	if !report.Whole {
		x.found("push_report", "unread")
	}
	if len(report.Rejected) == 0 {
		return
	}
	left := rowBytes
	var listed, rest []any
	for n, i := range report.Rejected {
		reason := ""
		if n < len(report.Reasons) {
			reason = x.plain(report.Reasons[n])
		}
		if left -= len(updates[i].Ref) + len(reason) + 20; left < 0 || n >= len(report.Reasons) {
			rest = append(rest, updates[i].Ref)
			continue
		}
		listed = append(listed, map[string]any{"ref": updates[i].Ref, "reason": reason})
	}
	x.found(audit.DetailRejected, listed)
	text := "the server rejected the push"
	if len(report.Rejected) == len(updates) {
		x.outcome.Outcome = audit.OutcomeRejected
	} else {
		text = fmt.Sprintf("the server rejected %d of %d refs", len(report.Rejected), len(updates))
	}
	if len(report.Reasons) > 0 && x.outcome.Error == "" {
		x.outcome.Error = text + ": " + updates[report.Rejected[0]].Ref + ": " + x.plain(report.Reasons[0])
	}
	if len(rest) > 0 {
		x.found("rejected_total", int64(len(report.Rejected)))
		if x.outcome.Outcome != audit.OutcomeRejected { // which says it of all
			x.recordRejected(rest)
		}
	}
}

// plain is a text of the upstream's without the injected value.
func (x *exchange) plain(text string) string {
	h := http.Header{"Text": {text}}
	x.injection.Scrub(h)
	return h.Get("Text")
}

// recordRejected records the rejected refs that the row has no room for.
func (x *exchange) recordRejected(refs []any) {
	for len(refs) > 0 {
		size, n := 0, 0
		for n < len(refs) && size < eventBytes {
			size += len(refs[n].(string)) + 8
			n++
		}
		if x.recordEvent(audit.TypeRejected, audit.DetailRejected, refs[:n]) != nil {
			return
		}
		refs = refs[n:]
	}
}
