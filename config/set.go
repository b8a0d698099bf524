package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sallyport/credentials"
	"sallyport/identity"
	"sallyport/identity/owners"
	"sallyport/internal/host"
	"sallyport/policy"
	"sallyport/services"
)

// Set is what all files of HOME say, at one moment. It is immutable and safe
// for concurrent use.
type Set struct {
	Number      uint64 // 1 for the first set a store puts in force, then counting
	Config      *Config
	Owners      *owners.Directory
	Credentials *credentials.Set
	Policies    map[string]*policy.Policy // by name
	Files       []File                    // sorted by path
	Warnings    []string                  // legal, but worth a look
	Services    []services.Service        // that the files were read with

	digest digest
}

// File is one file of a set.
type File struct {
	Path   string // relative to HOME
	SHA256 string // lower-case hex
	Text   string // the bytes that were parsed, none of them a secret
}

// Options is what parsing needs beside the files.
type Options struct {
	Getenv         func(string) string
	FingerprintKey []byte
	Now            func() time.Time
	Services       []services.Service  // whose keys and kinds of credentials the files may use
	Tokens         *credentials.Tokens // minted tokens, which stay usable across reloads
}

// Load parses all files. The error, if any, lists everything that is wrong.
func Load(l Layout, o Options) (*Set, error) {
	set, _, err := load(l, o, nil)
	return set, err
}

// LoadWith is Load with this text in the place of credentials.yaml.
func LoadWith(l Layout, o Options, text []byte) (*Set, error) {
	snap, err := read(l)
	if err != nil {
		return nil, err
	}
	snap.credentials.data = text
	set := &Set{Credentials: &credentials.Set{}, Services: o.Services}
	if set.Config, err = snap.parseConfig(l); err != nil {
		return nil, err
	}
	if err := set.parse(snap, l, o); err != nil {
		return nil, err
	}
	return set, nil
}

// load is Load, but returns nil and no error if the files are as known.
func load(l Layout, o Options, known *digest) (*Set, digest, error) {
	snap, readErr := read(l)
	set := &Set{Config: &Config{}, Credentials: &credentials.Set{}, Services: o.Services}
	var configErr error
	if snap.config.path != "" {
		set.Config, configErr = snap.parseConfig(l)
	}
	set.digest = digestOf(snap, set.Config.Upstream.Roots, readErr)
	if known != nil && *known == set.digest {
		return nil, set.digest, nil
	}
	if err := errors.Join(readErr, configErr, set.parse(snap, l, o)); err != nil {
		return nil, set.digest, err
	}
	set.Files = snap.files(set.Config.Upstream.Roots, l)
	return set, set.digest, nil
}

// LoadConfig parses sallyport.yaml alone.
func LoadConfig(l Layout) (*Config, error) {
	s, err := readSource(l, l.Config())
	if err != nil {
		return nil, missing(l.Config(), err, "run `sallyport init`, or check --home")
	}
	return (&snapshot{config: s}).parseConfig(l)
}

// parseConfig reads sallyport.yaml and the root files it names, because their
// bytes belong to the set: a changed root file is a changed configuration.
func (s *snapshot) parseConfig(l Layout) (*Config, error) {
	c, doc := parseConfig(s.config.path, s.config.data, l.Dir, identity.ValidateTrustDomain)
	for i := range c.Upstream.Roots {
		r := &c.Upstream.Roots[i]
		data, mode, err := readFile(r.File)
		data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")) // behind a byte order mark the first certificate would be overlooked
		if err == nil {
			err = checkPEM(data)
		}
		if err == nil && mode&anyoneWrites != 0 {
			err = fmt.Errorf("anyone may write it (mode %04o), and so be any upstream; chmod o-w", mode)
		}
		if err != nil {
			doc.Fail(r.line, r.key, "%s: %v", r.File, reason(err))
		}
		r.PEM = data
	}
	return c, doc.Err()
}

