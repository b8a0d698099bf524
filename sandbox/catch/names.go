package catch

import (
	"net/netip"
	"sync"
	"time"

	"sallyport/internal/host"
)

// The networks from which names get their addresses: both are for benchmarks and
// routed nowhere (RFC 2544, RFC 5180). Addresses of 127.0.0.0/8 would not do, for
// Ruby and others never send those to a proxy.
//
//nolint:gochecknoglobals // constants
var (
	Network4 = netip.MustParsePrefix("198.18.0.0/15")
	Network6 = netip.MustParsePrefix("2001:2::/64")
)

const (
	mostNames = 1<<17 - 2 // addresses of Network4, without its first and last
	keptFor   = time.Hour // after a name was last asked for, its address may become another's
)

// Names gives each name an address of its own, and tells whose an address is. It
// is safe for concurrent use.
type Names struct {
	now  func() time.Time
	most int

	mu    sync.Mutex
	index map[host.Name]int
	held  []holding // by index
	next  int       // where to look for one that can be taken
}

type holding struct {
	name  host.Name
	asked time.Time
}

// NewNames returns an empty book.
func NewNames(now func() time.Time) *Names {
	return &Names{now: now, most: mostNames, index: map[host.Name]int{}}
}

// Addresses are those of a name; ok is false when all are in use.
func (n *Names) Addresses(name host.Name) (v4, v6 netip.Addr, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	i, known := n.index[name]
	if !known {
		if i, ok = n.take(); !ok {
			return v4, v6, false
		}
		n.index[name] = i
	}
	n.held[i] = holding{name, n.now()}
	v4, v6 = at(i)
	return v4, v6, true
}

// take finds an address that is nobody's, or one that nobody has asked for in a while.
func (n *Names) take() (int, bool) {
	if len(n.held) < n.most {
		n.held = append(n.held, holding{})
		return len(n.held) - 1, true
	}
	const looks = 64 // a full book is not searched from end to end for every name
	for range looks {
		i := n.next
		n.next = (n.next + 1) % n.most
		if n.now().Sub(n.held[i].asked) > keptFor {
			delete(n.index, n.held[i].name)
			return i, true
		}
	}
	return 0, false
}

// Name is whose address this is.
func (n *Names) Name(addr netip.Addr) (host.Name, bool) {
	i, ok := number(addr.Unmap())
	if !ok {
		return host.Name{}, false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if i >= len(n.held) {
		return host.Name{}, false
	}
	return n.held[i].name, true
}

// at is the pair of addresses with a number.
func at(i int) (v4, v6 netip.Addr) {
	b4, b6 := Network4.Addr().As4(), Network6.Addr().As16()
	i++ // the first address is the network's own
	b4[1] += byte(i >> 16)
	b4[2], b4[3] = byte(i>>8), byte(i)
	copy(b6[12:], b4[:])
	return netip.AddrFrom4(b4), netip.AddrFrom16(b6)
}

// number is the inverse of at.
func number(addr netip.Addr) (int, bool) {
	var b [4]byte
	switch {
	case Network4.Contains(addr):
		b = addr.As4()
	case Network6.Contains(addr):
		b6 := addr.As16()
		b = [4]byte(b6[12:])
		if !Network4.Contains(netip.AddrFrom4(b)) || b6[8]|b6[9]|b6[10]|b6[11] != 0 {
			return 0, false
		}
	default:
		return 0, false
	}
	first := Network4.Addr().As4()
	i := int(b[1]-first[1])<<16 | int(b[2])<<8 | int(b[3])
	return i - 1, i > 0
}
