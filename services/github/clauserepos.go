package github

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"sallyport/internal/glob"
	"sallyport/internal/yamldoc"
	"sallyport/policy"
)

const maxNamePattern = 1024

// repoPattern matches "owner/name", in lower case; a star is any run of
// characters of one of the two.
type repoPattern struct{ owner, name string }

func parseRepoPattern(s string) (repoPattern, error) {
	owner, name, found := strings.Cut(strings.ToLower(s), "/")
	switch {
	case s == "*":
		return repoPattern{"*", "*"}, nil
	case !found || owner == "" || name == "" || strings.Contains(name, "/"):
		return repoPattern{}, fmt.Errorf("%s is not a repository; write OWNER/NAME, as in acme/web or acme/*", yamldoc.Quote(s))
	case len(s) > maxNamePattern:
		return repoPattern{}, errors.New("is too long for the name of a repository")
	case strings.ContainsFunc(owner+name, func(c rune) bool { return !isRepoRune(c) && c != '*' }):
		return repoPattern{}, fmt.Errorf("%s holds a character that no repository has in its name", yamldoc.Quote(s))
	case strings.HasSuffix(name, ".git"):
		return repoPattern{}, fmt.Errorf("%s: leave .git out; it is the same repository", s)
	}
	return repoPattern{owner, name}, nil
}

func isRepoRune(c rune) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.'
}

func (p repoPattern) matches(repo string) bool {
	owner, name, _ := strings.Cut(repo, "/")
	return glob.Match(p.owner, owner) && glob.Match(p.name, name)
}

func (p repoPattern) exact() bool { return !strings.Contains(p.owner+p.name, "*") }

func (p repoPattern) String() string { return p.owner + "/" + p.name }

// repos are the repositories that a rule lists; none means all.
type repos []repoPattern

// match is in doubt about the wiki of a repository that is listed.
func (l repos) match(repo string) policy.Verdict {
	result := policy.Mismatch
	page, isWiki := strings.CutSuffix(repo, ".wiki")
	for i := range l {
		switch {
		case l[i].matches(repo):
			return policy.Matched
		case isWiki && l[i].matches(page):
			result = policy.Doubtful
		}
	}
	return result
}

// haveOf reports whether some of them may be the account's.
func (l repos) haveOf(account string) bool {
	return slices.ContainsFunc(l, func(p repoPattern) bool { return glob.Match(p.owner, account) })
}

// owners lists the accounts that the patterns name, without those that are patterns too.
func (l repos) owners() (names []string) {
	for _, p := range l {
		if !strings.Contains(p.owner, "*") && !slices.Contains(names, p.owner) {
			names = append(names, p.owner)
		}
	}
	return names
}

// fitToken reports whether a token can be narrowed to exactly these repositories: they are
// listed by name and have one owner, or are all of one owner's.
func (l repos) fitToken() bool {
	for _, p := range l {
		all := p.name == "*" && len(l) == 1
		if strings.Contains(p.owner, "*") || !p.exact() && !all || p.owner != l[0].owner {
			return false
		}
	}
	return len(l) > 0
}

// meet reports whether two lists have a repository in common.
func (l repos) meet(o repos) bool {
	return glob.MeetAny(l, o, func(p, q repoPattern) bool {
		return glob.Meet(p.owner, q.owner) && glob.Meet(p.name, q.name)
	})
}

func (l repos) texts() []string {
	texts := make([]string, len(l))
	for i := range l {
		texts[i] = l[i].String()
	}
	return texts
}

// why says why a call is not about one of them.
func (l repos) why(c *policy.Call, f *facts) string {
	listed := policy.Listed(l)
	switch {
	case c.Resource != "":
		return fmt.Sprintf("repos [%s] do not include %s", listed, c.Resource)
	case f.Hidden:
		return fmt.Sprintf("%s hides its repository; repos [%s] can allow it only under a credential whose token is narrowed to them: name each, of one owner, or OWNER/*", c.Operation, listed)
	}
	return fmt.Sprintf("repos [%s] cannot be told from %s, which names no repository", listed, c.Operation)
}
