package api

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// plainDocument writes a GraphQL document in the part of the language that every lexer
// divides alike: comments are gone, and block strings are plain strings. What lexers are
// known to divide differently is refused, so that nobody's document changes its meaning
// on the way: a carriage return alone, which ends a comment for some; quotes in runs that
// some read as a block string and others as several strings.
func plainDocument(text string) (string, *Unresolved) {
	l := &plainLexer{text: strings.TrimPrefix(text, "\ufeff")} // which files begin with on some systems
	for i := range len(l.text) {
		switch c := l.text[i]; {
		case c == '\r' && !strings.HasPrefix(l.text[i+1:], "\n"):
			return "", unresolved(ReasonSyntax, "the GraphQL document has a carriage return without a line feed; end lines with a line feed")
		case c < ' ' && c != '\t' && c != '\n' && c != '\r':
			return "", unresolved(ReasonSyntax, "the GraphQL document holds a control character")
		}
	}
	for l.at < len(l.text) {
		if err := l.next(); err != nil {
			return "", err
		}
	}
	return l.out.String(), nil
}

// plainLexer goes through a document once.
type plainLexer struct {
	text     string
	at       int
	comments int
	spread   bool // the token before was "..."
	out      strings.Builder
}

func (l *plainLexer) next() *Unresolved {
	switch c := l.text[l.at]; {
	case c == '#':
		return l.comment()
	case c == '"':
		return l.quotes()
	case c >= utf8.RuneSelf:
		return unresolved(ReasonSyntax, "the GraphQL document does not parse: it holds a character that belongs into strings only")
	case strings.IndexByte(" \t\r\n,", c) >= 0:
		l.copy(1)
	case strings.HasPrefix(l.text[l.at:], "..."):
		l.copy(3)
		l.spread = true
	case c == '-', isWord(c):
		return l.word()
	default:
		l.copy(1)
		l.spread = false
	}
	return nil
}

func (l *plainLexer) copy(n int) {
	l.out.WriteString(l.text[l.at : l.at+n])
	l.at += n
}

func isWord(c byte) bool {
	return 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || c == '_'
}

var numberPattern = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

// word copies a name or a number. A number that a name or a dot follows at once is two
// tokens to our parser and none to others (GraphQL specification, section 2.9.2).
func (l *plainLexer) word() *Unresolved {
	l.spread = false
	rest := l.text[l.at:]
	number := rest[0] == '-' || '0' <= rest[0] && rest[0] <= '9'
	n := 1
	for n < len(rest) && (isWord(rest[n]) || number && (rest[n] == '.' || (rest[n] == '-' || rest[n] == '+') && rest[n-1]|0x20 == 'e')) {
		n++
	}
	if number && !numberPattern.MatchString(rest[:n]) {
		return unresolved(ReasonSyntax, "the GraphQL document does not parse: a number is not one")
	}
	l.copy(n)
	return nil
}

// comment leaves a line feed in its place.
func (l *plainLexer) comment() *Unresolved {
	if l.comments++; l.comments > maxGraphQLTokens {
		return unresolved(ReasonTooComplex, "the GraphQL document has more comments than are read to classify a request")
	}
	comment, _, _ := strings.Cut(l.text[l.at:], "\n")
	if strings.ContainsAny(comment, "\u0085\u2028\u2029") {
		return unresolved(ReasonSyntax, "a comment of the GraphQL document holds a character that ends a line for some readers")
	}
	l.at += len(comment)
	l.out.WriteByte('\n')
	return nil
}

// run counts the quotes that stand together.
func (l *plainLexer) run() int {
	rest := l.text[l.at:]
	return len(rest) - len(strings.TrimLeft(rest, `"`))
}

func oddQuotes() *Unresolved {
	return unresolved(ReasonSyntax, "the GraphQL document has quotes in a row that readers divide differently; put a space between strings, and no quote beside those that begin or end a block string")
}

