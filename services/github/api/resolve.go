package api

import "strings"

// Request is what a request line says, as sent.
type Request struct {
	Method string // as sent; methods are case-sensitive (RFC 9110 section 9.1)
	Host   string // canonical, without port
	Path   string // escaped
	Query  string // raw
}

// Resolve names the operation of a request, or says why it has no name. The error is
// always an [*Unresolved].
//
// An operation with a Body is only half resolved: what the body holds has to be read
// and allowed as well.
func (s Service) Resolve(r Request) (Operation, error) {
	o, err := s.resolve(r)
	if err != nil {
		return Operation{}, err
	}
	return o, nil
}

func (s Service) resolve(r Request) (Operation, *Unresolved) {
	if overridesMethod(r.Query) {
		return Operation{}, unresolved(ReasonQuery, "the query names a method (_method) or cannot be read; send the method itself")
	}
	t := operationsTable()
	switch s.Surface(r.Host, r.Path) {
	case API:
		return s.resolveAPI(t, r)
	case Uploads:
		return resolveREST(t.uploads, r, s.trimPrefix(r, "/api/uploads"))
	case Manage:
		return resolveREST(t.manage, r, r.Path)
	case Web:
		return s.resolveWeb(t, r)
	case Front:
		return s.resolveFront(t, r)
	case Raw:
		return resolveRaw(r, s.trimPrefix(r, rawPath))
	case LFS:
		return resolveConfirmation(r)
	case NotGitHub:
		return Operation{}, unresolved(ReasonHost, "the host does not belong to this GitHub")
	case Download:
		return resolveLink(r.Method)
	case Packages, Other:
	}
	return Operation{}, unresolved(ReasonHost, "requests to this host of GitHub's are not named as operations; a rule about the host can allow them, with a credential only if it says unnamed: allow")
}

func (s Service) resolveAPI(t *table, r Request) (Operation, *Unresolved) {
	graphql, root := "/graphql", t.dotcom
	if s.enterprise {
		graphql, root = "/api/graphql", t.server
	}
	if r.Path != graphql {
		return resolveREST(root, r, s.trimPrefix(r, "/api/v3"))
	}
	if r.Method != "POST" || r.Query != "" {
		return Operation{}, unresolved(ReasonUnknown, "GraphQL is taken as POST without a query string only")
	}
	return Operation{Body: GraphQLBody, InstallationToken: true}, nil
}

// trimPrefix leaves out what stands for a host where a server has but one.
func (s Service) trimPrefix(r Request, prefix string) string {
	if s.enterprise && r.Host == s.web {
		return strings.TrimPrefix(r.Path, prefix)
	}
	return r.Path
}

func resolveREST(root *node, r Request, path string) (Operation, *Unresolved) {
	var buf [24]segment
	whole := path
	if len(path) > 1 {
		path = strings.TrimSuffix(path, "/")
	}
	split, err := splitPath(path, buf[:0])
	if err != nil {
		return Operation{}, err
	}
	method := r.Method
	if method == "HEAD" { // RFC 9110 section 9.3.2: GET without the content
		method = "GET"
	}
	m := match{method: method, path: split}
	if found := m.walk(root, 0); whole != path && !(found && m.short) {
		return Operation{}, unresolved(ReasonPath, "the path ends in a slash; GitHub has no such path")
	} else if !found {
		return Operation{}, unknown(r.Method, split)
	}
	if m.caseOnly {
		return Operation{}, unresolved(ReasonPath, "a segment of the path differs from one of GitHub's in case only; write it as GitHub does")
	}
	if split.slashed() {
		// Whether GitHub splits before or after decoding must not matter.
		other := match{method: method, path: split.apart()}
		if other.walk(root, 0) && (other.route != m.route || other.operation().Resource() != m.operation().Resource()) {
			return Operation{}, unresolved(ReasonPath, "the path means another operation once its encoded slashes are decoded")
		}
	}
	return m.operation(), nil
}

func unknown(method string, path segments) *Unresolved {
	if len(path) > 1 && isNumber(path[1].value) {
		switch path[0].value {
		case "repositories":
			return unresolved(ReasonNumericAlias, "/repositories/ID hides which repository is meant, and GitHub has not told this agent within the hour; ask for it as /repos/OWNER/REPO")
		case "organizations", "user":
			return unresolved(ReasonNumericAlias, "the number hides which account is meant, and GitHub has not told this agent within the hour; ask for it by its name")
		}
	}
	if path[0].raw == "repos" && len(path) > 2 && (!isAccount(path[1].value) || !isRepoName(path[2].value)) {
		return unresolved(ReasonName, "the path names an owner or repository that GitHub cannot have under this name")
	}
	return unresolved(ReasonUnknown, "GitHub's published API has no operation for this "+printable(method)+" and path")
}

// operation fills in what the path says. Owners and repositories are compared without
// case by GitHub.
func (m *match) operation() Operation {
	o := m.route.op
	switch {
	case m.repo != 0:
		o.Owner, o.Repo = fullName(m.path[m.owner].value, m.path[m.repo].value)
	case m.account != 0:
		o.Owner = strings.ToLower(m.path[m.account].value)
	}
	return o
}

func fullName(owner, repo string) (lowerOwner, full string) {
	full = strings.ToLower(owner + "/" + repo)
	return full[:len(owner)], full
}

// overridesMethod finds the parameter by which some frameworks replace the method. The
// name is looked for encoded as well, and in any form that is close enough.
func overridesMethod(query string) bool {
	if !strings.ContainsAny(query, "%_") {
		return false
	}
	for pair := range strings.FieldsFuncSeq(query, func(r rune) bool { return r == '&' || r == ';' }) {
		key, _, _ := strings.Cut(pair, "=")
		if unescaped, ok := unescapeKey(key); !ok || strings.EqualFold(strings.TrimSpace(unescaped), "_method") {
			return true
		}
	}
	return false
}

// printable bounds what an error repeats of a request.
func printable(s string) string {
	if len(s) > 20 {
		s = s[:20]
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}