// parse reads the other files. A file that could not be read was reported
// already and is left out.
func (set *Set) parse(snap *snapshot, l Layout, o Options) error {
	var ownersErr, credentialsErr, usesErr error
	if snap.owners.path != "" {
		set.Owners, ownersErr = owners.Parse(snap.owners.path, snap.owners.data)
		for _, w := range set.Owners.Warnings() {
			set.Warnings = append(set.Warnings, snap.owners.path+": "+w)
		}
	}
	if snap.credentials.path != "" {
		credentialsErr = set.parseCredentials(snap.credentials, l, o)
	}
	parsed, policiesErr := set.parsePolicies(snap.policies)
	if snap.credentials.path != "" && credentialsErr == nil {
		usesErr = errors.Join(set.checkUses(parsed), set.checkPlaces(snap.config.path), set.checkProxy(snap.config.path))
	}
	set.Warnings = append(set.Warnings, snap.shared(set.Config.TrustGroup)...)
	set.Warnings = append(set.Warnings, set.Config.Upstream.warnings()...)
	return errors.Join(snap.open(l), ownersErr, credentialsErr, policiesErr, usesErr)
}

// Write permissions of a file that decides where secrets go, and who may do what.
const (
	othersWrite fs.FileMode = 0o022
	othersRead  fs.FileMode = 0o044

	anyoneWrites fs.FileMode = 0o002
)

func (set *Set) parseCredentials(s source, l Layout, o Options) error {
	others := othersWrite
	if set.Config.TrustGroup != (credentials.Group{}) {
		others = anyoneWrites // package credentials checks that the group is the trusted one
	}
	if s.mode&others != 0 {
		return &fileError{
			File: s.path, Msg: fmt.Sprintf("other users may write it (mode %04o), so they could send any secret anywhere", s.mode),
			Hint: "chmod go-w " + s.path + ", or see trust_group in docs/operations.md where a volume gives it to a group",
		}
	}
	if s.mode&othersRead != 0 && others == othersWrite {
		set.Warnings = append(set.Warnings, fmt.Sprintf("%s: other users may read it (mode %04o)", s.path, s.mode))
	}
	parsed, err := credentials.Parse(s.path, s.data, credentials.Options{
		Home: l.Dir, Getenv: o.Getenv, FingerprintKey: o.FingerprintKey, Now: o.Now, Tokens: o.Tokens, TrustGroup: set.Config.TrustGroup,
		Kinds: services.Kinds(set.Services),
	})
	if err != nil {
		return err
	}
	set.Credentials = parsed
	set.Warnings = append(set.Warnings, parsed.Warnings()...)
	return nil
}

// parsedPolicy is a policy and the file it is in.
type parsedPolicy struct {
	path   string
	policy *policy.Policy
}

func (set *Set) parsePolicies(sources []source) ([]parsedPolicy, error) {
	languages := services.Languages(set.Services, set.Credentials.Lookup)
	var parsed []parsedPolicy
	var errs []error
	set.Policies = make(map[string]*policy.Policy, len(sources))
	for _, s := range sources {
		p, err := policy.Parse(s.path, s.data, languages...)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		set.Policies[p.Name()] = p // the name is the file's, so there is no second one
		for _, w := range p.Warnings() {
			set.Warnings = append(set.Warnings, w.Error())
		}
		parsed = append(parsed, parsedPolicy{path: s.path, policy: p})
	}
	return parsed, errors.Join(errs...)
}

