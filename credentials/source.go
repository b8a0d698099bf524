package credentials

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"time"
	"unicode"
	"unicode/utf8"

	"sallyport/internal/yamldoc"
)

// maxSecret is the most that any source may give.
const maxSecret = 64 << 10

// source is where a secret comes from.
type source interface {
	// read returns the secret as it is now. As long as it is the same secret, the
	// same pointer comes back. Errors name the source and the step, and hold
	// nothing of what the source gave.
	read(ctx context.Context) (*Reading, error)
	// again has the next read look anew, whatever is kept.
	again(ctx context.Context)
}

// Reading is one value of a secret. As long as it is the same secret, a [Source] gives the
// same pointer.
type Reading struct{ Secret }

var errSeveralLines = errors.New("it holds a line break or another control character; keep one line with the secret alone")

// OneLine is the error that a secret cannot stand in a header field.
func OneLine(secret string) error {
	if !validValue(secret) {
		return errSeveralLines
	}
	return nil
}

// newReading takes what a source gave, less one line break at its end, which editors and
// commands add, and a byte order mark at its beginning, which editors on Windows add.
func newReading(raw []byte) (*Reading, error) {
	raw = bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf"))
	if n := len(raw); n > 0 && raw[n-1] == '\n' {
		raw = bytes.TrimSuffix(raw[:n-1], []byte("\r"))
	}
	switch {
	case len(raw) == 0:
		return nil, errors.New("it is empty")
	case bytes.HasPrefix(raw, []byte("\xff\xfe")), bytes.HasPrefix(raw, []byte("\xfe\xff")):
		return nil, errors.New("it is UTF-16, as PowerShell writes it; save it as UTF-8 or ASCII")
	case len(raw) > maxSecret:
		return nil, fmt.Errorf("it is larger than %d KiB", maxSecret>>10)
	case !validValue(string(raw)) && !bytes.HasPrefix(raw, []byte("-----BEGIN ")): // a key has lines
		return nil, errSeveralLines
	}
	if r := invisible(raw); r != 0 {
		return nil, fmt.Errorf("it begins or ends with an invisible character (%U), as text that was copied from a page may; keep the secret alone", r)
	}
	return &Reading{NewSecret(raw)}, nil
}

// invisible returns the character at either end of a secret that nobody sees and no
// secret has, other than a space; 0 for none.
func invisible(raw []byte) rune {
	first, _ := utf8.DecodeRune(raw)
	last, _ := utf8.DecodeLastRune(raw)
	for _, r := range []rune{first, last} {
		if r > unicode.MaxASCII && r != utf8.RuneError && (unicode.IsSpace(r) || unicode.Is(unicode.Cf, r)) {
			return r
		}
	}
	return 0
}

// environ is the source env: NAME. It was read when the file was parsed.
type environ struct {
	name  string
	value *Reading
	err   error
}

func (e *environ) read(context.Context) (*Reading, error) { return e.value, e.err }

func (e *environ) again(context.Context) {}

var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

const sourceForms = "{env: NAME}, {file: PATH} or {exec: [CMD, ARG]}"

// Source is where a secret is read from. The zero Source gives none.
type Source struct{ from source }

// Source reads the reference to a secret at a key that must be there: exactly one source,
// never the secret itself.
func (s *Section) Source(key string) Source {
	found := s.reference(key)
	if found != nil {
		s.parser.sources = append(s.parser.sources, found)
	}
	return Source{found}
}

// IsZero reports whether there is no source.
func (s Source) IsZero() bool { return s.from == nil }

// Read returns the secret as it is now.
func (s Source) Read(ctx context.Context) (*Reading, error) {
	if s.from == nil {
		return nil, errors.New("there is no secret")
	}
	return s.from.read(ctx)
}

// Look returns the secret as it is while files are read, for a warning about it; nil if it
// cannot be had, or if a command would have to be run for that.
func (s Source) Look() *Reading {
	if _, runs := s.from.(*command); runs || s.from == nil {
		return nil
	}
	held, err := s.from.read(context.Background())
	if err != nil {
		return nil // which is warned of already
	}
	return held
}

func (s *Section) reference(key string) source {
	f := s.node.Field(key)
	switch {
	case f == nil:
		s.Missing("key %q is missing; write %s: %s", key, key, sourceForms)
		return nil
	case f.Kind == yamldoc.Broken:
		return nil
	case f.Kind == yamldoc.Scalar:
		s.Wrong(key, "a secret is never written in this file; refer to it as %s, and replace it, since it has been in a file", sourceForms)
		return nil
	}
	from, ok := s.section(f, []string{"env", "file", "exec", "refresh"})
	if !ok {
		return nil
	}
	count := 0
	for _, form := range []string{"env", "file", "exec"} {
		if from.Has(form) {
			count++
		}
	}
	if count != 1 {
		s.Wrong(key, "needs exactly one source; write %s", sourceForms)
		return nil
	}
	if from.Has("refresh") && !from.Has("exec") {
		from.Wrong("refresh", "belongs to exec only; leave it out: env is read once, a file when it changes")
	}
	switch {
	case from.Has("env"):
		return from.environ()
	case from.Has("file"):
		return from.secretFile()
	default:
		return from.command()
	}
}

func (s *Section) environ() source {
	name, ok := s.Text("env", "ANTHROPIC_API_KEY")
	if !ok {
		return nil
	}
	if !variable.MatchString(name) {
		s.Wrong("env", "is not the name of an environment variable; a secret itself must not stand here")
		return nil
	}
	s.parser.env = append(s.parser.env, name)
	e := &environ{name: name}
	if e.value, e.err = newReading([]byte(s.options.Getenv(name))); e.err != nil {
		e.err = &UnsetError{fmt.Errorf("read environment variable %s: %w", name, e.err)}
		s.Caution("env", "%v; until it is set, requests that need it are refused", e.err)
	}
	return e
}

func (s *Section) secretFile() source {
	path, ok := s.Text("file", "acme.key")
	if !ok || path == "" {
		s.Wrong("file", "must be a path, relative to the home folder")
		return nil
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(s.options.Home, path)
	}
	s.parser.files = append(s.parser.files, path)
	f := &file{path: path, now: s.options.Now, trust: s.options.TrustGroup}
	loose, err := f.check()
	var untrusted *untrustedError
	switch {
	case errors.As(err, &untrusted):
		s.Wrong("file", "%v", err)
	case err != nil:
		s.Caution("file", "%v; until that is mended, requests that need it are refused", err)
	case loose:
		s.Caution("file", "%s can be read by others; run chmod go-r on it", path)
	}
	return f
}

func (s *Section) command() source {
	var argv []string
	for _, item := range s.Texts("exec", "[vault, read, -field=key, secret/acme]") {
		argv = append(argv, item.Text)
	}
	refresh := 5 * time.Minute
	if s.Has("refresh") {
		text, _ := s.Text("refresh", "5m")
		var err error
		if refresh, err = time.ParseDuration(text); err != nil || refresh < time.Second {
			s.Wrong("refresh", "must be a duration of at least 1s; write refresh: 5m")
		}
	}
	if len(argv) == 0 || argv[0] == "" {
		return nil
	}
	s.parser.argv = append(s.parser.argv, argv)
	return &command{
		argv: argv, home: s.options.Home, refresh: refresh, now: s.options.Now,
		path: s.options.Getenv("PATH"), environ: minimal(s.options.Getenv), trust: s.options.TrustGroup,
	}
}
