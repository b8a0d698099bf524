package api

import (
	"net/url"
	"strings"

	"sallyport/policy"
)

// The operations of git over HTTP, of LFS, of raw file contents and of signed links. GitHub
// has no names of its own for them; its category "git" holds the REST operations on refs and
// objects ("git/update-ref"), so that "git/*" means all ways to write a ref but the contents
// API.
const (
	gitFetch    = "git/fetch"
	gitPush     = "git/push"
	lfsDownload = "git/lfs-download"
	lfsUpload   = "git/lfs-upload"
	rawContent  = "raw/get-content"
	linkGet     = "download/get"
	linkPut     = "download/put"
)

// ownNames are the names that are not GitHub's. Every GraphQL type has the last three as
// fields of its root (GraphQL specification, sections 4.1 and 4.2), which schemas do not list.
func ownNames() []string {
	return []string{
		gitFetch, gitPush, lfsDownload, lfsUpload, rawContent, linkGet, linkPut,
		"graphql/mutation.__typename", "graphql/query.__schema", "graphql/query.__type", "graphql/query.__typename",
	}
}

func contents(a policy.Access) []PermissionSet { return []PermissionSet{{{"contents", a}}} }

// gitOperation is one of gitNames on a repository.
func gitOperation(name, owner, repo string) Operation {
	o := Operation{Name: name, Access: policy.Read, Permissions: contents(policy.Read), Settled: true, InstallationToken: true}
	switch name {
	case gitPush:
		// What the pack touches is not known: workflow files need a second permission.
		o.Access, o.Settled = policy.Write, false
		o.Permissions = append(contents(policy.Write), PermissionSet{{"contents", policy.Write}, {"workflows", policy.Write}})
	case lfsUpload:
		o.Access, o.Permissions = policy.Write, contents(policy.Write)
	}
	o.Owner, o.Repo = fullName(owner, repo)
	return o
}

// resolveGit names the requests of git's smart HTTP protocol (gitprotocol-http(5)) and of
// the Git LFS API: /OWNER/REPO[.git]/SERVICE.
func resolveGit(r Request) (Operation, *Unresolved) {
	var buf [24]segment
	path, err := splitPath(r.Path, buf[:0])
	if err != nil {
		return Operation{}, err
	}
	if len(path) < 3 {
		return Operation{}, notGit()
	}
	owner, repo := path[0].raw, strings.TrimSuffix(path[1].raw, ".git")
	plain := strings.TrimSuffix(repo, ".wiki")
	if !isAccount(owner) || !isRepoName(plain) {
		return Operation{}, unresolved(ReasonName, "the path names an owner or repository that GitHub cannot have under this name")
	}
	service, wiki := strings.Join(rawSegments(path[2:]), "/"), plain != repo
	switch {
	case service == "info/refs" && r.Method == "GET":
		return resolveAdvertisement(r.Query, owner, repo)
	case service == "git-upload-pack" && r.Method == "POST" && r.Query == "":
		return gitOperation(gitFetch, owner, repo), nil
	case service == "git-receive-pack" && r.Method == "POST" && r.Query == "":
		o := gitOperation(gitPush, owner, repo)
		o.Body = PushBody
		return o, nil
	case strings.HasPrefix(service, "info/lfs/") && !wiki:
		return resolveLFS(r, strings.TrimPrefix(service, "info/lfs/"), owner, repo)
	}
	return Operation{}, notGit()
}

func notGit() *Unresolved {
	return unresolved(ReasonUnknown, "the request is not one of git's smart HTTP protocol or of Git LFS; use the API for anything else")
}

// resolveAdvertisement takes the one query that git sends, as git sends it: with a second
// parameter it would not be clear which service answers.
func resolveAdvertisement(query, owner, repo string) (Operation, *Unresolved) {
	switch query {
	case "service=git-upload-pack":
		return gitOperation(gitFetch, owner, repo), nil
	case "service=git-receive-pack":
		return gitOperation(gitPush, owner, repo), nil
	}
	return Operation{}, unresolved(ReasonQuery, "info/refs is taken with service=git-upload-pack or service=git-receive-pack and nothing else")
}

// resolveLFS follows the LFS API: batch, and file locks (whose verification belongs to
// a push).
func resolveLFS(r Request, service, owner, repo string) (Operation, *Unresolved) {
	switch {
	case service == "objects/batch" && r.Method == "POST" && r.Query == "":
		o := gitOperation(lfsDownload, owner, repo)
		o.Name, o.Body = "", LFSBody
		return o, nil
	case service == "locks" && r.Method == "GET":
		return gitOperation(lfsDownload, owner, repo), nil
	case (service == "locks" || service == "locks/verify" || isUnlock(service)) && r.Method == "POST" && r.Query == "":
		return gitOperation(lfsUpload, owner, repo), nil
	}
	return Operation{}, notGit()
}

func isUnlock(service string) bool {
	id, found := strings.CutPrefix(service, "locks/")
	id, unlock := strings.CutSuffix(id, "/unlock")
	return found && unlock && isNumber(id)
}

// resolveConfirmation names lfs.github.com/OWNER/REPO/verify, the "verify" action of an
// upload.
func resolveConfirmation(r Request) (Operation, *Unresolved) {
	var buf [24]segment
	path, err := splitPath(r.Path, buf[:0])
	if err != nil {
		return Operation{}, err
	}
	if len(path) != 3 || !isAccount(path[0].raw) || !isRepoName(path[1].raw) || path[2].raw != "verify" || r.Method != "POST" || r.Query != "" {
		return Operation{}, unresolved(ReasonUnknown, "LFS uploads are confirmed as POST /OWNER/REPO/verify only")
	}
	return gitOperation(lfsUpload, path[0].raw, path[1].raw), nil
}

// resolveRaw names raw.githubusercontent.com/OWNER/REPO/REF.../PATH.
func resolveRaw(r Request, escaped string) (Operation, *Unresolved) {
	var buf [24]segment
	path, err := splitPath(escaped, buf[:0])
	if err != nil {
		return Operation{}, err
	}
	if len(path) < 4 || !isAccount(path[0].raw) || !isRepoName(path[1].raw) || r.Method != "GET" && r.Method != "HEAD" {
		return Operation{}, unresolved(ReasonUnknown, "raw contents are taken as GET /OWNER/REPO/REF/PATH only")
	}
	if r.Query != "" {
		return Operation{}, unresolved(ReasonQuery, "raw contents are taken without a query: it would carry a token of its own")
	}
	return gitOperation(rawContent, path[0].raw, path[1].raw), nil
}

// Link names what is done with a signed link, wherever it is. The error is always an
// [*Unresolved].
func Link(method string) (Operation, error) {
	o, err := resolveLink(method)
	if err != nil {
		return Operation{}, err
	}
	return o, nil
}

// resolveLink names what is done with a signed link. What it leads to is in its signature,
// so that neither repository nor account can be told from one.
func resolveLink(method string) (Operation, *Unresolved) {
	switch method {
	case "GET", "HEAD":
		return Operation{Name: linkGet, Access: policy.Read}, nil
	case "PUT", "POST":
		return Operation{Name: linkPut, Access: policy.Write}, nil
	}
	return Operation{}, unresolved(ReasonUnknown, "signed links are read and written, and nothing else")
}

func rawSegments(path segments) []string {
	raw := make([]string, len(path))
	for i := range path {
		raw[i] = path[i].raw
	}
	return raw
}

func unescapeKey(key string) (string, bool) {
	unescaped, err := url.QueryUnescape(key)
	return unescaped, err == nil
}
