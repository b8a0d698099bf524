package github

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"sallyport/internal/host"
	"sallyport/services"
	"sallyport/services/github/api"
)

// led returns the visit to a link to which an answer of GitHub's has just redirected this agent,
// wherever its storage is; nil for everything else, on the same host too.
func (s *sites) led(line *services.Line) *visit {
	if line.Method != http.MethodGet && line.Method != http.MethodHead || line.RawQuery == "" || checkPlace(line.Query) != nil {
		return nil
	}
	name, path := line.Authority.Name.String(), line.Path.String()
	// What has operations of its own is judged by them: but raw contents, whose names have no query.
	if _, surface := surfaceOf(s.servers, name, path); surface != api.NotGitHub && surface != api.Raw {
		return nil
	}
	server, by, ok := s.service.told.Led(line.Agent, linkKey(name, path, line.RawQuery))
	if !ok {
		return nil
	}
	for _, one := range s.servers {
		if one.Host() == server {
			return &visit{service: s.service, answered: answered{request: request{line: line, server: one, surface: api.Download, led: by}}}
		}
	}
	return nil
}

// linkKey is an address in a form that does not depend on which of its characters a client
// escapes.
func linkKey(name, path, query string) string {
	plain := func(s string) string {
		if p, err := url.PathUnescape(s); err == nil {
			return p
		}
		return s
	}
	return name + "\n" + plain(path) + "\n" + plain(query)
}

// learnLink notes where an answer leads to that is signed storage: of what reads a repository's
// files, whose answers GitHub alone decides.
func (v *visit) learnLink(response *http.Response) {
	switch response.StatusCode {
	case http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect:
	default:
		return
	}
	method := v.line.Request.Method
	if method != http.MethodGet && method != http.MethodHead || len(v.operations) != 1 || v.led != "" || !leadsToStorage(v.operations[0].Name) {
		return
	}
	locations := response.Header["Location"]
	if len(locations) != 1 {
		return
	}
	u, err := url.Parse(locations[0])
	if err != nil || u.Scheme != "https" || u.User != nil || u.RawQuery == "" || u.Fragment != "" {
		return // a link that is signed carries its signature in the query
	}
	to, err := host.ParseAuthority(u.Host, 443)
	if err != nil || to.Port != 443 || !strings.Contains(to.Name.String(), ".") {
		return
	}
	if _, err := netip.ParseAddr(to.Name.String()); err == nil {
		return
	}
	o := &v.operations[0]
	v.service.told.Lead(v.line.Agent, v.server.Host(), linkKey(to.Name.String(), u.EscapedPath(), u.RawQuery), strings.TrimSpace(o.Name+" "+o.Resource()))
}

// leadsToStorage reports whether an operation gives a file by a redirect to where it is kept.
func leadsToStorage(operation string) bool {
	switch operation {
	case "actions/download-artifact", "actions/download-job-logs-for-workflow-run", "actions/download-workflow-run-attempt-logs", "actions/download-workflow-run-logs",
		"repos/download-tarball-archive", "repos/download-zipball-archive", "repos/get-release-asset", "raw/get-content",
		"migrations/download-archive-for-org":
		return true
	}
	return false
}
