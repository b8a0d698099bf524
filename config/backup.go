package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Belongings are the files that a backup of HOME holds, as they are on disk now, whether or not they
// are in force. Paths are relative to HOME.
type Belongings struct {
	Files   []Belonging // what a team edits, and where shipping has got to
	Secrets []Belonging // the keys below state/, and the secret files inside HOME
	// Outside names what the files refer to and HOME does not hold.
	Outside []string
}

// Belonging is one file and its bytes.
type Belonging struct {
	Path string
	Data []byte
}

// Collect reads the files of HOME for a backup. They may hold mistakes, but they must be YAML: without
// that the files which they refer to are unknown.
func Collect(l Layout) (*Belongings, error) {
	s, err := read(l)
	if err != nil {
		return nil, err
	}
	var b Belongings
	for _, one := range append([]source{s.config, s.owners, s.credentials}, s.policies...) {
		b.Files = append(b.Files, Belonging{Path: one.name, Data: one.data})
	}
	err = errors.Join(
		s.credentials.eachText(func(keys []string, text string) {
			switch keys[len(keys)-1] {
			case "file":
				b.addReferred(l, text, &b.Secrets, "secret file")
			case "env":
				b.leaveOut("environment variable " + text)
			}
		}),
		s.config.eachText(func(keys []string, text string) {
			if where := strings.Join(keys, "."); where == "upstream.roots" || where == "upstream.roots.file" {
				b.addReferred(l, text, &b.Files, "file of roots")
			}
		}),
	)
	return &b, errors.Join(err, b.addState(l, "ship-*.json", &b.Files), b.addState(l, "fingerprint.key", &b.Secrets), b.addState(l, filepath.Join("ca", "*"), &b.Secrets))
}

// addReferred adds a file that another file refers to. One outside HOME is only named, in b.Outside.
func (b *Belongings) addReferred(l Layout, path string, to *[]Belonging, what string) {
	if !filepath.IsAbs(path) {
		path = filepath.Join(l.Dir, path)
	}
	name, err := filepath.Rel(l.Dir, path)
	if err != nil || !filepath.IsLocal(name) {
		b.leaveOut(what + " " + path)
		return
	}
	if slices.ContainsFunc(*to, func(o Belonging) bool { return o.Path == name }) {
		return
	}
	data, _, err := readFile(path)
	if err != nil {
		b.leaveOut(fmt.Sprintf("%s %s (%v)", what, path, reason(err)))
		return
	}
	*to = append(*to, Belonging{Path: name, Data: data})
}

func (b *Belongings) leaveOut(what string) {
	if !slices.Contains(b.Outside, what) {
		b.Outside = append(b.Outside, what)
	}
}

// addState adds the files of the state folder whose names match the pattern.
func (b *Belongings) addState(l Layout, pattern string, to *[]Belonging) error {
	paths, err := filepath.Glob(filepath.Join(globEscape(l.State()), pattern))
	if err != nil {
		return err
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("read state: %w", err)
		}
		name, err := filepath.Rel(l.Dir, path)
		if err != nil {
			return err
		}
		*to = append(*to, Belonging{Path: name, Data: data})
	}
	return nil
}

func globEscape(path string) string {
	return strings.NewReplacer(`*`, `\*`, `?`, `\?`, `[`, `\[`, `\`, `\\`).Replace(path)
}
