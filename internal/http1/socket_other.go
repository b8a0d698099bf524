//go:build !unix

package http1

import "net"

// empty cannot tell here; a request finds out.
func empty(net.Conn) bool { return true }
