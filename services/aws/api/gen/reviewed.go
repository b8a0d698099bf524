package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// reviewed is what people have decided: the lists in gen/data.
type reviewed struct {
	actions  map[string][]string // of operations whose action has another name
	prefixes map[string]string   // IAM's prefix of a service that signs by another name
	events   map[string]string   // CloudTrail's name where it is another
	secrets  []listed
	excuses  []*excuse // of operations that only look like it
	hosts    map[string][]string
	names    map[string][]string // of hosts, what they are signed for
	aliases  map[string]string
	routes   map[string][]string // further requests of an operation
}

func readReviewed(data string) (*reviewed, error) {
	r := &reviewed{actions: map[string][]string{}, prefixes: map[string]string{}, events: map[string]string{}, hosts: map[string][]string{}, names: map[string][]string{}, aliases: map[string]string{}, routes: map[string][]string{}}
	for file, take := range map[string]func(fields []string){
		"actions.txt":  func(f []string) { r.actions[f[0]] = f[1:] },
		"prefixes.txt": func(f []string) { r.prefixes[f[0]] = f[1] },
		"events.txt":   func(f []string) { r.events[f[0]] = f[1] },
		"hosts.txt":    func(f []string) { r.hosts[f[0]] = append(r.hosts[f[0]], f[1:]...) },
		"names.txt":    func(f []string) { r.names[f[0]] = f[1:] },
		"routes.txt":   func(f []string) { r.routes[f[0]] = f[1:] },
		"aliases.txt":  func(f []string) { r.aliases[f[0]] = f[1] },
	} {
		text, err := os.ReadFile(filepath.Join(data, file))
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(text)) {
			line, _, _ = strings.Cut(line, "#")
			if fields := strings.Fields(line); len(fields) > 0 {
				take(fields)
			}
		}
	}
	return r, r.readSecrets(data)
}

// readSecrets reads the two lists about credentials, whose remarks matter.
func (r *reviewed) readSecrets(data string) error {
	for _, file := range []string{"secrets.txt", "reviewed.txt"} {
		text, err := os.ReadFile(filepath.Join(data, file))
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(text)) {
			if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
				continue
			}
			if file == "secrets.txt" {
				pattern, remark, _ := strings.Cut(line, "#")
				r.secrets = append(r.secrets, listed{strings.TrimSpace(pattern), cmp.Or(strings.TrimSpace(remark), "listed")})
				continue
			}
			e, err := parseExcuse(line)
			if err != nil {
				return err
			}
			r.excuses = append(r.excuses, e)
		}
	}
	return nil
}

// agree has operations of one name be named exactly together: services share prefixes, and
// a rule cannot tell their operations apart.
func agree(services []*service) {
	secret := map[string]*operation{}
	each := func(do func(name string, o *operation)) {
		for _, s := range services {
			for _, o := range s.operations {
				do(s.prefix+"/"+o.name, o)
			}
		}
	}
	each(func(name string, o *operation) {
		if o.secret && secret[name] == nil {
			secret[name] = o
		}
	})
	each(func(name string, o *operation) {
		if other := secret[name]; other != nil && !o.secret {
			o.secret, o.listed, o.remark, o.why = true, other.listed, other.remark, other.why
		}
	})
}

// listed is a line of secrets.txt.
type listed struct{ pattern, remark string }

var changesNothing = regexp.MustCompile(`/(BatchGet|BatchDescribe|Get|List|Describe|Search|Head|Validate|Estimate|Preview|Detect|Test|Delete|BatchDelete|Stop|Cancel|Deregister)[A-Z]`)

// names reports whether the line means an operation. What begins with a star means what
// changes something.
func (l *listed) names(operation string) bool {
	return glob(l.pattern, operation) && (!strings.Contains(l.pattern, "/*") || !changesNothing.MatchString(operation))
}

// actionsOf returns the IAM actions an operation needs: a reviewed line's, or the action
// of its own name if IAM has it.
func (r *reviewed) actionsOf(s *service, o *operation, known map[string]bool) []string {
	for _, key := range []string{s.id + "/" + o.name, s.id + "/*"} {
		actions, ok := r.actions[key]
		if !ok {
			continue
		}
		var all []string
		for _, action := range actions {
			all = append(all, strings.ReplaceAll(strings.ReplaceAll(action, "$METHOD", o.method), "$NAME", o.name))
		}
		return all
	}
	prefixes := []string{s.signing, s.prefix, s.id}
	if prefix, ok := r.prefixes[s.id]; ok {
		prefixes = []string{prefix}
	}
	for _, prefix := range prefixes {
		if action := prefix + ":" + o.name; known[action] {
			return []string{action}
		}
	}
	return nil
}

