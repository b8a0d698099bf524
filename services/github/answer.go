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

// holding is which secrets an answer may hold. That is told from what was asked and where,
// not from the answer's status or media type, which a request can choose: with a callback it
// gets JavaScript in place of JSON, with a range 206 in place of 200.
type holding uint8

const (
	nothingLive    holding = iota
	cloneTokens            // tokens to clone with, in what describes a repository
	transfers              // authorizations for transfers of LFS
	registryTokens         // a container registry's own
	anyLive                // tokens or authorizations: how the server reads the path is not known
)

// answered is the part of a visit that looks after the answer.
type answered struct {
	request
	batch bool // of LFS, whose answer authorizes transfers
}

// holds says which secrets may be in the answer to a request that carries a credential. It
// goes by the surface, because a policy can also allow requests that have no name.
func (a *answered) holds() holding {
	switch {
	case a.surface == api.Packages && a.asksRegistry():
		return registryTokens
	case a.isOdd():
		return anyLive
	case a.surface == api.API || a.surface == api.Uploads:
		return cloneTokens
	case a.surface == api.Web && !a.speaksGit():
		return transfers // without a name too: a server may read an odd form of a path as LFS
	}
	return nothingLive
}

// isOdd reports whether an Enterprise Server may read the path as one of another surface. Its
// surfaces are paths of one host, and a proxy in front of it may decode escapes, merge slashes,
// drop parameters, resolve dots or ignore case. A request without a name, to its web site or to
// a host of its that has no operations, may therefore be anything. Every signed link has a name,
// and so have pages of the web site, which therefore says nothing.
func (a *answered) isOdd() bool {
	switch {
	case !a.server.Enterprise(), len(a.operations) > 0 && a.surface != api.Download && !a.operations[0].Page:
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

// Shape implements [services.Shaper]: the answer is to come whole and uncompressed, since a
// part of it may hold a token without the name by which it is found.
func (a *answered) Shape(h http.Header, live bool) {
	live = live && a.holds() != nothingLive
	if live || a.isDocument() || a.creates() {
		h["Accept-Encoding"] = []string{"identity"}
	}
	if live {
		for _, name := range []string{"Range", "If-Range", "Request-Range", "A-Im"} { // RFC 9110 section 14, an old name of it, RFC 3229
			delete(h, name)
		}
	}
}

// Check implements [services.Checker]: it refuses the parameter that makes GitHub answer in
// JavaScript (its documents call it JSON-P), which no client of an agent needs. Tokens would be
// taken out of such an answer as well; this is a second safeguard.
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

// Answer implements [services.Answerer]: it takes tokens and authorizations out of an answer.
// When the agent makes a request for which one was meant, the policy is asked about that
// request, and only then is the authorization put on it.
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
	default: // an error, such as a page of HTML during maintenance: its status says enough
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

// Unpack implements [services.Answerer]: it undoes the compression of an error that might hold
// a secret. Middle boxes compress unasked, and an agent needs to read why its request failed.
// An error that is too long, or not gzip, stays compressed, and [answered.Answer] withholds it.
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
	return true // so much white space may be there to hide JSON
}

// givesFile reports whether the answer is the content of a file, or a diff, which must not be
// changed. That depends on the operation too: for an issue, ".raw" is JSON that describes the
// issue and its repository and only has the text unrendered.
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
