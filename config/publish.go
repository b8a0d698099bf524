package config

import (
	"net/url"
	"path/filepath"
	"slices"
	"time"
)

// Place is where checkpoints of the trail are published. Exactly one field is set.
type Place struct {
	File    string   // absolute
	Command []string // a program and its arguments
	URL     string   // https
	S3      *S3Place
}

// leastUnpublished leaves room for a few attempts, which are ten seconds apart.
const leastUnpublished = time.Minute

// parseAudit reads what governs the trail.
func (c *Config) parseAudit(v value, home string) {
	v.fields(map[string]func(value){
		"durability":      c.parseDurability,
		"publish":         func(v value) { v.list(func(v value) { c.parsePlace(v, home) }) },
		"max_unpublished": func(v value) { c.MaxUnpublished = v.duration(leastUnpublished, "1h") },
	})
	if c.MaxUnpublished != 0 && len(c.Publish) == 0 {
		v.Fail("max_unpublished means nothing without publish")
	}
}

func (c *Config) parsePlace(v value, home string) {
	var p Place
	given := 0
	v.fields(map[string]func(value){
		"file": func(v value) {
			given++
			if file, ok := v.Written(); ok {
				p.File = file
				if !filepath.IsAbs(file) {
					p.File = filepath.Join(home, file)
				}
			}
		},
		"command": func(v value) {
			given++
			v.list(func(v value) {
				if arg, ok := v.Written(); ok {
					p.Command = append(p.Command, arg)
				}
			})
		},
		"url": func(v value) {
			given++
			p.URL = v.address()
		},
		"s3": func(v value) {
			given++
			p.S3 = c.parseS3(v)
		},
	})
	if given != 1 {
		v.Fail("must have one of file, command, url and s3")
		return
	}
	c.Publish = append(c.Publish, p)
}

// address reads an https URL without a user or password: this file is kept in
// the trail, and holds no secret.
func (v value) address() string {
	s, ok := v.Written()
	if !ok {
		return ""
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.Fragment != "" {
		v.Fail("must be an https:// URL without user, password and fragment")
	}
	return s
}

func (p Place) equal(q Place) bool {
	if p.S3 != nil && q.S3 != nil {
		a, b := *p.S3, *q.S3
		a.line, b.line = 0, 0 // where it stands in the file changes nothing
		return a == b
	}
	return p.S3 == q.S3 && p.File == q.File && p.URL == q.URL && slices.Equal(p.Command, q.Command)
}
