package proxy

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"sallyport/internal/host"
	"sallyport/policy"
	"sallyport/services"
)

// secondPath is what a request names beside its own path, at the same host: where it copies
// or moves to, or what it copies. Policy is asked about each.
type secondPath struct {
	field string
	path  policy.Path
}

// pathForm is how a field names a second path. The zero pathForm names none.
type pathForm uint8

const (
	byURL       pathForm = iota + 1 // a URL, or an absolute path (RFC 4918 section 10.3)
	byPath                          // an absolute path
	byBucket                        // BUCKET/KEY, with or without a slash before it
	byHost                          // HOST/KEY
	byContainer                     // CONTAINER/OBJECT of the account in the request's path
	byOperation                     // in a form that only the service's own operations tell
)

// checkDestination reads where WebDAV copies or moves to.
func (t *target) checkDestination(r *http.Request) *refusal {
	values := r.Header["Destination"]
	if len(values) == 0 {
		return nil
	}
	if strings.Contains(values[0], "?") { // of a place to write to, nobody knows what that means
		return malformedRequest.because("The field Destination cannot be read as one path.")
	}
	return t.readSecondPath(r, "Destination", byURL)
}

// checkSources reads the sources of copies, but for those that the request's visit has named.
func (t *target) checkSources(r *http.Request, visit services.Visit) *refusal {
	namer, _ := visit.(services.Sourcer)
	for _, field := range t.sources {
		if namer != nil && namer.NamesSource(field) {
			continue
		}
		if refusal := t.readSecondPath(r, field, secondReadings[field].second); refusal != nil {
			return refusal
		}
	}
	return nil
}

func (t *target) readSecondPath(r *http.Request, field string, form pathForm) *refusal {
	values := r.Header[field]
	if len(values) != 1 || values[0] == "" || strings.ContainsFunc(values[0], isUnfit) {
		return malformedRequest.because("The field " + field + " cannot be read as one path.")
	}
	text, err := t.secondPathText(r, values[0], form)
	switch {
	case errors.Is(err, errElsewhere):
		return wrongAuthority.because("The field " + field + " names another host than the request.")
	case err != nil:
		return malformedRequest.because("The field " + field + " is refused: " + err.Error() + ".")
	}
	path, err := policy.ParsePath(text)
	if err != nil {
		return malformedRequest.causedBy("The field "+field+" is refused: "+err.Error()+".", err)
	}
	t.second = append(t.second, secondPath{field, path})
	return nil
}

var (
	errPlus      = errors.New("some servers read its + as a space; write %2B or %20")
	errElsewhere = errors.New("it names another host")
	errUnread    = errors.New("it cannot be read as one path")
	errBucket    = errors.New("it names another bucket than the request, which no rule about this host's paths can judge")
)

// secondPathText is the path, as it would be sent. Queries, which name versions or hold
// signatures, are left out.
func (t *target) secondPathText(r *http.Request, value string, form pathForm) (string, error) {
	path, query, _ := strings.Cut(value, "?")
	switch {
	case form != byURL && strings.Contains(query, "/"): // of a key, for who knows no queries there
		return "", errUnread
	case form > byPath && strings.Contains(path, "+"):
		return "", errPlus
	}
	switch form {
	case byURL:
		return t.pathOfURL(r, value)
	case byPath:
		if !strings.HasPrefix(path, "/") {
			return "", errUnread
		}
		return path, nil
	case byHost:
		name, _, _ := strings.Cut(value, "/")
		if strings.Contains(name, ":") {
			return "", errUnread
		}
		return t.pathOfURL(r, t.scheme+"://"+value)
	case byBucket:
		return t.pathInBucket(strings.TrimPrefix(path, "/"))
	case byContainer:
		version, rest, _ := strings.Cut(strings.TrimPrefix(t.rawPath, "/"), "/")
		account, _, found := strings.Cut(rest, "/")
		if !found {
			return "", errUnread
		}
		return "/" + version + "/" + account + "/" + strings.TrimPrefix(path, "/"), nil
	case byOperation:
	}
	return "", errUnread
}

// pathOfURL is the path of a URL at the request's own host.
func (t *target) pathOfURL(r *http.Request, value string) (string, error) {
	u, err := url.Parse(value)
	if err != nil || u.Opaque != "" || u.User != nil || u.Fragment != "" {
		return "", errUnread
	}
	if u.Host == "" && u.Scheme == "" {
		return u.EscapedPath(), nil
	}
	port := uint16(443)
	if t.scheme == "http" {
		port = 80
	}
	named, err := host.ParseAuthority(u.Host, port)
	if err != nil || named != t.ownAuthority(r, port) || !strings.EqualFold(u.Scheme, t.scheme) {
		return "", errElsewhere
	}
	return u.EscapedPath(), nil
}

// pathInBucket is the path of BUCKET/KEY, where the request names the same bucket: before its
// host or at the start of its path. What else a store keeps, no rule about this host can judge.
func (t *target) pathInBucket(source string) (string, error) {
	bucket, key, found := strings.Cut(source, "/")
	own, _, _ := strings.Cut(strings.TrimPrefix(t.rawPath, "/"), "/")
	label, _, _ := strings.Cut(t.authority.Name.String(), ".")
	inPath, inHost := bucket == own, bucket == label
	switch {
	case !found || bucket == "" || inPath && inHost:
		return "", errUnread
	case inHost:
		return "/" + key, nil
	case inPath:
		return "/" + source, nil
	}
	return "", errBucket
}

// ownAuthority is where the request goes; outside a tunnel that is checked later.
func (t *target) ownAuthority(r *http.Request, port uint16) host.Authority {
	if t.authority.Port != 0 {
		return t.authority
	}
	named, _ := host.ParseAuthority(r.Host, port)
	return named
}
