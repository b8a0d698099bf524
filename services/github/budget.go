package github

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"time"

	"sallyport/credentials/budget"
	"sallyport/services"
	"sallyport/services/github/api"
	"sallyport/services/github/limit"
)

// Points of GitHub's secondary limits ("Rate limits for the REST API").
const (
	readPoints  = 1
	writePoints = 5
)

// Ask implements [services.Budgeter]: which of GitHub's budgets the request counts against.
// What is no request to its API counts against none.
func (v *visit) Ask(agent string) budget.Ask {
	ask := budget.Ask{Agent: agent, Resource: "core"}
	if v.surface != api.API && v.surface != api.Uploads {
		return ask
	}
	ask.Points = readPoints
	switch v.line.Request.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
	default:
		ask.Points = writePoints
	}
	if len(v.operations) > 0 {
		switch name := v.operations[0].Name; {
		case strings.HasPrefix(name, "graphql/"):
			ask.Resource, ask.Points = "graphql", readPoints
			if strings.HasPrefix(name, "graphql/mutation.") {
				ask.Points = writePoints
			}
		case name == "search/code":
			ask.Resource = "code_search"
		case strings.HasPrefix(name, "search/"):
			ask.Resource = "search"
		}
	}
	if !v.server.Enterprise() {
		ask.Limits = limit.Beside(ask.Resource)
	}
	return ask
}

// Told implements [services.Budgeter].
func (v *visit) Told(response *http.Response, now time.Time) budget.Answer {
	v.told = limit.Read(response.StatusCode, response.Header, now)
	return v.told
}

// Watch implements [services.Watcher].
func (v *visit) Watch(response *http.Response, charged bool) services.Watch {
	status := response.StatusCode
	switch {
	case v.push.rejects() && status == http.StatusOK:
		return &pushWatch{v.push.Updates, v.push.ReadReport(strings.Join(response.Header["Content-Encoding"], ","))}
	case v.isDocument() && status == http.StatusOK:
		w := &documentWatch{}
		if v.operations[0].Addresses {
			w.made = &madeWatch{read: v.server.MadeByDocument}
		}
		return w
	case v.tellsMade(response):
		return &madeWatch{read: v.server.MadeBy}
	case v.describes(response):
		return &describedWatch{v: v}
	case charged && v.told.Backoff == 0 && (status == http.StatusForbidden || status == http.StatusTooManyRequests):
		return &secondaryWatch{gzip: strings.EqualFold(response.Header.Get("Content-Encoding"), "gzip")}
	}
	return nil
}

// documentWatch reads what a GraphQL answer says of errors, and of what was made.
type documentWatch struct {
	api.GraphQLAnswer

	made *madeWatch // nil if it says nothing of that
}

func (d *documentWatch) Write(p []byte) (int, error) {
	if d.made != nil {
		_, _ = d.made.Write(p)
	}
	return d.GraphQLAnswer.Write(p)
}

// Close implements [services.Watch].
func (d *documentWatch) Close(clean func([]string)) (f services.Findings) {
	if d.made != nil {
		f.Details = d.made.details(clean)
	}
	errors := d.Errors()
	if len(errors) == 0 {
		return f
	}
	clean(errors)
	list := make([]any, len(errors))
	for i, text := range errors {
		list[i] = text
	}
	if f.Details == nil {
		f.Details = map[string]any{}
	}
	f.Details["graphql_errors"] = list
	f.Error = "GraphQL: " + errors[0]
	return f
}

// secondaryWatch keeps the beginning of a refusal, whose text says whether it is for a
// secondary limit.
type secondaryWatch struct {
	gzip bool
	kept []byte
}

const maxBeginning = 4 << 10

func (b *secondaryWatch) Write(p []byte) (int, error) {
	b.kept = append(b.kept, p[:min(len(p), maxBeginning-len(b.kept))]...)
	return len(p), nil
}

// Close implements [services.Watch].
func (b *secondaryWatch) Close(func([]string)) services.Findings {
	told := limit.Secondary(b.text())
	return services.Findings{Account: &told}
}

// text is what it says, as far as it was kept.
func (b *secondaryWatch) text() []byte {
	if !b.gzip {
		return b.kept
	}
	z, err := gzip.NewReader(bytes.NewReader(b.kept))
	if err != nil {
		return nil
	}
	text, _ := io.ReadAll(io.LimitReader(z, maxBeginning)) // what is cut off says nothing more
	return text
}
