package github

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"sallyport/audit"
	"sallyport/policy"
	"sallyport/services"
	"sallyport/services/github/api"
)

// pushed is the command list of a push.
type pushed struct {
	*api.Push      // nil if the request is no push, or its list was not read
	unread    bool // it was not read, because the policy denies the push whatever it says
}

func (p pushed) describe() map[string]any {
	refs, rest := listRefs(p.Updates, services.RowBytes)
	d := map[string]any{audit.DetailRefs: refs}
	if len(rest) > 0 {
		d[audit.DetailRefsTotal] = int64(len(p.Updates))
	}
	if len(p.Options) > 0 {
		d["push_options"] = int64(len(p.Options))
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
	if v.push.Push == nil {
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
func (p pushed) rejects() bool { return p.Push != nil && p.CanReport() }

// Refuse implements [services.Refuser]: a push is answered with a report that refuses each of
// its refs, and whatever else git asks for with an error that it shows.
func (v *visit) Refuse(w http.ResponseWriter, r *http.Request, f *services.Refusal) bool {
	if v.surface == api.Web {
		if g, ok := api.NewGitRefusal(r.Method, v.line.Path.String(), v.line.RawQuery); ok {
			refuseGit(w, g, f)
			return true
		}
	}
	if v.push.readRefused(f, v.line.Request.Header.Get("Content-Encoding")) {
		v.meaning = meaningOf(v.server, v.operations, v.push.Push)
	}
	if !v.push.rejects() {
		return false
	}
	v.push.refuse(w, f, &v.meaning)
	return true
}

// refuseGit answers in a form that git shows. Its status is 200, for git reads no other.
func refuseGit(w http.ResponseWriter, g api.GitRefusal, f *services.Refusal) {
	body := g.Body("sallyport: " + f.Title + ": " + strings.TrimSuffix(f.Detail, ".") + ". " + f.Hint + " (exchange " + f.Exchange + ")")
	f.Header(w.Header())
	w.Header().Set("Content-Type", g.Media)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(body) // the agent may be gone; the row is written either way
}

// refuse writes the report. git reads no answer before it has sent its pack, so the rest of
// that is read and dropped.
func (p pushed) refuse(w http.ResponseWriter, f *services.Refusal, m *policy.Meaning) {
	if _, err := io.Copy(io.Discard, f.Body); err != nil {
		// Returning would send an empty answer of 200, and git would wait for its rest
		// without end.
		panic(http.ErrAbortHandler)
	}
	reasons := make(map[string]string, len(p.Updates))
	for i, u := range p.Updates {
		reasons[u.Ref] = f.Reason(m, i)
	}
	var report bytes.Buffer
	message := "sallyport: " + f.Title + " (exchange " + f.Exchange + ")"
	_ = p.WriteRefusal(&report, message, func(u api.RefUpdate) string { return reasons[u.Ref] }) // a buffer takes everything
	f.Header(w.Header())
	w.Header().Set("Content-Type", api.PushResultType)
	w.Header().Set("Content-Length", strconv.Itoa(report.Len()))
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(report.Bytes()) // the agent may be gone; the row is written either way
}

// Bounds of a push that is refused unread, and whose list is read only for an answer in
// git's own words.
const (
	refusedList = 64 << 10
	refusedTime = 2 * time.Second
)

// readRefused reads the list of a push that was refused unread, if that is short and comes
// at once: git shows a person no other answer than one about its refs. It reports whether
// there is one now.
func (p *pushed) readRefused(f *services.Refusal, encoding string) bool {
	if !p.unread {
		return false
	}
	left := int64(refusedList)
	f.ReadBy(time.Now().Add(refusedTime))
	push, err := api.ReadPush(io.LimitReader(f.Body, refusedList), encoding, func(n int64) bool {
		left -= n
		return left >= 0
	})
	f.ReadBy(time.Time{})
	if err != nil {
		return false
	}
	p.Push = push
	return true
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
