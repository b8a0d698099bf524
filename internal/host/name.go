package host

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

const (
	maxName  = 253 // RFC 1035, section 2.3.4, less the length octets of the ends
	maxLabel = 63

	// maxInput bounds the work on a hostile spelling; the longest name in
	// Unicode, with room for trailing dots, is far shorter.
	maxInput = 4 * maxName
)

// Name is a DNS name in lower-case ASCII or an IP address, in canonical form.
// The zero Name is no host: no pattern matches it.
type Name struct {
	text string
	addr netip.Addr // valid for literals only
}

// ParseName reads one host without a port. Brackets around an IPv6 address and
// dots at the end of a name are dropped, Unicode is mapped by UTS 46, and an
// IPv4-mapped address becomes the IPv4 address that it stands for.
func ParseName(s string) (Name, error) {
	switch {
	case s == "":
		return Name{}, errors.New("host is empty")
	case len(s) > maxInput:
		return Name{}, fmt.Errorf("host is longer than %d bytes", maxInput)
	case strings.ContainsRune(s, '%'):
		return Name{}, fmt.Errorf("host %q has a %%: zones and percent-encoding are not accepted", s)
	case strings.ContainsRune(s, '@'):
		return Name{}, fmt.Errorf("host %q has an @: user information is not accepted", s)
	case s[0] == '[':
		return parseBracketed(s)
	case strings.ContainsRune(s, ':'):
		return parseIPv6(s)
	}
	return parseDotted(s)
}

// parseBracketed accepts exactly one pair of brackets, and only around an IPv6
// address: peers that stripped them from names or twice were bypassed that way.
func parseBracketed(s string) (Name, error) {
	inner, ok := strings.CutSuffix(s[1:], "]")
	if !ok || !strings.Contains(inner, ":") {
		return Name{}, fmt.Errorf("host %q: brackets belong around an IPv6 address only", s)
	}
	return parseIPv6(inner)
}

func parseIPv6(s string) (Name, error) {
	addr, err := netip.ParseAddr(s)
	if err != nil {
		return Name{}, fmt.Errorf("host %q is not an IPv6 address, and a name has no colon", s)
	}
	return literal(addr), nil
}

func literal(addr netip.Addr) Name {
	addr = addr.Unmap()
	return Name{text: addr.String(), addr: addr}
}

// parseDotted reads a DNS name or an IPv4 address.
func parseDotted(s string) (Name, error) {
	text, err := toASCII(strings.TrimRight(s, "."))
	if err != nil {
		return Name{}, fmt.Errorf("host %q: %w", s, err)
	}
	if !endsInNumber(text) {
		return Name{text: text}, nil
	}
	// A name whose last label is a number is read as an IPv4 address by some
	// resolvers, each in its own way (WHATWG URL, section 3.5). Only the one
	// spelling on which all agree is accepted.
	addr, err := netip.ParseAddr(text)
	if err != nil || !strings.HasPrefix(s, text) {
		return Name{}, fmt.Errorf("host %q ends in a number but is not an IPv4 address in plain decimal form; write it as 192.0.2.1", s)
	}
	return literal(addr), nil
}

// toASCII gives the lower-case ASCII form of a name. The plain case allocates
// nothing.
func toASCII(s string) (string, error) {
	text := lower(s)
	if needsIDNA(text) {
		var err error
		if text, err = mapped(text); err != nil {
			return "", err
		}
	}
	if err := checkLabels(text); err != nil {
		return "", err
	}
	return text, nil
}

func lower(s string) string {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			return strings.Map(func(r rune) rune {
				if 'A' <= r && r <= 'Z' {
					return r + 'a' - 'A'
				}
				return r
			}, s)
		}
	}
	return s
}

func needsIDNA(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return true
		}
	}
	return strings.HasPrefix(s, "xn--") || strings.Contains(s, ".xn--")
}

// mapped applies UTS 46 (non-transitional) and insists on a fixed point, so
// that one name cannot have two A-labels.
func mapped(s string) (string, error) {
	profile := idna.New(idna.MapForLookup(), idna.Transitional(false), idna.BidiRule(), idna.CheckJoiners(true),
		idna.CheckHyphens(false), idna.StrictDomainName(false))
	text, err := profile.ToASCII(s)
	if err != nil || !utf8.ValidString(s) {
		return "", errors.New("not a valid internationalised name")
	}
	text = strings.TrimRight(text, ".")
	again, err := profile.ToASCII(text)
	if err != nil || again != text {
		return "", errors.New("not a valid internationalised name: it has no single ASCII form")
	}
	return text, nil
}

// checkLabels accepts letters, digits and hyphens (RFC 1123, section 2.1), and
// underscores, which names of real services have (SRV owners, S3 buckets).
func checkLabels(s string) error {
	if s == "" {
		return errors.New("the name is empty")
	}
	if len(s) > maxName {
		return fmt.Errorf("the name is longer than %d bytes", maxName)
	}
	start := 0
	for i := 0; i <= len(s); i++ {
		if i < len(s) && s[i] != '.' {
			if !isLabelByte(s[i]) {
				return errors.New("a name has only letters, digits, hyphens, underscores and dots")
			}
			continue
		}
		if err := checkLabel(s[start:i]); err != nil {
			return err
		}
		start = i + 1
	}
	return nil
}

func checkLabel(label string) error {
	switch {
	case label == "":
		return errors.New("the name has an empty label")
	case len(label) > maxLabel:
		return fmt.Errorf("a label of the name is longer than %d bytes", maxLabel)
	case label[0] == '-' || label[len(label)-1] == '-':
		return errors.New("a label of the name begins or ends with a hyphen")
	}
	return nil
}

func isLabelByte(c byte) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}

// endsInNumber reports whether the last label is decimal or hexadecimal, the
// test of WHATWG URL, section 3.6, by which a host counts as an IPv4 address.
func endsInNumber(s string) bool {
	last := s[strings.LastIndexByte(s, '.')+1:]
	digits, hex := strings.CutPrefix(last, "0x")
	for i := range len(digits) {
		c := digits[i]
		if !('0' <= c && c <= '9' || hex && 'a' <= c && c <= 'f') {
			return false
		}
	}
	return true
}

// String returns the canonical text, an IPv6 address without brackets.
func (n Name) String() string { return n.text }

// Addr returns the address if the name is a literal; never an IPv4-mapped one.
func (n Name) Addr() (netip.Addr, bool) { return n.addr, n.addr.IsValid() }

// IsAddr reports whether the name is an address.
func (n Name) IsAddr() bool { return n.addr.IsValid() }

// Parent returns the name without its first label, and false where there is
// none: at a single label, and at an address.
func (n Name) Parent() (Name, bool) {
	_, rest, ok := strings.Cut(n.text, ".")
	if !ok || n.addr.IsValid() {
		return Name{}, false
	}
	return Name{text: rest}, true
}

// isBelow reports whether n lies in the domain of parent, at any depth.
func (n Name) isBelow(parent Name) bool {
	if n.addr.IsValid() || parent.addr.IsValid() || parent.text == "" {
		return false
	}
	cut := len(n.text) - len(parent.text)
	return cut > 1 && n.text[cut-1] == '.' && n.text[cut:] == parent.text
}
