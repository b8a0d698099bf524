package api

import (
	"slices"
	"strings"
)

// resolveWeb names what is asked of the web site: git, LFS, and the pages and files of a
// repository, whose addresses people paste.
func (s Service) resolveWeb(t *table, r Request) (Operation, *Unresolved) {
	o, err := resolveGit(r)
	if err == nil || err.Reason != ReasonUnknown || r.Method != "GET" && r.Method != "HEAD" {
		return o, err
	}
	var buf [24]segment
	path, bad := splitPath(r.Path, buf[:0])
	if bad != nil {
		return Operation{}, bad
	}
	root := t.dotcom
	if s.enterprise {
		root = t.server
	}
	if page, found := resolvePage(root, path, r.Query); found {
		page.Page = true
		return page, nil
	}
	return Operation{}, err
}

// resolveFront names what is asked of www.github.com, which leads to the same path of the web
// site. It is only read.
func (s Service) resolveFront(t *table, r Request) (Operation, *Unresolved) {
	if r.Method != "GET" && r.Method != "HEAD" {
		return Operation{}, unresolved(ReasonUnknown, "www.github.com leads to github.com, and does nothing else; ask github.com")
	}
	return s.resolveWeb(t, r)
}

// resolvePage names a page of a repository as the operation of the API that reads the same.
func resolvePage(root *node, path segments, query string) (Operation, bool) {
	if len(path) < 2 || isReserved(path[0].raw) || !isAccount(path[0].raw) || !isRepoName(path[1].raw) || !isPageQuery(query) {
		return Operation{}, false
	}
	owner, repo, page := path[0].raw, path[1].raw, rawSegments(path[2:])
	if len(page) > 2 && page[0] == "raw" {
		return gitOperation(rawContent, owner, repo), true
	}
	same := sameInAPI(page)
	if same == "" {
		return Operation{}, false
	}
	o, err := resolveREST(root, Request{Method: "GET"}, "/repos/"+owner+"/"+repo+strings.TrimSuffix(same, "/"))
	return o, err == nil
}

// sameInAPI is the path of the API, below its repository, that reads the same as a page of it:
// "/" for the repository itself, "" for what is no page that is known.
func sameInAPI(page []string) string {
	if len(page) == 0 {
		return "/"
	}
	switch first, rest := page[0], page[1:]; first {
	case "releases":
		return sameRelease(rest)
	case "archive", "tarball", "zipball":
		return sameArchive(first, rest)
	case "blob", "tree", "blame":
		if len(rest) > 0 {
			return "/contents/x"
		}
	case "pull", "issues":
		return sameNumbered(first, rest)
	case "pulls":
		if len(rest) == 0 {
			return "/pulls"
		}
	case "commit":
		if len(rest) == 1 {
			return "/commits/x"
		}
	case "commits":
		return "/commits"
	case "compare":
		if len(rest) > 0 {
			return "/compare/x...y"
		}
	}
	return ""
}

func sameRelease(rest []string) string {
	switch {
	case len(rest) == 0:
		return "/releases"
	case len(rest) > 2 && rest[0] == "download", len(rest) == 3 && rest[0] == "latest" && rest[1] == "download":
		return "/releases/assets/1"
	case len(rest) == 1 && rest[0] == "latest":
		return "/releases/latest"
	case len(rest) > 1 && rest[0] == "tag":
		return "/releases/tags/x"
	}
	return ""
}

func sameArchive(first string, rest []string) string {
	switch last := first + "/" + strings.Join(rest, "/"); {
	case len(rest) == 0:
		return ""
	case first == "tarball", first == "archive" && strings.HasSuffix(last, ".tar.gz"):
		return "/tarball/x"
	case first == "zipball", strings.HasSuffix(last, ".zip"):
		return "/zipball/x"
	}
	return ""
}

// sameNumbered is for pull requests and issues, of which the pages of one another are taken:
// GitHub counts both together and leads from one to the other.
func sameNumbered(first string, rest []string) string {
	if first == "issues" && len(rest) == 0 {
		return "/issues"
	}
	if len(rest) == 0 {
		return ""
	}
	number := strings.TrimSuffix(strings.TrimSuffix(rest[0], ".diff"), ".patch")
	switch {
	case !isNumber(number):
		return ""
	case first == "issues" && number == rest[0] && len(rest) == 1:
		return "/issues/1"
	case first != "pull" || len(rest) > 1 && number != rest[0]:
		return ""
	case len(rest) == 1:
		return "/pulls/1"
	case len(rest) == 2 && (rest[1] == "files" || rest[1] == "commits"):
		return "/pulls/1/" + rest[1]
	}
	return ""
}

// isPageQuery reports whether a query chooses how a page is shown, and nothing else: one of
// another name may carry a token.
func isPageQuery(query string) bool {
	for pair := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(pair, "=")
		if pair != "" && !slices.Contains([]string{"raw", "plain", "w", "full_index", "diff", "tab", "page", "q", "expand", "short_path", "unchanged"}, name) {
			return false
		}
	}
	return true
}

// isReserved reports whether the first part of a path is the site's own and no account's.
// (The list of routes at github.com; no account can have one of these names.)
func isReserved(first string) bool {
	switch strings.ToLower(first) {
	case "about", "account", "api", "apps", "assets", "blog", "business", "codespaces", "collections", "contact", "copilot", "customer-stories",
		"dashboard", "discussions", "enterprise", "enterprises", "events", "explore", "features", "gist", "gists", "graphql", "issues", "join", "login",
		"logout", "manage", "marketplace", "models", "new", "notifications", "oauth", "organizations", "orgs", "pricing", "pulls", "raw", "readme",
		"repos", "repositories", "search", "security", "sessions", "session", "settings", "setup", "site", "sponsors", "stafftools", "stars", "support", "team",
		"teams", "topics", "trending", "user", "user-attachments", "users", "watching", "wiki", "codeload", "media", "_private", "_registry":
		return true
	}
	return false
}
