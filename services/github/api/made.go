package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/url"
	"regexp"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// Made is what a request has made, as an answer of GitHub's tells it.
type Made struct {
	URL  string // of its page
	Mark string // the same in the one form by which it is found: see [MarkOf]
}

// maxMade bounds what one answer can tell.
const maxMade = 20

// MadeBy reads from an answer to a call that creates something what that is: its html_url, if
// that is a page of the server's. The answer's end may be cut off.
func (s Service) MadeBy(answer []byte) (all []Made) {
	d := json.NewDecoder(bytes.NewReader(answer))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return nil
	}
	eachMember(d, func(key string) error {
		if key != "html_url" {
			return skip(d)
		}
		var text string
		err := d.Decode(&text)
		if made, ok := s.made(text); ok && err == nil {
			all = append(all[:0], made)
		}
		return err
	})
	return all
}

// MadeByDocument is the same for an answer to a GraphQL document: every url in it. The document
// must ask for nothing else under that name, see [Operation.Addresses].
func (s Service) MadeByDocument(answer []byte) (all []Made) {
	r := urlReader{d: json.NewDecoder(bytes.NewReader(answer)), take: func(text string) bool {
		if made, ok := s.made(text); ok {
			all = append(all, made)
		}
		return len(all) < maxMade
	}}
	_ = r.value(0, false) // the end, or the cut
	return all
}

// urlReader finds the texts that stand under the key url.
type urlReader struct {
	d    *json.Decoder
	take func(text string) bool // false for enough
}

// maxAnswerDepth is deeper than any answer to a document that is taken.
const maxAnswerDepth = 64

var errEnough = errors.New("enough")

func (r *urlReader) value(depth int, isURL bool) error {
	token, err := r.d.Token()
	if err != nil || depth > maxAnswerDepth {
		return errors.Join(err, errEnough)
	}
	switch token := token.(type) {
	case string:
		if isURL && !r.take(token) {
			return errEnough
		}
	case json.Delim:
		for r.d.More() {
			under := false
			if token == '{' {
				key, err := r.d.Token()
				if err != nil {
					return err
				}
				under = key == "url"
			}
			if err := r.value(depth+1, under); err != nil {
				return err
			}
		}
		_, err = r.d.Token()
	}
	return err
}

func (s Service) made(text string) (Made, bool) {
	host, mark, ok := markOf(text)
	if !ok || host != s.web && host != "gist."+s.web {
		return Made{}, false
	}
	return Made{URL: text, Mark: mark}, true
}

var (
	shortForm = regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9-]{0,38})/([A-Za-z0-9._-]{1,100})#([0-9]{1,10})$`)
	comments  = regexp.MustCompile(`^(issuecomment|discussioncomment|pullrequestreview|discussion_r|commitcomment)-?[0-9]+$`)
	numbered  = map[string]bool{"pull": true, "issues": true, "discussions": true} //nolint:gochecknoglobals // they count together
)

// MarkOf is the one form of the address of something at GitHub, as people paste it: a page's
// URL, or "acme/web#17", which is at github.com. Pull requests, issues and discussions of a
// repository are counted together, so that the number alone tells.
func MarkOf(text string) (string, bool) {
	if m := shortForm.FindStringSubmatch(text); m != nil {
		return "github.com/" + strings.ToLower(m[1]+"/"+m[2]) + "#" + m[3], true
	}
	_, mark, ok := markOf(text)
	return mark, ok
}

func markOf(text string) (host, mark string, ok bool) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.User != nil || u.Host == "" || len(text) > 1024 {
		return "", "", false
	}
	host = strings.ToLower(u.Host)
	path := strings.Split(strings.Trim(u.EscapedPath(), "/"), "/")
	if len(path) < 2 || path[0] == "" {
		return "", "", false
	}
	mark = host + "/" + strings.ToLower(path[0]+"/"+path[1])
	switch rest := path[2:]; {
	case len(rest) >= 2 && numbered[rest[0]] && isNumber(rest[1]):
		mark += "#" + rest[1]
	case len(rest) > 0:
		mark += "/" + strings.Join(rest, "/")
	}
	if comments.MatchString(u.Fragment) {
		mark += "#" + u.Fragment
	}
	return host, mark, true
}

// onlyAddresses reports whether whatever a document asks for under the name url is one: an
// alias could give that name to a text of the agent's own.
func onlyAddresses(doc *ast.QueryDocument) bool {
	var within func(ast.SelectionSet) bool
	within = func(set ast.SelectionSet) bool {
		for _, s := range set {
			switch s := s.(type) {
			case *ast.Field:
				if s.Alias == "url" && s.Name != "url" || !within(s.SelectionSet) {
					return false
				}
			case *ast.InlineFragment:
				if !within(s.SelectionSet) {
					return false
				}
			}
		}
		return true
	}
	for _, o := range doc.Operations {
		if !within(o.SelectionSet) {
			return false
		}
	}
	for _, f := range doc.Fragments {
		if !within(f.SelectionSet) {
			return false
		}
	}
	return true
}
