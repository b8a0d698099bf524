package github

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"sallyport/credentials"
	"sallyport/internal/host"
	"sallyport/services"
	"sallyport/services/github/api"
)

// holding is what an answer may hold that is live. What was asked, and where, tells; the
// status and the media type of an answer do not, for a request can choose them: a callback
// makes JavaScript of JSON, a range makes 206 of 200.
type holding uint8

const (
	nothingLive    holding = iota
	cloneTokens            // tokens to clone with, in what describes a repository
	transfers              // authorizations for transfers of LFS
	registryTokens         // a container registry's own
	anyLive                // any of these but the registry's: what the server takes the path for is not known
)

// answered is a request by what may come back. It has what of a visit is about its answer.
type answered struct {
	request
	batch bool // of LFS, whose answer authorizes transfers
}

// holds says what may be live in the answer to a request that carries a credential. What has no
// name may be let out too, so that surfaces count and not names.
func (a *answered) holds() holding {
	switch {
	case a.surface == api.Packages && a.asksRegistry():
		return registryTokens
	case a.isOdd():
		return anyLive
	case a.surface == api.API || a.surface == api.Uploads:
		return cloneTokens
	case a.surface == api.Web && !a.speaksGit():
		return transfers // what has no name too: a server may take odd forms of a path for LFS
	}
	return nothingLive
}

