package api

import (
	"fmt"
	"slices"
	"strings"
)

// A node is one position in the tree of path templates. Its branches are tried from the
// most specific to the least: fixed segment, closed list, number, name, any segment, any
// number of segments.
type node struct {
	fixed    map[string]*node
	folded   map[string]bool // the fixed segments in lower case
	branches []branch        // sorted by kind
	routes   []methodRoute
}

type methodRoute struct {
	method string
	route  *route
	short  bool // the path is without the template's last segment
}

// kind is what a parameter accepts; the order is the order of specificity.
type kind uint8

const (
	kindOneOf kind = iota // a closed list
	kindInt               // digits
	kindOwner             // an account, organization or enterprise
	kindRepo              // a repository's name
	kindAny               // one segment
	kindRange             // one or more segments that hold "..."
	kindMany              // one or more segments
)

type branch struct {
	kind  kind
	role  role
	oneOf []string
	next  *node
}

// role is what a parameter's value is, if the operation is about it.
type role uint8

const (
	roleNone role = iota
	roleAccount
	roleRepoOwner
	roleRepoName
)

// parameter reads "{name}" or "{name:kind}".
func parameter(segment string) (branch, error) {
	name, typ, _ := strings.Cut(strings.Trim(segment, "{}"), ":")
	b := branch{kind: kindAny}
	switch typ {
	case "":
	case "int":
		b.kind = kindInt
	case "many":
		b.kind = kindMany
	case "range":
		b.kind = kindRange
	default:
		b.kind, b.oneOf = kindOneOf, strings.Split(typ, "|")
	}
	if b.kind != kindAny {
		return b, nil
	}
	switch name {
	case "owner", "template_owner":
		b.kind, b.role = kindOwner, roleRepoOwner
	case "repo", "template_repo":
		b.kind, b.role = kindRepo, roleRepoName
	case "org", "username":
		b.kind, b.role = kindOwner, roleAccount
	case "enterprise", "target_user", "repo_owner", "enterprise_or_org":
		b.kind = kindOwner
	case "repo_name":
		b.kind = kindRepo
	case "":
		return b, fmt.Errorf("parameter without a name")
	}
	return b, nil
}

func (n *node) insert(r *route) error {
	segments := strings.Split(strings.TrimPrefix(r.path, "/"), "/")
	for i, segment := range segments {
		if i == len(segments)-1 && endsEarly(r.op.Name) {
			if err := n.end(methodRoute{method: r.method, route: r, short: true}); err != nil {
				return err
			}
		}
		if !strings.HasPrefix(segment, "{") {
			n = n.fixedChild(segment)
			continue
		}
		b, err := parameter(segment)
		if err != nil {
			return err
		}
		n = n.branchChild(b)
	}
	return n.end(methodRoute{method: r.method, route: r})
}

// end makes the node a place where a path may end.
func (n *node) end(r methodRoute) error {
	if n.find(r.method).route != nil {
		return fmt.Errorf("a second operation for this method and path")
	}
	n.routes = append(n.routes, r)
	return nil
}

// endsEarly reports whether the last parameter of an operation may be left out, with or
// without the slash before it. The descriptions say so in prose only, and clients do both.
func endsEarly(operation string) bool {
	switch operation {
	case "git/list-matching-refs", "repos/download-tarball-archive", "repos/download-zipball-archive", "repos/get-content":
		return true
	}
	return false
}

func (n *node) fixedChild(segment string) *node {
	if n.fixed == nil {
		n.fixed, n.folded = map[string]*node{}, map[string]bool{}
	}
	if n.fixed[segment] == nil {
		n.fixed[segment] = &node{}
		n.folded[strings.ToLower(segment)] = true
	}
	return n.fixed[segment]
}

func (n *node) branchChild(b branch) *node {
	for _, have := range n.branches {
		if have.kind == b.kind && have.role == b.role && slices.Equal(have.oneOf, b.oneOf) {
			return have.next
		}
	}
	b.next = &node{}
	n.branches = append(n.branches, b)
	slices.SortStableFunc(n.branches, func(a, b branch) int { return int(a.kind) - int(b.kind) })
	return b.next
}

