package proxy

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"sallyport/audit"
	"sallyport/credentials"
	"sallyport/internal/authfield"
	"sallyport/policy"
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

// recorded is what a rule has a row keep of a request and its answer.
type recorded struct {
	list      *policy.Record // nil for nothing
	auth      *authfield.Table
	injection *credentials.Injection
}

// request keeps what the rule lists of the request.
func (k recorded) request(r *row, header http.Header, t *target) {
	if k.list == nil {
		return
	}
	authority := t.authority.Name.String()
	if kept := k.keep(k.list.Query, valuesIn(t.rawQuery, k.list.Query), func(name string) bool { return k.auth.Parameter(authority, name) }); kept != nil {
		r.detail(detailQuery, kept)
	}
	if kept := k.keep(k.list.Headers, header, k.auth.Header); kept != nil {
		r.detail(detailRequest, kept)
	}
}

// answer keeps what the rule lists of the answer.
func (k recorded) answer(r *row, header http.Header) {
	if k.list == nil {
		return
	}
	if kept := k.keep(k.list.Headers, header, k.auth.Header); kept != nil {
		r.found(detailResponse, kept)
	}
}

// valuesIn are the values in a query of the parameters named, decoded as a form is;
// what has no such reading is kept as it was sent.
func valuesIn(rawQuery string, names []string) http.Header {
	values := http.Header{}
	for pair := range strings.SplitSeq(rawQuery, "&") {
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

// keep is what a row keeps of the values named: nothing from where a credential
// is written, though the files are refused that list it, and what the injected
// secret is in without it.
func (k recorded) keep(names []string, values http.Header, secret func(name string) bool) map[string]any {
	found := http.Header{}
	for _, name := range names {
		if !secret(name) && len(values[name]) > 0 {
			found[name] = slices.Clone(values[name])
		}
	}
	if len(found) == 0 {
		return nil
	}
	k.injection.Scrub(found)
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