// checkUses finds what only two files together get wrong: a credential that
// does not exist, and a rule that could send one to a host it is not bound to.
// The second would be refused at run time as well; here it is no surprise.
func (set *Set) checkUses(parsed []parsedPolicy) error {
	var errs []error
	for _, p := range parsed {
		for _, use := range p.policy.CredentialUses() {
			if err := set.checkUse(p.path, p.policy, use); err != nil {
				errs = append(errs, err)
			}
		}
		for _, use := range p.policy.Records() {
			if err := set.checkRecord(p.path, use); err != nil {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}

// checkRecord finds a rule that would have the trail keep what stands where a
// credential is written.
func (set *Set) checkRecord(file string, use policy.RecordUse) error {
	problem := &fileError{File: file, Line: use.Line, Key: "rules[" + use.Rule + "].record", Hint: "remove it: the trail keeps nothing of credentials"}
	fields := set.Credentials.AuthFields()
	for _, name := range use.Headers {
		if fields.Header(name) {
			problem.Msg = fmt.Sprintf("header %s is where a credential is written", name)
			return problem
		}
	}
	for _, name := range use.Query {
		if fields.Parameter("", name) {
			problem.Msg = fmt.Sprintf("query parameter %s is where a credential is written", name)
			return problem
		}
	}
	return nil
}

func (set *Set) checkUse(file string, p *policy.Policy, use policy.CredentialUse) error {
	problem := &fileError{File: file, Line: use.Line, Key: "rules[" + use.Rule + "].credential"}
	c := set.Credentials.Lookup(use.Credential)
	if c == nil {
		problem.Msg = fmt.Sprintf("credentials.yaml has no credential %q", use.Credential)
		if names := set.Credentials.Names(); len(names) > 0 {
			problem.Hint = "it has " + strings.Join(names, ", ")
		} else {
			problem.Hint = "it has none yet"
		}
		return problem
	}
	if what, hint := set.unfit(c, p, use); what != "" {
		problem.Msg, problem.Hint = what, hint
		return problem
	}
	outside := slices.DeleteFunc(slices.Clone(use.Hosts), c.Covers)
	if len(outside) == 0 {
		return nil
	}
	problem.Msg = fmt.Sprintf("the rule can match %s, where credential %q must not go (it is bound to %s)",
		patterns(outside), use.Credential, patterns(c.Hosts()))
	problem.Hint = "narrow the rule's host, or add the host to the credential's hosts"
	return problem
}

// unfit says why a credential cannot serve a rule, other than by its hosts.
func (set *Set) unfit(c *credentials.Credential, p *policy.Policy, use policy.CredentialUse) (what, hint string) {
	for _, service := range set.Services {
		if use.Service == service.Key() && len(service.Kinds()) > 0 && !services.Owns(service, c.Kind()) {
			return fmt.Sprintf("a rule that says %s: takes a credential of kind %s, and %q is of kind %s", use.Service, kindNames(service), use.Credential, c.Kind()),
				"use one of those, or write a host: rule, under which a credential goes to what has a name only, unless it says unnamed: allow"
		}
	}
	for _, service := range set.Services {
		checker, ok := service.(services.UseChecker)
		if !ok {
			continue
		}
		if what, hint = checker.CheckUse(c, p, use); what != "" {
			return what, hint
		}
	}
	return "", ""
}

func kindNames(s services.Service) string {
	var names []string
	for _, kind := range s.Kinds() {
		names = append(names, kind.Name)
	}
	return strings.Join(names, " or ")
}

func patterns(list []host.Pattern) string {
	const shown = 5
	var names []string
	for _, p := range list[:min(len(list), shown)] {
		names = append(names, p.String())
	}
	if more := len(list) - shown; more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}

func (s *snapshot) files(roots []Roots, l Layout) []File {
	var all []File
	for _, one := range append([]source{s.config, s.owners, s.credentials}, s.policies...) {
		all = append(all, File{Path: one.name, SHA256: one.hash(), Text: string(one.data)})
	}
	for _, r := range roots {
		name := r.File
		if rel, err := filepath.Rel(l.Dir, r.File); err == nil && filepath.IsLocal(rel) {
			name = rel
		}
		all = append(all, File{Path: name, SHA256: source{data: r.PEM}.hash(), Text: string(r.PEM)})
	}
	slices.SortFunc(all, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return slices.Compact(all)
}
