package github

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"sallyport/audit"
	"sallyport/services"
	"sallyport/services/github/api"
)

func (v *visit) describePush() map[string]any {
	refs, rest := listRefs(v.push.Updates, services.RowBytes)
	d := map[string]any{audit.DetailRefs: refs}
	if len(rest) > 0 {
		d[audit.DetailRefsTotal] = int64(len(v.push.Updates))
	}
	if len(v.push.Options) > 0 {
		d["push_options"] = int64(len(v.push.Options))
	}
	return d
}

// listRefs lists updates for the trail, as many as fit into size.
func listRefs(updates []api.RefUpdate, size int) (list []any, rest []api.RefUpdate) {
	for i, u := range updates {
		if size -= len(u.Ref) + len(u.Old) + len(u.New) + 40; size < 0 {
			return list, updates[i:]
		}
		list = append(list, map[string]any{"ref": u.Ref, "old": u.Old, "new": u.New, "update": string(u.Update)})
	}
	return list, nil
}

// Beside implements [services.Besider]: the refs of a large push, each with what it was and
// what it becomes.
func (v *visit) Beside() (lists []services.List) {
	if v.push == nil {
		return nil
	}
	_, rest := listRefs(v.push.Updates, services.RowBytes)
	for len(rest) > 0 {
		var refs []any
		refs, rest = listRefs(rest, services.EventBytes)
		lists = append(lists, services.List{Type: audit.TypePushRefs, Key: audit.DetailRefs, Items: refs})
	}
	return lists
}

// rejects reports whether a refusal is to be told in git's own protocol, because git shows a
// person nothing else.
func (v *visit) rejects() bool { return v.push != nil && v.push.CanReport() }

// Refuse implements [services.Refuser]: a push is answered with a report that refuses each of
// its refs. git reads no answer before it has sent its pack, so the rest of that is read and
// dropped.
func (v *visit) Refuse(w http.ResponseWriter, _ *http.Request, f *services.Refusal) bool {
	v.readRefused(f)
	if !v.rejects() {
		return false
	}
	if _, err := io.Copy(io.Discard, f.Body); err != nil {
		// To return would be an empty answer of 200, for the rest of which git waits
		// for ever.
		panic(http.ErrAbortHandler)
	}
	reasons := make(map[string]string, len(v.push.Updates))
	for i, u := range v.push.Updates {
		reasons[u.Ref] = f.Reason(&v.meaning, i)
	}
	var report bytes.Buffer
	message := "sallyport: " + f.Title + " (exchange " + f.Exchange + ")"
	_ = v.push.WriteRefusal(&report, message, func(u api.RefUpdate) string { return reasons[u.Ref] }) // a buffer takes everything
	f.Header(w.Header())
	w.Header().Set("Content-Type", api.PushResultType)
	w.Header().Set("Content-Length", strconv.Itoa(report.Len()))
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(report.Bytes()) // the agent may be gone; the row is written either way
	return true
}

// Bounds of a push that is refused unread, and whose list is read only for an answer in
// git's own words.
const (
	refusedList = 64 << 10
	refusedTime = 2 * time.Second
)

// readRefused reads the list of a push that was refused unread, if that is short and comes
// at once: git shows a person no other answer than one about its refs.
func (v *visit) readRefused(f *services.Refusal) {
	if !v.refusedPush {
		return
	}
	left := int64(refusedList)
	f.ReadBy(time.Now().Add(refusedTime))
	push, err := api.ReadPush(io.LimitReader(f.Body, refusedList), v.line.Request.Header.Get("Content-Encoding"), func(n int64) bool {
		left -= n
		return left >= 0
	})
	f.ReadBy(time.Time{})
	if err == nil {
		v.push, v.meaning = push, meaningOf(v.server, v.operations, push)
	}
}

// pushWatch reads the server's report on a push while it passes by. Its status is 200 whether
// the push was taken or not.
type pushWatch struct {
	updates []api.RefUpdate
	*api.ReportReader
}

// Close implements [services.Watch].
func (p *pushWatch) Close(clean func([]string)) (f services.Findings) {
	report := p.ReportReader.Close()
	f.Details = map[string]any{}
	if !report.Whole {
		f.Details["push_report"] = "unread"
	}
	if len(report.Rejected) == 0 {
		return f
	}
	clean(report.Reasons)
	listed, rest := listRejected(p.updates, report)
	f.Details[audit.DetailRejected] = listed
	text := "the server rejected the push"
	if f.Rejected = len(report.Rejected) == len(p.updates); !f.Rejected {
		text = fmt.Sprintf("the server rejected %d of %d refs", len(report.Rejected), len(p.updates))
	}
	if len(report.Reasons) > 0 {
		f.Error = text + ": " + p.updates[report.Rejected[0]].Ref + ": " + report.Reasons[0]
	}
	if len(rest) > 0 {
		f.Details[audit.DetailRejectedTotal] = int64(len(report.Rejected))
		if !f.Rejected { // which says it of all
			f.Beside = besideRejected(rest)
		}
	}
	return f
}

// listRejected lists the rejected refs, as many as a row has room for, each with the server's
// reason.
func listRejected(updates []api.RefUpdate, report api.Report) (listed, rest []any) {
	left := services.RowBytes
	for n, i := range report.Rejected {
		reason := ""
		if n < len(report.Reasons) {
			reason = report.Reasons[n]
		}
		if left -= len(updates[i].Ref) + len(reason) + 20; left < 0 || n >= len(report.Reasons) {
			rest = append(rest, updates[i].Ref)
			continue
		}
		listed = append(listed, map[string]any{"ref": updates[i].Ref, "reason": reason})
	}
	return listed, rest
}

// besideRejected is the rejected refs that the row has no room for.
func besideRejected(refs []any) (lists []services.List) {
	for len(refs) > 0 {
		size, n := 0, 0
		for n < len(refs) && size < services.EventBytes {
			size += len(refs[n].(string)) + 8
			n++
		}
		lists = append(lists, services.List{Type: audit.TypePushRejected, Key: audit.DetailRejected, Items: refs[:n]})
		refs = refs[n:]
	}
	return lists
}
