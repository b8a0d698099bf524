package ijson

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// maxNumber is the length of the longest number that is taken; a double needs 24
// characters.
const maxNumber = 64

// scanner reads one text. What it returns an error for is not read further.
type scanner struct {
	text  []byte
	at    int
	depth int
}

func (s *scanner) space() {
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case ' ', '\t', '\n', '\r':
			s.at++
		default:
			return
		}
	}
}

// peek returns the byte that comes next; 0, which JSON has nowhere, at the end.
func (s *scanner) peek() byte {
	if s.at < len(s.text) {
		return s.text[s.at]
	}
	return 0
}

func (s *scanner) end() error {
	if s.space(); s.at < len(s.text) {
		return ErrTrailing
	}
	return nil
}

func (s *scanner) value() error {
	switch c := s.peek(); c {
	case '{':
		return s.object(nil)
	case '[':
		return s.list(nil)
	case '"':
		_, err := s.string()
		return err
	case 't':
		return s.word("true")
	case 'f':
		return s.word("false")
	case 'n':
		return s.word("null")
	default:
		return s.number()
	}
}

func (s *scanner) word(word string) error {
	if len(s.text)-s.at < len(word) || string(s.text[s.at:s.at+len(word)]) != word {
		return ErrSyntax
	}
	s.at += len(word)
	return nil
}

// enter goes one level down, past the bracket; more reports whether anything is in it.
func (s *scanner) enter(closing byte) (more bool, err error) {
	if s.depth++; s.depth > MaxDepth {
		return false, ErrDepth
	}
	s.at++
	if s.space(); s.peek() == closing {
		s.at++
		s.depth--
		return false, nil
	}
	return true, nil
}

// next goes past a comma, or past the bracket at the end.
func (s *scanner) next(closing byte) (more bool, err error) {
	s.space()
	switch c := s.peek(); c {
	case ',':
		s.at++
		s.space()
		return true, nil
	case closing:
		s.at++
		s.depth--
		return false, nil
	}
	return false, ErrSyntax
}

// object reads an object, and collects its members unless that is nil.
func (s *scanner) object(members *[]Member) error {
	var names nameSet
	more, err := s.enter('}')
	for more && err == nil {
		if s.peek() != '"' {
			return ErrSyntax
		}
		quoted, err := s.string()
		if err != nil {
			return err
		}
		name := unquote(quoted)
		if err := names.add(name); err != nil {
			return err
		}
		if s.space(); s.peek() != ':' {
			return ErrSyntax
		}
		s.at++
		s.space()
		start := s.at
		if err := s.value(); err != nil {
			return err
		}
		if members != nil {
			*members = append(*members, Member{name, s.text[start:s.at]})
		}
		if more, err = s.next('}'); err != nil {
			return err
		}
	}
	return err
}

func (s *scanner) list(take func(element []byte)) error {
	more, err := s.enter(']')
	for more && err == nil {
		start := s.at
		if err := s.value(); err != nil {
			return err
		}
		if take != nil {
			take(s.text[start:s.at])
		}
		more, err = s.next(']')
	}
	return err
}

// nameSet are the names of one object. Few have so many that a map is worth it.
type nameSet struct {
	few  []string
	many map[string]struct{}
}

func (n *nameSet) add(name string) error {
	if strings.ContainsRune(name, 0) {
		return ErrNUL
	}
	if n.many == nil && len(n.few) < 16 {
		if slices.Contains(n.few, name) {
			return ErrRepeated
		}
		n.few = append(n.few, name)
		return nil
	}
	if n.many == nil {
		n.many = make(map[string]struct{}, 64)
		for _, one := range n.few {
			n.many[one] = struct{}{}
		}
	}
	if _, seen := n.many[name]; seen {
		return ErrRepeated
	}
	n.many[name] = struct{}{}
	return nil
}

// string reads a string and returns it with its quotes.
func (s *scanner) string() ([]byte, error) {
	start := s.at
	for s.at++; s.at < len(s.text); {
		switch c := s.text[s.at]; {
		case c == '"':
			s.at++
			return s.text[start:s.at], nil
		case c == '\\':
			if err := s.escape(); err != nil {
				return nil, err
			}
		case c < ' ':
			return nil, ErrSyntax
		default:
			s.at++
		}
	}
	return nil, ErrSyntax
}

func (s *scanner) escape() error {
	if s.at+1 >= len(s.text) {
		return ErrSyntax
	}
	switch s.text[s.at+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.at += 2
		return nil
	case 'u':
	default:
		return ErrSyntax
	}
	first, ok := s.unit()
	switch {
	case !ok:
		return ErrSyntax
	case first < 0xd800 || first > 0xdfff:
		return nil
	case first >= 0xdc00:
		return ErrSurrogate
	}
	// RFC 8259, section 7: the second half of the pair follows at once.
	if second, ok := s.unit(); !ok || second < 0xdc00 || second > 0xdfff {
		return ErrSurrogate
	}
	return nil
}

// unit reads \uXXXX.
func (s *scanner) unit() (unit uint64, ok bool) {
	if s.at+6 > len(s.text) || s.text[s.at] != '\\' || s.text[s.at+1] != 'u' {
		return 0, false
	}
	for _, c := range s.text[s.at+2 : s.at+6] {
		switch {
		case '0' <= c && c <= '9':
			unit = unit<<4 | uint64(c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			unit = unit<<4 | uint64(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	s.at += 6
	return unit, true
}

// number reads a number (RFC 8259, section 6). It must be an integer of 64 bits, or one
// that a double holds as more than nothing and less than infinity.
func (s *scanner) number() error {
	start := s.at
	if s.peek() == '-' {
		s.at++
	}
	whole := s.at
	switch digits := s.digits(); {
	case digits == 0, digits > 1 && s.text[whole] == '0':
		return ErrSyntax
	}
	integer := true
	if s.peek() == '.' {
		s.at++
		integer = false
		if s.digits() == 0 {
			return ErrSyntax
		}
	}
	mantissa := s.text[whole:s.at]
	if s.peek()|0x20 == 'e' {
		s.at++
		integer = false
		if c := s.peek(); c == '+' || c == '-' {
			s.at++
		}
		if s.digits() == 0 {
			return ErrSyntax
		}
	}
	if s.at-start > maxNumber || !holds(string(s.text[start:s.at]), mantissa, integer) {
		return ErrNumber
	}
	return nil
}

func (s *scanner) digits() int {
	start := s.at
	for c := s.peek(); '0' <= c && c <= '9'; c = s.peek() {
		s.at++
	}
	return s.at - start
}

// holds reports whether readers of 64 bits have room for a number.
func holds(number string, mantissa []byte, integer bool) bool {
	if integer {
		_, signed := strconv.ParseInt(number, 10, 64)
		_, unsigned := strconv.ParseUint(number, 10, 64)
		return signed == nil || unsigned == nil
	}
	f, err := strconv.ParseFloat(number, 64)
	zero := !slices.ContainsFunc(mantissa, func(c byte) bool { return '1' <= c && c <= '9' })
	return err == nil && !math.IsInf(f, 0) && (f != 0 || zero)
}
