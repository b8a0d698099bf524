package catch

import (
	"net/netip"
	"path"
	"strings"
)

// Attempt is a try to reach something past the proxy. Nothing of it has left.
type Attempt struct {
	Protocol string         // tcp, udp, unix, or the family and kind of a socket that there is none of in a jail
	Address  netip.AddrPort // the zero value where there is none
	Name     string         // whose address it is; or a path
	Program  string         // file of the program that tried; "" if it is not known
	Reason   string         // why it was refused
}

// The reasons for which something is refused: the first ones by what did not arrive anywhere,
// the others by what did.
const (
	ReasonProtocol = "only TCP leaves, as TLS or HTTP"
	ReasonSocket   = "a jail has no such sockets"
	ReasonOutside  = "the socket is of a program outside"

	ReasonPort   = "no rule names this port"
	ReasonSilent = "it said nothing"
	ReasonOther  = "it speaks neither TLS nor HTTP"
	ReasonBroken = "its first bytes are malformed"
)

// git says whether a program is git's: it gets no HTTP/2, which old versions of
// libcurl hang over, and the proxy tells git by a field that it could not have sent.
func git(program string) bool {
	name := path.Base(program)
	return name == "git" || strings.HasPrefix(name, "git-remote-http") || strings.HasPrefix(name, "git-http-")
}
