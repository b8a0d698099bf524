package host

import "net/netip"

// GloballyReachable reports whether an address belongs to the public Internet by
// the IANA special-purpose registries (RFC 6890, RFC 8190). It allows what is
// known to be reachable rather than refusing what is known not to be: an address
// range nobody thought of is refused.
//
// Addresses with a zone are refused. An IPv4 address inside an IPv6 one is
// judged where the registry lets such addresses out at all (mapped and the
// well-known NAT64 prefix); the other embeddings are refused as a whole.
func GloballyReachable(addr netip.Addr) bool {
	if addr.Zone() != "" {
		return false
	}
	addr = addr.Unmap()
	if nat64.Contains(addr) {
		b := addr.As16()
		addr = netip.AddrFrom4([4]byte(b[12:]))
	}
	switch {
	case addr.Is4():
		return reachable(addr, special4)
	case addr.Is6():
		return globalUnicast.Contains(addr) && !isISATAP(addr) && reachable(addr, special6)
	}
	return false
}

// reachable finds the first entry that holds the address. The tables list
// exceptions before the block they lie in.
func reachable(addr netip.Addr, table []special) bool {
	for _, s := range table {
		if s.prefix.Contains(addr) {
			return s.reachable
		}
	}
	return true
}

// isISATAP recognises the interface identifiers 0000:5efe and 0200:5efe followed
// by an IPv4 address (RFC 5214, section 6.1). A router that still speaks ISATAP
// would deliver them to that address, under any prefix.
func isISATAP(addr netip.Addr) bool {
	b := addr.As16()
	return b[8]&^0x02 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe
}

//nolint:gochecknoglobals // constants in all but syntax
var (
	nat64         = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052
	globalUnicast = netip.MustParsePrefix("2000::/3")     // the only IPv6 unicast space that IANA hands out (RFC 4291, section 2.4)
)

// special is one row of a registry.
type special struct {
	prefix    netip.Prefix
	reachable bool
}

func block(prefix string) special     { return special{netip.MustParsePrefix(prefix), false} }
func exception(prefix string) special { return special{netip.MustParsePrefix(prefix), true} }

// special4 is the IANA IPv4 Special-Purpose Address Registry, with multicast.
// Rows that the registry calls reachable are listed only inside a block that is
// not.
//
//nolint:gochecknoglobals // a constant in all but syntax
var special4 = []special{
	block("0.0.0.0/8"),         // this network, RFC 791
	block("10.0.0.0/8"),        // private use, RFC 1918
	block("100.64.0.0/10"),     // shared address space (CGNAT), RFC 6598
	block("127.0.0.0/8"),       // loopback, RFC 1122
	block("169.254.0.0/16"),    // link local and cloud metadata, RFC 3927
	block("172.16.0.0/12"),     // private use, RFC 1918
	exception("192.0.0.9/32"),  // Port Control Protocol anycast, RFC 7723
	exception("192.0.0.10/32"), // TURN anycast, RFC 8155
	block("192.0.0.0/24"),      // IETF protocol assignments, RFC 6890
	block("192.0.2.0/24"),      // TEST-NET-1, RFC 5737
	block("192.88.99.0/24"),    // 6to4 relay anycast, deprecated by RFC 7526
	block("192.168.0.0/16"),    // private use, RFC 1918
	block("198.18.0.0/15"),     // benchmarking, RFC 2544
	block("198.51.100.0/24"),   // TEST-NET-2, RFC 5737
	block("203.0.113.0/24"),    // TEST-NET-3, RFC 5737
	block("224.0.0.0/4"),       // multicast, RFC 5771
	block("240.0.0.0/4"),       // reserved and limited broadcast, RFC 1112, RFC 8190
}

// special6 is the part of the IANA IPv6 Special-Purpose Address Registry that
// lies in 2000::/3; everything outside is refused without it (loopback,
// unspecified, ::/96, 64:ff9b:1::/48, 100::/64, 100:0:0:1::/64, 5f00::/16,
// fc00::/7, fe80::/10, fec0::/10, ff00::/8).
//
//nolint:gochecknoglobals // a constant in all but syntax
var special6 = []special{
	exception("2001:1::1/128"),   // Port Control Protocol anycast, RFC 7723
	exception("2001:1::2/128"),   // TURN anycast, RFC 8155
	exception("2001:1::3/128"),   // DNS-SD Service Registration Protocol anycast, RFC 9665
	exception("2001:3::/32"),     // AMT, RFC 7450
	exception("2001:4:112::/48"), // AS112, RFC 7535
	exception("2001:20::/28"),    // ORCHIDv2, RFC 7343
	exception("2001:30::/28"),    // drone remote identification, RFC 9374
	block("2001::/23"),           // IETF protocol assignments, RFC 2928; holds Teredo, RFC 4380, and benchmarking, RFC 5180
	block("2001:db8::/32"),       // documentation, RFC 3849
	block("2002::/16"),           // 6to4, RFC 3056, deprecated by RFC 7526
	block("3fff::/20"),           // documentation, RFC 9637
}