// isOdd reports whether an Enterprise Server may take a path for one of another surface: its
// surfaces are paths of one host, and what stands before it may undo escapes, merge slashes,
// drop parameters, resolve dots or look at no case. What nobody knows by name on its site, or
// on a host of its that has no use here, may be anything. A signed link has a name whatever its
// path is.
func (a *answered) isOdd() bool {
	switch {
	case !a.server.Enterprise(), len(a.operations) > 0 && a.surface != api.Download:
		return false
	case a.surface == api.Other, a.surface == api.Web:
		return true
	}
	path := a.line.Path.String()
	return a.line.Authority.Name.String() == a.server.Host() &&
		(strings.ContainsAny(path, `%;\`) || strings.Contains(path, "//") || strings.Contains(path, "/."))
}

// asksRegistry reports whether the request asks a container registry for a token
// (distribution.github.io, "Token Authentication Specification"), in odd forms too. A manifest
// can be tagged so, and a package of npm's called so; they are no tokens.
func (a *answered) asksRegistry() bool {
	label, _, _ := strings.Cut(a.line.Authority.Name.String(), ".")
	name, err := url.PathUnescape(a.line.Path.String())
	name, _, _ = strings.Cut(name, ";")
	switch {
	case slices.Contains([]string{"npm", "maven", "nuget", "rubygems"}, label), err == nil && strings.Contains(name, "/manifests/"):
		return false
	}
	return err != nil || strings.EqualFold(path.Base(path.Clean(name)), "token")
}

// Shape implements [services.Shaper]: it takes from a request what would have its answer come
// in a form that cannot be looked through: compressed, or only a part, in which a token may lie
// without its name.
func (a *answered) Shape(h http.Header, live bool) {
	live = live && a.holds() != nothingLive
	if live || a.isDocument() {
		h["Accept-Encoding"] = []string{"identity"}
	}
	if live {
		for _, name := range []string{"Range", "If-Range", "Request-Range", "A-Im"} { // RFC 9110 section 14, an old name of it, RFC 3229
			delete(h, name)
		}
	}
}

// Check implements [services.Checker]: it refuses what has GitHub answer in JavaScript (its
// documents call it JSON-P). The answer would be looked through all the same; but no client of
// an agent needs it.
func (a *answered) Check(live bool) (detail, hint string) {
	if !live || a.holds() == nothingLive {
		return "", ""
	}
	rest := credentials.RemoveParameters(a.line.RawQuery, func(name string) bool {
		return strings.EqualFold(name, "callback") || len(name) > 8 && strings.EqualFold(name[:9], "callback[")
	})
	if rest == a.line.RawQuery {
		return "", ""
	}
	return "The query parameter callback is refused: it has the answer come as JavaScript, and answers that may hold a token are let in as JSON only.",
		"Leave callback out and read the JSON."
}

// Answer implements [services.Answerer]: it takes what is live out of an answer. The requests
// that it is for are requests of their own, and policy is asked about each.
func (a *answered) Answer(response *http.Response, k services.Keeper) error {
	var take func([]byte) ([]byte, error)
	fromBatch := func(body []byte) ([]byte, error) { return takeFromBatch(body, k) }
	switch what := a.holds(); {
	case isLFS(response):
		take = fromBatch
	case what == transfers && (a.batch || beginsAsJSON(response)):
		take = fromBatch
	case what == anyLive && beginsAsJSON(response):
		take = func(body []byte) ([]byte, error) {
			body, err := fromBatch(body)
			if err != nil {
				return nil, err
			}
			return io.ReadAll(api.WithoutCloneTokens(bytes.NewReader(body)))
		}
	case what == registryTokens:
		take = func(body []byte) ([]byte, error) {
			return api.TakeRegistryTokens(body, func(token string, life time.Duration) string {
				return k.Keep(a.line.Authority, "", "Bearer "+token, life)
			})
		}
	case what == anyLive, what == cloneTokens && !a.givesFile(response):
		return withoutCloneTokens(response)
	default:
		return nil
	}
	body, err := readAnswer(response, api.MaxLFSAnswer)
	if err == nil && len(bytes.TrimSpace(body)) > 0 {
		body, err = take(body)
	}
	switch {
	case err == nil:
	case response.StatusCode < http.StatusMultipleChoices:
		return &services.Unreadable{Detail: "The answer may hold an authorization, and cannot be read.", Err: err}
	default: // the status tells what there is to tell: a page of HTML that says "down for maintenance"
		body = nil
		delete(response.Header, "Content-Encoding")
		k.Note("withheld", "the body of the answer, in which an authorization might be and which cannot be read: "+err.Error())
	}
	replaceBody(response, body)
	return nil
}

func takeFromBatch(body []byte, k services.Keeper) ([]byte, error) {
	return api.TakeLFSAuthorizations(body, k.Now(), func(a api.Authorization) string {
		u, err := url.Parse(a.Href)
		if err != nil || u.Scheme != "https" || u.User != nil {
			return "" // nothing that Sallyport would put an authorization on
		}
		to, err := host.ParseAuthority(u.Host, 443)
		if err != nil {
			return ""
		}
		handle := k.Keep(to, u.RequestURI(), a.Value, a.Life)
		if handle == "" {
			return ""
		}
		return "Bearer " + handle
	})
}

// maxUnpacked bounds an error, compressed or not.
const maxUnpacked = 1 << 20

// Unpack implements [services.Answerer]: it undoes the compression of an error in which something live might be: middle boxes
// compress what was not asked for so, and why a request failed is worth the while. What is
// longer or odd stays as it is, and is not let in.
func (a *answered) Unpack(response *http.Response) {
	if response.StatusCode < http.StatusMultipleChoices || a.holds() == nothingLive || !slices.Equal(response.Header["Content-Encoding"], []string{"gzip"}) {
		return
	}
	packed, _ := io.ReadAll(io.LimitReader(response.Body, maxUnpacked))
	response.Body = &struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(packed), response.Body), response.Body}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return
	}
	body, err := io.ReadAll(io.LimitReader(z, maxUnpacked+1))
	if err != nil || len(body) > maxUnpacked {
		return
	}
	_ = response.Body.Close()
	delete(response.Header, "Content-Encoding")
	replaceBody(response, body)
}

// replaceBody puts another body in the place of the one that was read.
func replaceBody(response *http.Response, body []byte) {
	response.Body = io.NopCloser(bytes.NewReader(body))
	response.ContentLength = int64(len(body))
	response.Header.Set("Content-Length", strconv.Itoa(len(body)))
	for _, name := range []string{"Etag", "Content-Md5", "Digest", "Content-Digest", "Repr-Digest"} {
		delete(response.Header, name) // of the body as it was
	}
}

// lfsMedia is what LFS servers answer in.
const lfsMedia = "application/vnd.git-lfs+json"

func isLFS(response *http.Response) bool { return mediaOf(response) == lfsMedia }

func mediaOf(response *http.Response) string {
	media, _, _ := strings.Cut(response.Header.Get("Content-Type"), ";")
	return strings.ToLower(strings.TrimSpace(media))
}

// maxBlank is how much white space before JSON is looked past.
const maxBlank = 64

// peekable is a body of which the beginning has been looked at.
type peekable struct {
	*bufio.Reader
	io.Closer
}

// beginsAsJSON looks at the first bytes of an answer. One that is encoded could hold
// anything.
func beginsAsJSON(response *http.Response) bool {
	if plainlyEncoded(response) != nil || isPart(response) != nil {
		return true
	}
	body := &peekable{bufio.NewReaderSize(response.Body, maxBlank), response.Body}
	response.Body = body
	for n := 1; n <= maxBlank; n++ {
		begins, err := body.Peek(n)
		if err != nil {
			return false // nothing but white space came
		}
		if c := begins[n-1]; strings.IndexByte(" \t\r\n\xef\xbb\xbf", c) < 0 { // or a byte order mark
			return c == '{' || c == '['
		}
	}
	return true // or what wants to hide that it is
}

// givesFile reports whether the answer is a file or a difference as it is, which must not be
// changed. It is by what was asked, for ".raw" alone means other things elsewhere: the text of
// an issue, inside of what describes the issue and its repository.
func (a *answered) givesFile(response *http.Response) bool {
	if len(a.operations) != 1 {
		return false
	}
	media := mediaOf(response)
	switch a.operations[0].Name {
	case "repos/get-content", "repos/get-readme", "repos/get-readme-in-directory", "git/get-blob":
		return strings.Contains(media, ".raw")
	case "repos/get-release-asset":
		return media == "application/octet-stream"
	case "pulls/get", "repos/get-commit", "repos/compare-commits", "repos/compare-commits-with-basehead":
		return strings.HasSuffix(media, ".diff") || strings.HasSuffix(media, ".patch")
	}
	return false
}

// withoutCloneTokens empties them as the answer passes.
func withoutCloneTokens(response *http.Response) error {
	if err := errors.Join(plainlyEncoded(response), isPart(response)); err != nil {
		return &services.Unreadable{Detail: "The answer may hold a token, and cannot be read.", Err: err}
	}
	response.Body = &struct {
		io.Reader
		io.Closer
	}{api.WithoutCloneTokens(response.Body), response.Body}
	return nil
}

func plainlyEncoded(response *http.Response) error {
	if encodings := response.Header["Content-Encoding"]; slices.ContainsFunc(encodings, func(e string) bool { return e != "" && !strings.EqualFold(e, "identity") }) {
		return fmt.Errorf("it is encoded as %.40q, which was not asked for", strings.Join(encodings, ", "))
	}
	return nil
}

// isPart is the error that only a part came, which was not asked for either.
func isPart(response *http.Response) error {
	_, ranged := response.Header["Content-Range"]
	if response.StatusCode == http.StatusPartialContent || ranged && response.StatusCode < http.StatusBadRequest || response.StatusCode == http.StatusIMUsed {
		return errors.New("it is only a part, which was not asked for")
	}
	return nil
}

// readAnswer reads a whole answer of bounded size.
func readAnswer(response *http.Response, most int64) ([]byte, error) {
	defer func() { _ = response.Body.Close() }()
	if err := errors.Join(plainlyEncoded(response), isPart(response)); err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, most+1))
	switch {
	case err != nil:
		return nil, err
	case int64(len(body)) > most:
		return nil, fmt.Errorf("it is longer than %d bytes", most)
	}
	return body, nil
}
