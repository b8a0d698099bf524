package proxy

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"sallyport/audit"
)

// recordedBytes bounds the values of one kind that a row keeps, so that they
// never crowd out what else its details say.
const recordedBytes = 4 << 10

// The keys of details under which a row keeps what its rule lists.
const (
	detailQuery    = "query"
	detailRequest  = "request_headers"
	detailResponse = "response_headers"
)

// recordRequest keeps what the deciding rule lists of the request.
func (x *exchange) recordRequest() {
	list := x.decision.Record
	if list == nil {
		return
	}
	auth := x.generation.authFields()
	authority := x.target.authority.Name.String()
	if kept := x.kept(list.Query, x.queryValues(list.Query), func(name string) bool { return auth.Parameter(authority, name) }); kept != nil {
		x.detail(detailQuery, kept)
	}
	if kept := x.kept(list.Headers, x.r.Header, auth.Header); kept != nil {
		x.detail(detailRequest, kept)
	}
}

// recordAnswer keeps what the deciding rule lists of the answer.
func (x *exchange) recordAnswer(header http.Header) {
	if x.decision.Record == nil {
		return
	}
	kept := x.kept(x.decision.Record.Headers, header, x.generation.authFields().Header)
	if kept == nil {
		return
	}
	x.found(detailResponse, kept)
}

// queryValues are the values of the parameters named, decoded as a form is;
// what has no such reading is kept as it was sent.
func (x *exchange) queryValues(names []string) http.Header {
	values := http.Header{}
	for pair := range strings.SplitSeq(x.target.rawQuery, "&") {
		name, value, _ := strings.Cut(pair, "=")
		if decoded, err := url.QueryUnescape(name); err == nil {
			name = decoded
		}
		if !slices.Contains(names, name) {
			continue
		}
		if decoded, err := url.QueryUnescape(value); err == nil {
			value = decoded
		}
		values[name] = append(values[name], value)
	}
	return values
}

// kept is what a row keeps of the values named: nothing from where a credential
// is written, though the files are refused that list it, and what the injected
// secret is in without it.
func (x *exchange) kept(names []string, values http.Header, secret func(name string) bool) map[string]any {
	found := http.Header{}
	for _, name := range names {
		if !secret(name) && len(values[name]) > 0 {
			found[name] = slices.Clone(values[name])
		}
	}
	if len(found) == 0 {
		return nil
	}
	x.injection.Scrub(found)
	kept, left := map[string]any{}, recordedBytes
	for _, name := range names {
		var list []string
		for _, value := range found[name] {
			value = audit.Cut(value)
			if left -= len(value); left < 0 {
				value = "…"
			}
			list = append(list, value)
			if left < 0 {
				break
			}
		}
		if list != nil {
			kept[name] = list
		}
	}
	return kept
}