func (l *plainLexer) quotes() *Unresolved {
	if l.spread { // after "...", our parser takes the string "on" for the keyword
		return unresolved(ReasonSyntax, "the GraphQL document does not parse: a string follows three dots")
	}
	switch run := l.run(); run {
	case 1:
		return l.plainString()
	case 3:
		return l.blockString()
	case 2, 6: // an empty string of either kind
		l.at += run
		l.out.WriteString(`""`)
		return nil
	}
	return oddQuotes()
}

// plainString copies a string. Its escapes are the parser's to read, but for halves of
// surrogate pairs, which it takes for something else.
func (l *plainLexer) plainString() *Unresolved {
	start := l.at
	for l.at++; l.at < len(l.text); {
		switch c := l.text[l.at]; c {
		case '"':
			if l.run() > 1 {
				return oddQuotes()
			}
			l.at++
			l.out.WriteString(l.text[start:l.at])
			return nil
		case '\n':
			l.at = len(l.text)
		case '\\':
			size := escapeSize(l.text[l.at:])
			if size == 0 {
				return unresolved(ReasonSyntax, "a string of the GraphQL document holds half of a surrogate pair")
			}
			l.at += size
		default:
			l.at++
		}
	}
	return unresolved(ReasonSyntax, "the GraphQL document does not parse: a string has no end")
}

// escapeSize is the length of the escape that text begins with, a surrogate pair's
// halves together; 0 for half of one.
func escapeSize(text string) int {
	first, ok := codeUnit(text)
	switch {
	case !ok, first < 0xd800, first > 0xdfff:
		return 2 // what follows stands for itself, or the parser refuses it
	case first >= 0xdc00:
		return 0
	}
	if second, ok := codeUnit(text[6:]); !ok || second < 0xdc00 || second > 0xdfff {
		return 0
	}
	return 12
}

// codeUnit reads \uXXXX.
func codeUnit(text string) (unit int, ok bool) {
	if len(text) < 6 || text[:2] != `\u` {
		return 0, false
	}
	for _, c := range []byte(text[2:6]) {
		if !isHex(c) {
			return 0, false
		}
		unit = unit<<4 | int(unhex(c))
	}
	return unit, true
}

// blockString writes the value of a block string as a plain string.
func (l *plainLexer) blockString() *Unresolved {
	var raw strings.Builder
	for l.at += 3; l.at < len(l.text); {
		rest := l.text[l.at:]
		switch c := rest[0]; {
		case strings.HasPrefix(rest, `\"""`):
			// Some take a backslash for an escape wherever it stands, and a fourth quote
			// for the beginning of the end.
			if strings.HasSuffix(raw.String(), `\`) || strings.HasPrefix(rest, `\""""`) {
				return oddQuotes()
			}
			raw.WriteString(`"""`)
			l.at += 4
		case c == '"':
			run := l.run()
			if run == 3 {
				l.at += run
				l.out.WriteString(quoteGraphQL(blockValue(raw.String())))
				return nil
			}
			if run > 3 {
				return oddQuotes()
			}
			raw.WriteString(rest[:run])
			l.at += run
		case c == '\r': // a line feed follows
			l.at++
		default:
			raw.WriteByte(c)
			l.at++
		}
	}
	return unresolved(ReasonSyntax, "the GraphQL document does not parse: a block string has no end")
}

// blockValue is what a block string says (GraphQL specification, section 2.9.4).
func blockValue(raw string) string {
	lines := strings.Split(raw, "\n")
	common := -1
	for _, line := range lines[1:] {
		indent := len(line) - len(strings.TrimLeft(line, " \t"))
		if indent < len(line) && (common < 0 || indent < common) {
			common = indent
		}
	}
	for i := range lines {
		if i > 0 && common > 0 {
			lines[i] = lines[i][min(common, len(lines[i])):]
		}
	}
	blank := func(line string) bool { return strings.Trim(line, " \t") == "" }
	for len(lines) > 0 && blank(lines[0]) {
		lines = lines[1:]
	}
	for len(lines) > 0 && blank(lines[len(lines)-1]) {
		lines = lines[:len(lines)-1]
	}
	return strings.Join(lines, "\n")
}
