package credentials

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"sallyport/internal/authfield"
	"sallyport/internal/host"
	"sallyport/internal/yamldoc"
)

// maxFile is far above any list of credentials that people keep in order.
const maxFile = 1 << 20

// Options is what Parse needs to know of the world.
type Options struct {
	Home           string              // what file: and exec: are relative to
	Getenv         func(string) string // the process's environment; none if nil
	FingerprintKey []byte              // the per-home key of fingerprints; without one there are none
	Now            func() time.Time    // time.Now if nil
	Tokens         *Tokens             // what is minted, kept across reloads; the set's own if nil
	Kinds          []Kind              // of services, beside those that know none
	TrustGroup     Group               // whose members may write what secrets are in; nobody's if zero
}

// Set is one credentials.yaml: every credential by name. It is immutable but for
// the secrets that its credentials keep fresh, and safe for concurrent use; a nil
// Set has no credentials.
type Set struct {
	credentials map[string]*Credential
	warnings    []string
	env         []string
	files       []string
	argv        [][]string
}

// Parse reads credentials.yaml. The error is a [yamldoc.Errors] that lists everything wrong.
//
// file names the file in errors. If it exists (a relative name is looked for in
// Home), it must not be writable by others. Secrets from the environment are read
// here, once; secret files are looked at for their permissions; nothing is run.
func Parse(file string, data []byte, options Options) (*Set, error) {
	if options.Getenv == nil {
		options.Getenv = func(string) string { return "" }
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.Tokens == nil {
		options.Tokens = NewTokens(options.Now)
	}
	doc, root := yamldoc.Read(file, data, fileOptions())
	p := &parser{doc: doc, options: options}
	p.checkOwnFile()
	set := &Set{credentials: p.parse(root)}
	if err := doc.Err(); err != nil {
		return nil, err
	}
	slices.Sort(p.env)
	slices.Sort(p.files)
	set.warnings, set.env, set.files = doc.Warnings(), slices.Compact(p.env), slices.Compact(p.files)
	set.argv = p.argv
	return set, nil
}

func (p *parser) parse(root *yamldoc.Node) map[string]*Credential {
	if root == nil || root.Kind == yamldoc.Empty || root.Kind == yamldoc.Broken {
		return nil
	}
	top, ok := p.section(root, []string{"credentials"})
	if !ok {
		return nil
	}
	list := root.Field("credentials")
	switch {
	case list == nil || list.Kind == yamldoc.Empty || list.Kind == yamldoc.Broken:
		return nil
	case list.Kind != yamldoc.Map:
		top.Wrong("credentials", "must be a mapping from names to credentials")
		return nil
	}
	return p.credentials(list)
}

// credentialName keeps names fit for a policy, a log line and a shell.
var credentialName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

func (p *parser) credentials(list *yamldoc.Node) map[string]*Credential {
	found := map[string]*Credential{}
	kinds := map[string]Kind{}
	for _, kind := range append(generic(), p.options.Kinds...) {
		kinds[kind.Name] = kind
	}
	for _, entry := range list.Below {
		if !credentialName.MatchString(entry.Label) {
			p.doc.Fail(entry.KeyLine, "credentials", "a name is 1 to 64 letters, digits, dots, dashes and underscores, and starts with a letter or digit")
			continue
		}
		found[entry.Label] = p.credential(entry, kinds)
	}
	for _, finish := range p.later {
		finish(found)
	}
	return found
}

// credential reads one entry. Its kind says which keys it may have.
func (p *parser) credential(entry *yamldoc.Node, kinds map[string]Kind) *Credential {
	c := &Credential{name: entry.Label, fingerprintKey: p.options.FingerprintKey}
	known := strings.Join(slices.Sorted(maps.Keys(kinds)), ", ")
	if f := entry.Field("kind"); f != nil {
		c.kind = f.Text
	}
	kind, ok := kinds[c.kind]
	switch {
	case c.kind == "":
		p.doc.Fail(entry.KeyLine, entry.Key(), "key %q is missing; the kinds are %s", "kind", known)
		return c
	case !ok:
		p.doc.Fail(entry.KeyLine, entry.Sub("kind"), "unknown kind %s; the kinds are %s", p.doc.Shown(c.kind), known)
		return c
	}
	s, _ := p.section(entry, slices.Concat([]string{"kind"}, kind.Keys, []string{"variables"}))
	p.sources = nil
	c.variables = s.variables()
	c.signs = kind.Signs
	kind.Decode(s, c)
	c.sources = p.sources
	return c
}

// Warnings returns what is worth a look although the file can be used, each as
// "file:line: key: what; what to try".
func (s *Set) Warnings() []string {
	if s == nil {
		return nil
	}
	return slices.Clone(s.warnings)
}

// Names returns the credentials' names, sorted.
func (s *Set) Names() []string {
	if s == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(s.credentials))
}

// Lookup returns the credential of that name, or nil, which refuses everything.
func (s *Set) Lookup(name string) *Credential {
	if s == nil {
		return nil
	}
	return s.credentials[name]
}

// AuthFields is where agents may try to authenticate by themselves: the usual places, and
// those that a credential is written in.
func (s *Set) AuthFields() *authfield.Table {
	var headers, parameters []string
	if s != nil {
		for _, c := range s.credentials {
			header, parameter := c.place()
			headers, parameters = append(headers, header), append(parameters, parameter)
		}
	}
	unnamed := func(name string) bool { return name == "" }
	return authfield.New(slices.DeleteFunc(headers, unnamed), slices.DeleteFunc(parameters, unnamed))
}

// EnvNames returns the variables that env: secrets read, sorted: what must not reach
// an agent's environment.
func (s *Set) EnvNames() []string {
	if s == nil {
		return nil
	}
	return slices.Clone(s.env)
}

// Files returns the files that file: secrets are read from: what an agent must not
// be able to open.
func (s *Set) Files() []string {
	if s == nil {
		return nil
	}
	return slices.Clone(s.files)
}

// Commands returns the commands that exec: secrets are printed by: who changes one of their
// files has the secret.
func (s *Set) Commands() [][]string {
	if s == nil {
		return nil
	}
	return slices.Clone(s.argv)
}

// variableName is a name that every shell takes (POSIX.1, section 8.1).
var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,63}$`)

// variables reads the names of variables, which need not be there.
func (s *Section) variables() []string {
	if !s.Has("variables") {
		return nil
	}
	const example = "[MISTRAL_API_KEY]"
	var names []string
	for _, item := range s.Texts("variables", example) {
		if !variableName.MatchString(item.Text) {
			s.WrongAt(item, "variables", "%s is not the name of a variable; write variables: %s", s.Shown(item.Text), example)
			continue
		}
		names = append(names, item.Text)
	}
	return names
}

// Hosts reads the patterns that a credential is bound to.
func (s *Section) Hosts() []host.Pattern {
	const example = "[api.example.com]"
	var patterns []host.Pattern
	for _, item := range s.Texts("hosts", example) {
		pattern, err := host.ParsePattern(item.Text)
		if err != nil {
			s.WrongAt(item, "hosts", "%v; write hosts: %s", err, example)
			continue
		}
		if text := pattern.String(); text == "*" || strings.HasPrefix(text, "*:") {
			s.WrongAt(item, "hosts", "%q would give the secret to every host; name the hosts that need it", text)
			continue
		}
		patterns = append(patterns, pattern)
	}
	return patterns
}