// apply puts the other lists on the services, and stops at a line that fits nothing.
func (r *reviewed) apply(services []*service) error {
	used := map[string]bool{}
	for _, s := range services {
		used["host "+s.id] = true
		s.hosts = append(s.hosts, r.hosts[s.id]...)
		slices.Sort(s.hosts)
		s.operations = slices.DeleteFunc(s.operations, func(o *operation) bool {
			key := s.id + "/" + o.name
			other, ok := r.aliases[key]
			if ok {
				used["alias "+key] = true
				s.aliases = append(s.aliases, o.name+"="+other)
			}
			return ok
		})
		for _, o := range slices.Clone(s.operations) {
			key := s.id + "/" + o.name
			if more := r.routes[key]; len(more) == 2 {
				other := *o
				other.method, other.uri = more[0], more[1]
				s.operations = append(s.operations, &other)
				used["route "+key] = true
			}
		}
		for _, o := range s.operations {
			key := s.id + "/" + o.name
			used[key], used["event "+key] = true, true
			o.event = r.events[key]
			if event, ok := r.events[s.id+"/*"]; ok && o.wire != "" && event == "$WIRE" {
				o.event = o.wire
			}
			for _, l := range r.secrets {
				if l.names(key) {
					o.listed, o.remark, used["secret "+l.pattern] = true, l.remark, true
					break
				}
			}
			o.why, o.reasons = judge(key, o.findings, r.excuses)
			o.secret = o.listed || len(o.why) > 0
		}
	}
	agree(services)
	for _, key := range slices.Concat(prefixed("host ", r.hosts), prefixed("alias ", r.aliases), prefixed("route ", r.routes), prefixed("event ", r.events), prefixed("", r.actions)) {
		if !used[key] && !strings.HasSuffix(key, "/*") {
			return fmt.Errorf("%s is in no model", key)
		}
	}
	for _, l := range r.secrets {
		if !used["secret "+l.pattern] {
			return fmt.Errorf("secrets.txt: %s names no operation, or none that another line does not", l.pattern)
		}
	}
	var idle []error
	for _, e := range r.excuses {
		if !e.used {
			idle = append(idle, fmt.Errorf("reviewed.txt: %s %s explains nothing that a line above does not", e.operation, e.finding))
		}
	}
	if len(idle) > 0 {
		return errors.Join(idle...)
	}
	return nil
}

func prefixed[V any](prefix string, of map[string]V) []string {
	var keys []string
	for key := range of {
		keys = append(keys, prefix+key)
	}
	slices.Sort(keys)
	return keys
}

func glob(pattern, text string) bool {
	ok, err := filepath.Match(pattern, text)
	return ok && err == nil
}

var (
	servicePrefix = regexp.MustCompile(`servicePrefix = '([a-z0-9-]+)'`)
	actionName    = regexp.MustCompile(`this\.to\('([A-Za-z0-9:]+)'\)`)
)

// readActions lists every action of IAM as "s3:GetObject".
func readActions(folder string) (actions map[string]bool, version string, err error) {
	var manifest struct{ Version string }
	text, err := os.ReadFile(filepath.Join(folder, "package.json"))
	if err != nil {
		return nil, "", err
	}
	if err := json.Unmarshal(text, &manifest); err != nil {
		return nil, "", err
	}
	files, err := filepath.Glob(filepath.Join(folder, "lib", "generated", "policy-statements", "*.js"))
	if err != nil || len(files) == 0 {
		return nil, "", fmt.Errorf("%s holds no policy statements", folder)
	}
	actions = map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, "", err
		}
		prefix := servicePrefix.FindSubmatch(text)
		if prefix == nil {
			continue
		}
		for _, m := range actionName.FindAllSubmatch(text, -1) {
			actions[string(prefix[1])+":"+string(m[1])] = true
		}
	}
	return actions, manifest.Version, nil
}
