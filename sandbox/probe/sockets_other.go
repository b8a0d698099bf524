//go:build !linux

package probe

import (
	"context"
	"net"
)

// inherited are not looked for on this system.
func inherited() []Try { return nil }

// inside is false: whoever listens may be outside.
func inside(net.Conn) bool { return false }

// rawSockets are not tried on this system.
func rawSockets() map[string]func(context.Context, string) (bool, string) { return nil }
