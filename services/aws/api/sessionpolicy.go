package api

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Grant is what a rule says, to be said again in IAM's words.
type Grant struct {
	Rule      string
	Deny      bool
	Patterns  []Pattern // none for all
	Resources []string  // ARNs with stars; none for all
	Regions   []string  // with stars; none for all
}

// statement is one of an IAM policy, with its keys in the order that people write them.
type statement struct {
	Effect    string
	Action    []string
	Resource  []string
	Condition map[string]map[string][]string `json:",omitempty"`
}

// SessionPolicy compiles rules into an IAM policy, so that AWS itself refuses what they do
// not allow. It may allow more than they do, where IAM has no word for the difference,
// and never less. Nothing is allowed without a rule: then it is empty.
func SessionPolicy(grants []Grant) (string, error) {
	var all []statement
	for i := range grants {
		g := &grants[i]
		if g.Deny && !g.concerns(grants) {
			continue
		}
		if len(g.Patterns) == 0 || slices.ContainsFunc(g.Patterns, func(p Pattern) bool { return strings.Contains(p.service, "*") }) {
			if g.Deny {
				continue // the proxy denies it all the same; only the session allows more
			}
			return "", fmt.Errorf("rule %s allows operations of every service, which no session policy can say without those that hand out credentials; name the services, or give the credential a session_policy", g.Rule)
		}
		all = append(all, g.statements()...)
	}
	if !slices.ContainsFunc(all, func(s statement) bool { return s.Effect == "Allow" }) {
		return "", nil
	}
	text, err := json.Marshal(struct {
		Version   string
		Statement []statement
	}{"2012-10-17", merge(all)})
	if err != nil {
		return "", err
	}
	return string(text), nil
}

// concerns reports whether a rule that denies is about a service that others allow.
func (g *Grant) concerns(grants []Grant) bool {
	return slices.ContainsFunc(grants, func(other Grant) bool {
		return !other.Deny && slices.ContainsFunc(other.Patterns, func(p Pattern) bool {
			return slices.ContainsFunc(g.Patterns, func(q Pattern) bool { return p.service == q.service })
		})
	})
}

// statements are those of one rule. A listing is bounded by its bucket and a prefix.
func (g *Grant) statements() []statement {
	plain, listings := g.actions()
	resources := g.Resources
	if len(resources) == 0 {
		resources = []string{"*"}
	}
	var all []statement
	add := func(actions, resources []string, operator, key string, values []string) {
		if len(actions) == 0 || len(resources) == 0 {
			return
		}
		s := statement{Effect: "Allow", Action: actions, Resource: resources}
		if g.Deny {
			s.Effect = "Deny"
		}
		s.when(operator, key, values)
		s.when("StringLike", "aws:RequestedRegion", g.Regions)
		all = append(all, s)
	}
	add(plain, resources, "", "", nil)
	if len(g.Resources) == 0 {
		resources = nil
		add(listings, []string{"*"}, "", "", nil)
	}
	for _, resource := range resources {
		bucket, prefix, inBucket := strings.Cut(resource, "/")
		if strings.Contains(bucket, ":accesspoint") {
			bucket, prefix, inBucket = resource, "", false
		}
		if inBucket && prefix != "*" {
			add(listings, []string{bucket}, "StringLike", "s3:prefix", []string{prefix})
		} else {
			add(listings, []string{bucket}, "", "", nil)
		}
	}
	return all
}

func (s *statement) when(operator, key string, values []string) {
	if len(values) == 0 {
		return
	}
	if s.Condition == nil {
		s.Condition = map[string]map[string][]string{}
	}
	if s.Condition[operator] == nil {
		s.Condition[operator] = map[string][]string{}
	}
	s.Condition[operator][key] = values
}

// merge puts statements together that differ in their actions alone.
func merge(all []statement) []statement {
	var merged []statement
	for _, s := range all {
		i := slices.IndexFunc(merged, func(m statement) bool {
			return m.Effect == s.Effect && slices.Equal(m.Resource, s.Resource) && fmt.Sprint(m.Condition) == fmt.Sprint(s.Condition)
		})
		if i < 0 {
			merged = append(merged, s)
			continue
		}
		merged[i].Action = distinct(append(merged[i].Action, s.Action...))
	}
	return merged
}

