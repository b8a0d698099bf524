package main

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/google/uuid"

	"sallyport/audit"
	"sallyport/audit/trail"
	"sallyport/config"
	"sallyport/internal/hint"
	"sallyport/internal/nearest"
)

// checkNames refuses a filter by a name that nobody has now or had before: it would be
// answered with nothing, which reads as if nothing had been done.
func checkNames(ctx context.Context, a *app, r *trail.Reader, f *auditFlags) error {
	configured := a.configuredNames()
	agent := f.agent
	if id, err := uuid.Parse(agent); err == nil {
		agent = id.String()
	}
	for _, one := range []struct {
		flag, value string
		by          audit.Group
	}{
		{"--agent", agent, audit.ByAgent},
		{"--owner", f.Owner, audit.ByOwner},
		{"--accountable", f.Accountable, audit.ByAccountable},
		{"--policy", f.Policy, audit.ByPolicy},
		{"--rule", f.Rule, audit.ByRule},
		{"--credential", f.Credential, audit.ByCredential},
	} {
		if one.value == "" {
			continue
		}
		names, err := r.Names(ctx, one.by)
		if err != nil {
			return err
		}
		if names[one.value] {
			continue
		}
		more, ok := configured(one.by)
		if !ok {
			continue // HOME's files are wrong, so that it is not known whom they name
		}
		for _, name := range more {
			names[name] = true
		}
		if !names[one.value] {
			return unknownName(one.flag, one.value, one.by, slices.Sorted(maps.Keys(names)))
		}
	}
	return nil
}

func unknownName(flag, value string, by audit.Group, names []string) error {
	if len(names) == 0 {
		return usagef("%s %q: neither the trail nor the files in force know any name of that kind", flag, value)
	}
	what := map[audit.Group]string{audit.ByAccountable: "person"}[by]
	if what == "" {
		what = string(by)
	}
	return hint.With(usagef("%s %q: neither the trail nor the files in force know %s of that name", flag, value, withArticle(what)),
		"did you mean %s?", nearest.Word(value, names))
}

func withArticle(noun string) string {
	if strings.ContainsAny(noun[:1], "aeiou") {
		return "an " + noun
	}
	return "a " + noun
}

// configuredNames returns a function that lists the names in HOME's files. It reads them when it is first
// called, and answers false if they hold a mistake. A home that is only a copy of a trail has no files and
// so no names, which is no mistake.
func (a *app) configuredNames() func(audit.Group) ([]string, bool) {
	var set *config.Set
	var read, missing bool
	return func(by audit.Group) ([]string, bool) {
		if !read {
			read = true
			set, missing = a.loadSet()
		}
		switch {
		case missing:
			return nil, true
		case set == nil:
			return nil, false
		}
		var names []string
		switch by {
		case audit.ByOwner:
			names = set.Owners.Refs()
		case audit.ByAccountable:
			names = slices.DeleteFunc(set.Owners.Refs(), func(ref string) bool { return !strings.HasPrefix(ref, "person:") })
		case audit.ByPolicy:
			names = slices.Collect(maps.Keys(set.Policies))
		case audit.ByCredential:
			names = set.Credentials.Names()
		case audit.ByRule:
			for _, p := range set.Policies {
				names = append(names, p.RuleNames()...)
			}
		case audit.ByAgent, audit.ByHost, audit.ByOperation: // not in files
		}
		return names, true
	}
}

// loadSet reads HOME's files. The set is nil if they hold a mistake; missing says that there are none.
func (a *app) loadSet() (set *config.Set, missing bool) {
	l, err := a.env().Layout()
	if err != nil {
		return nil, true
	}
	if _, err := os.Stat(l.Config()); errors.Is(err, fs.ErrNotExist) {
		return nil, true
	}
	options, err := a.env().Options(l)
	if err == nil {
		set, err = config.Load(l, options)
	}
	if err != nil {
		return nil, false
	}
	return set, false
}
