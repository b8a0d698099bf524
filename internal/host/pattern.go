package host

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

type patternKind uint8

const (
	matchNothing patternKind = iota // the zero Pattern
	matchExact                      // one name or address
	matchBelow                      // *.name: every name below, at any depth
	matchNames                      // *: every name, no address
)

type portKind uint8

const (
	portDefault portKind = iota // none written
	portExact
	portAny // :*
)

// Pattern matches authorities: "name", "*.name", "*" or an address, each with
// an optional ":port" or ":*". It is canonical and comparable; the zero Pattern
// matches nothing.
type Pattern struct {
	kind  patternKind
	ports portKind
	port  uint16
	name  Name
}

// ParsePattern reads a pattern. An IPv6 address stands in brackets.
func ParsePattern(s string) (Pattern, error) {
	if s == "" {
		return Pattern{}, errors.New("host pattern is empty")
	}
	hostText, portText, hasPort, err := splitPort(s)
	if err != nil {
		return Pattern{}, err
	}
	p, err := parseHostPattern(hostText)
	if err != nil || !hasPort {
		return p, err
	}
	if portText == "*" {
		p.ports = portAny
		return p, nil
	}
	p.ports = portExact
	if p.port, err = parsePort(portText); err != nil {
		return Pattern{}, fmt.Errorf("host pattern %q: %w; or * for any port", s, err)
	}
	return p, nil
}

func parseHostPattern(s string) (Pattern, error) {
	if s == "*" {
		return Pattern{kind: matchNames}, nil
	}
	kind, text := matchExact, s
	if below, ok := strings.CutPrefix(s, "*."); ok {
		kind, text = matchBelow, below
	}
	if strings.Contains(text, "*") {
		return Pattern{}, fmt.Errorf("host pattern %q: a * stands for all names, or at the front as in *.example.com, and nowhere else", s)
	}
	name, err := ParseName(text)
	if err != nil {
		return Pattern{}, err
	}
	if kind == matchBelow && name.addr.IsValid() {
		return Pattern{}, fmt.Errorf("host pattern %q: there is nothing below an address", s)
	}
	return Pattern{kind: kind, name: name}, nil
}

// Matches reports whether a lies in the pattern. A pattern without a port means
// defaultPort only; with defaultPort 0 it means any port.
func (p Pattern) Matches(a Authority, defaultPort uint16) bool {
	return p.MatchesName(a.Name) && p.matchesPort(a.Port, defaultPort)
}

// MatchesName is Matches without a look at the port.
func (p Pattern) MatchesName(n Name) bool {
	switch p.kind {
	case matchExact:
		return n.text == p.name.text // the text of a Name decides its address
	case matchBelow:
		return n.isBelow(p.name)
	case matchNames:
		return n.text != "" && !n.addr.IsValid()
	case matchNothing:
	}
	return false
}

func (p Pattern) matchesPort(port, defaultPort uint16) bool {
	switch p.ports {
	case portDefault:
		return defaultPort == 0 || port == defaultPort
	case portExact:
		return port == p.port
	case portAny:
		return true
	}
	return false
}

// Covers reports whether p matches whatever q can match, for every default port
// that both share. Reduce both first where that port is known.
func (p Pattern) Covers(q Pattern) bool {
	return p.coversNames(q) && p.coversPorts(q)
}

func (p Pattern) coversNames(q Pattern) bool {
	switch {
	case q.kind == matchNothing:
		return true
	case q.kind == matchExact:
		return p.MatchesName(q.name)
	case p.kind == matchNames:
		return true
	case p.kind == matchBelow && q.kind == matchBelow:
		return q.name == p.name || q.name.isBelow(p.name)
	}
	return false
}

func (p Pattern) coversPorts(q Pattern) bool {
	return p.ports == portAny || p.ports == q.ports && p.port == q.port
}

// Overlaps reports whether some authority lies in both p and q, for every
// default port that both share.
func (p Pattern) Overlaps(q Pattern) bool {
	names := p.coversNames(q) || q.coversNames(p)
	ports := p.coversPorts(q) || q.coversPorts(p)
	return names && ports && p.kind != matchNothing && q.kind != matchNothing
}

// Reduce returns the pattern that means the same where defaultPort is the
// default, with that port left out: for 443, "name:443" becomes "name".
func (p Pattern) Reduce(defaultPort uint16) Pattern {
	if p.ports == portExact && p.port == defaultPort {
		p.ports, p.port = portDefault, 0
	}
	return p
}

// HasPort reports whether a port, or :*, is written.
func (p Pattern) HasPort() bool { return p.ports != portDefault }

// Port is the port that is written, if one is.
func (p Pattern) Port() (port uint16, written bool) { return p.port, p.ports == portExact }

// Exact returns the name or address if the pattern is for just one.
func (p Pattern) Exact() (Name, bool) { return p.name, p.kind == matchExact }

// Below returns the domain of a "*.name" pattern.
func (p Pattern) Below() (Name, bool) { return p.name, p.kind == matchBelow }

// String returns the canonical text.
func (p Pattern) String() string {
	text := bracket(p.name)
	switch p.kind {
	case matchBelow:
		text = "*." + text
	case matchNames:
		text = "*"
	case matchExact, matchNothing:
	}
	switch p.ports {
	case portExact:
		text += ":" + strconv.FormatUint(uint64(p.port), 10)
	case portAny:
		text += ":*"
	case portDefault:
	}
	return text
}
