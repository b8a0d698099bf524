package host

import (
	"fmt"
	"strconv"
	"strings"
)

// Authority is a host and a port (RFC 3986, section 3.2, without user
// information), canonical and comparable.
type Authority struct {
	Name Name
	Port uint16
}

// ParseAuthority reads "name", "name:port", "[IPv6]" or "[IPv6]:port". A missing
// port means defaultPort; with defaultPort 0 the port is required.
func ParseAuthority(s string, defaultPort uint16) (Authority, error) {
	hostText, portText, hasPort, err := splitPort(s)
	if err != nil {
		return Authority{}, err
	}
	port := defaultPort
	switch {
	case hasPort:
		if port, err = parsePort(portText); err != nil {
			return Authority{}, fmt.Errorf("authority %q: %w", s, err)
		}
	case defaultPort == 0:
		return Authority{}, fmt.Errorf("authority %q has no port; write it as name:443", s)
	}
	name, err := ParseName(hostText)
	if err != nil {
		return Authority{}, err
	}
	return Authority{Name: name, Port: port}, nil
}

// splitPort parts the host, brackets included, from what follows its colon.
func splitPort(s string) (hostText, portText string, hasPort bool, err error) {
	if len(s) > maxInput+len(":65535") {
		return "", "", false, fmt.Errorf("authority is longer than %d bytes", maxInput)
	}
	if strings.ContainsRune(s, '@') {
		return "", "", false, fmt.Errorf("%q has an @: user information is not accepted", s)
	}
	end := strings.IndexByte(s, ']') + 1 // 0 without brackets
	hostText, portText, hasPort = strings.Cut(s[end:], ":")
	if end > 0 && hostText != "" {
		return "", "", false, fmt.Errorf("%q has text after the bracket", s)
	}
	if strings.Contains(portText, ":") {
		return "", "", false, fmt.Errorf("%q has several colons; write an IPv6 address in brackets, as in [2001:db8::1]:443", s)
	}
	return s[:end+len(hostText)], portText, hasPort, nil
}

// parsePort accepts 1 to 65535 in plain decimal; strconv alone would take a
// plus sign and leading zeros.
func parsePort(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 || s[0] < '1' || s[0] > '9' {
		return 0, fmt.Errorf("port %q is not a number from 1 to 65535", s)
	}
	return uint16(n), nil
}

// String returns "name:port", an IPv6 address in brackets.
func (a Authority) String() string {
	return bracket(a.Name) + ":" + strconv.FormatUint(uint64(a.Port), 10)
}

func bracket(n Name) string {
	if n.addr.Is6() {
		return "[" + n.text + "]"
	}
	return n.text
}