func distinct(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}

// actions are IAM's for the rule's operations, in as few words as say it; listings apart,
// if resources bound them.
func (g *Grant) actions() (plain, listings []string) {
	for _, p := range g.Patterns {
		for _, action := range p.actions(g.Deny) {
			if isListing(action) {
				listings = append(listings, action)
			} else {
				plain = append(plain, action)
			}
		}
	}
	return distinct(plain), distinct(listings)
}

func isListing(action string) bool {
	return action == "s3:ListBucket" || action == "s3:ListBucketVersions"
}

// actions of a pattern with a star are said with a star as well, if that takes in nothing
// that has to be named exactly. A deny leaves out what other operations need too.
func (p Pattern) actions(deny bool) []string {
	var wanted, others []string
	if !deny {
		others = append(others, "iam:PassRole") // which is no operation
	}
	for _, s := range operationsTable().byPrefix[p.service] {
		for _, e := range s.load().operations {
			switch {
			case p.Matches(e.full) && (deny || p.Exact() || !e.secret):
				wanted = append(wanted, e.versioned()...)
			case deny || e.secret:
				others = append(others, e.versioned()...)
			}
		}
	}
	wanted = distinct(wanted)
	if deny {
		wanted = slices.DeleteFunc(wanted, func(action string) bool { return slices.Contains(others, action) })
	}
	if p.Exact() || len(wanted) == 0 {
		return wanted
	}
	short := commonPrefix(wanted) + ":" + p.name
	if slices.ContainsFunc(others, func(action string) bool { return glob(short, action) }) {
		return shortened(short, wanted, others)
	}
	rest := slices.DeleteFunc(slices.Clone(wanted), func(action string) bool { return glob(short, action) && !isListing(action) })
	if len(rest) == len(wanted) {
		return wanted
	}
	return append(rest, short)
}

// shortened says in few words what a pattern with its star at the end means, without the
// others: by the beginnings that none of them has.
func shortened(pattern string, wanted, others []string) []string {
	start, star := strings.CutSuffix(pattern, "*")
	if !star || strings.Contains(start, "*") {
		return wanted
	}
	var all []string
	var divide func(start string, wanted []string)
	divide = func(start string, wanted []string) {
		plain := len(wanted) > 1 && !slices.ContainsFunc(wanted, isListing) && !slices.ContainsFunc(others, func(action string) bool { return strings.HasPrefix(action, start) })
		if plain {
			all = append(all, start+"*")
			return
		}
		for len(wanted) > 0 {
			if len(wanted) == 1 || wanted[0] == start { // they are sorted
				all, wanted = append(all, wanted[0]), wanted[1:]
				continue
			}
			next := wanted[0][:len(start)+1]
			end := slices.IndexFunc(wanted, func(action string) bool { return !strings.HasPrefix(action, next) })
			if end < 0 {
				end = len(wanted)
			}
			divide(next, wanted[:end])
			wanted = wanted[end:]
		}
	}
	for _, action := range wanted {
		if !strings.HasPrefix(action, start) {
			all = append(all, action) // of another service's name
		}
	}
	divide(start, slices.DeleteFunc(slices.Clone(wanted), func(action string) bool { return !strings.HasPrefix(action, start) }))
	return distinct(all)
}

// commonPrefix is what most of the actions begin with.
func commonPrefix(actions []string) string {
	count, best := map[string]int{}, ""
	for _, action := range actions {
		prefix, _, _ := strings.Cut(action, ":")
		if count[prefix]++; count[prefix] > count[best] {
			best = prefix
		}
	}
	return best
}

// versioned are an operation's actions, and those of the same request about a version.
func (e *entry) versioned() []string {
	if version := versionAction(e.name, e.actions); version != "" {
		return append(slices.Clone(e.actions), version)
	}
	return e.actions
}