func (n *node) find(method string) methodRoute {
	for _, r := range n.routes {
		if r.method == method {
			return r
		}
	}
	return methodRoute{}
}

// match is one walk down the tree for one request.
type match struct {
	method string
	path   segments

	route *route
	short bool // see methodRoute
	// Which segments name the owner, the repository and the account; 0 is none, for a
	// template's first segment is fixed. Indices, so that the segments stay on the stack.
	owner, repo, account int
	// caseOnly: a parameter took a value that differs from a fixed segment beside it in
	// case only. GitHub's routes are case-sensitive; that the next hop's are is not known.
	caseOnly bool
}

// walk finds the most specific template for the segments from i on.
func (m *match) walk(n *node, i int) bool {
	if i == len(m.path) {
		found := n.find(m.method)
		m.route, m.short = found.route, found.short
		return found.route != nil
	}
	s := &m.path[i]
	if next := n.fixed[s.raw]; next != nil && m.walk(next, i+1) {
		return true
	}
	for b := range n.branches {
		if m.take(n, &n.branches[b], i) {
			return true
		}
	}
	return false
}

// take lets a parameter have the segment at i, or several from there on.
func (m *match) take(n *node, b *branch, i int) bool {
	s := &m.path[i]
	if !b.accepts(s) {
		return false
	}
	if b.kind < kindRange {
		if !m.walk(b.next, i+1) {
			return false
		}
		m.remember(b.role, i)
	} else if !m.takeMany(b, i) {
		return false
	}
	if s.upper && n.fixed[s.raw] == nil && n.folded[strings.ToLower(s.raw)] {
		m.caseOnly = true
	}
	return true
}

// takeMany leaves as many segments as possible to what follows the parameter, so that
// .../branches/a/protection is the protection of a and not the branch a/protection.
func (m *match) takeMany(b *branch, i int) bool {
	dots, end := b.kind == kindMany, i+1
	if dots && b.next.fixed == nil {
		end = len(m.path) // nothing follows it
	}
	for ; end <= len(m.path); end++ {
		dots = dots || strings.Contains(m.path[end-1].value, "...")
		if dots && m.walk(b.next, end) {
			return true
		}
	}
	return false
}

func (m *match) remember(r role, i int) {
	switch r {
	case roleRepoOwner:
		m.owner = i
	case roleRepoName:
		m.repo = i
	case roleAccount:
		// Of two accounts in one path the operation is about the first. walk sets them
		// on its way back, so that the first is set last and stays.
		m.account = i
	case roleNone:
	}
}

func (b *branch) accepts(s *segment) bool {
	switch b.kind {
	case kindOneOf:
		return slices.Contains(b.oneOf, s.value)
	case kindInt:
		return isNumber(s.value)
	case kindOwner:
		return isAccount(s.value)
	case kindRepo:
		return isRepoName(s.value)
	case kindAny, kindRange, kindMany:
		return true
	}
	return false
}

func isNumber(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != "" && len(s) <= 20
}

// isAccount: letters, digits, hyphens; "_" in names managed by an enterprise; the suffix
// "[bot]" of an App's own account.
func isAccount(s string) bool {
	s = strings.TrimSuffix(s, "[bot]")
	for i := range len(s) {
		if c := s[i]; !isAlphanumeric(c) && c != '-' && c != '_' {
			return false
		}
	}
	return s != "" && len(s) <= 100
}

// isRepoName: GitHub reserves the suffixes ".git" and ".wiki", so that a name with one
// is some other name's alias, never a repository.
func isRepoName(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isAlphanumeric(c) && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	if s == "" || s == "." || s == ".." || len(s) > 100 {
		return false
	}
	return !hasSuffixFold(s, ".git") && !hasSuffixFold(s, ".wiki")
}

func isAlphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

func hasSuffixFold(s, suffix string) bool {
	return len(s) >= len(suffix) && strings.EqualFold(s[len(s)-len(suffix):], suffix)
}
