package host_test

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"

	"sallyport/internal/host"
)

// The rows and their edges come from the registries as published:
// https://www.iana.org/assignments/iana-ipv4-special-registry
// https://www.iana.org/assignments/iana-ipv6-special-registry
func TestGloballyReachable(t *testing.T) {
	t.Parallel()
	for addr, why := range map[string]string{
		"1.1.1.1":               "public",
		"9.255.255.255":         "below 10/8",
		"11.0.0.0":              "above 10/8",
		"100.63.255.255":        "below CGNAT",
		"100.128.0.0":           "above CGNAT",
		"126.255.255.255":       "below loopback",
		"128.0.0.0":             "above loopback",
		"169.253.255.255":       "below link local",
		"172.15.255.255":        "below 172.16/12",
		"172.32.0.0":            "above 172.16/12",
		"192.0.0.9":             "RFC 7723: reachable",
		"192.0.0.10":            "RFC 8155: reachable",
		"192.0.1.0":             "above 192.0.0/24",
		"192.31.196.1":          "AS112, RFC 7535: reachable",
		"192.52.193.1":          "AMT, RFC 7450: reachable",
		"192.175.48.1":          "AS112, RFC 7534: reachable",
		"192.88.98.255":         "below 6to4 relays",
		"198.17.255.255":        "below benchmarking",
		"198.20.0.0":            "above benchmarking",
		"223.255.255.255":       "below multicast",
		"2000::1":               "first of global unicast",
		"2606:4700::1111":       "public",
		"2001:1::1":             "RFC 7723: reachable",
		"2001:1::2":             "RFC 8155: reachable",
		"2001:1::3":             "RFC 9665: reachable",
		"2001:3::1":             "AMT, RFC 7450: reachable",
		"2001:4:112::1":         "AS112, RFC 7535: reachable",
		"2001:20::1":            "ORCHIDv2, RFC 7343: reachable",
		"2001:30::1":            "RFC 9374: reachable",
		"2001:200::1":           "above 2001::/23",
		"2001:db7::1":           "below documentation",
		"2001:db9::1":           "above documentation",
		"2003::1":               "above 6to4",
		"2620:4f:8000::1":       "AS112, RFC 7534: reachable",
		"3fff:1000::1":          "above 3fff::/20",
		"::ffff:1.1.1.1":        "mapped, judged as IPv4",
		"64:ff9b::1.1.1.1":      "NAT64 of a public address, RFC 6052",
		"2606:4700::5efe:1":     "5efe elsewhere than in ISATAP's place",
		"2606:4700::1:5efe:1:1": "5efe, but not under 0000 or 0200",
	} {
		assert.True(t, host.GloballyReachable(netip.MustParseAddr(addr)), "%s: %s", addr, why)
	}
}

func TestNotGloballyReachable(t *testing.T) {
	t.Parallel()
	for addr, why := range map[string]string{
		"0.0.0.0":                     "RFC 1122",
		"0.1.2.3":                     "0/8, RFC 791",
		"10.0.0.0":                    "RFC 1918",
		"10.255.255.255":              "RFC 1918",
		"100.64.0.0":                  "CGNAT, RFC 6598",
		"100.127.255.255":             "CGNAT, RFC 6598",
		"127.0.0.1":                   "loopback, RFC 1122",
		"127.255.255.255":             "loopback, RFC 1122",
		"169.254.169.254":             "cloud metadata, RFC 3927",
		"172.16.0.0":                  "RFC 1918",
		"172.31.255.255":              "RFC 1918",
		"192.0.0.0":                   "RFC 6890",
		"192.0.0.1":                   "DS-Lite, RFC 7335",
		"192.0.0.8":                   "dummy address, RFC 7600",
		"192.0.0.11":                  "RFC 6890",
		"192.0.0.170":                 "NAT64 discovery, RFC 7050",
		"192.0.2.1":                   "TEST-NET-1, RFC 5737",
		"192.88.99.1":                 "6to4 relay, RFC 7526",
		"192.88.99.2":                 "6a44 relay, RFC 6751",
		"192.168.0.1":                 "RFC 1918",
		"198.18.0.0":                  "benchmarking, RFC 2544",
		"198.19.255.255":              "benchmarking, RFC 2544",
		"198.51.100.1":                "TEST-NET-2, RFC 5737",
		"203.0.113.1":                 "TEST-NET-3, RFC 5737",
		"224.0.0.1":                   "multicast, RFC 5771",
		"239.255.255.250":             "multicast, RFC 5771",
		"240.0.0.1":                   "reserved, RFC 1112",
		"255.255.255.255":             "broadcast, RFC 8190",
		"::":                          "unspecified, RFC 4291",
		"::1":                         "loopback, RFC 4291",
		"::7f00:1":                    "IPv4-compatible loopback, RFC 4291",
		"::169.254.169.254":           "IPv4-compatible metadata",
		"::1.1.1.1":                   "IPv4-compatible",
		"::ffff:127.0.0.1":            "mapped loopback",
		"::ffff:169.254.169.254":      "mapped metadata",
		"::ffff:0:127.0.0.1":          "IPv4-translated, RFC 2765",
		"64:ff9b::127.0.0.1":          "NAT64 of loopback, RFC 6052",
		"64:ff9b::10.0.0.1":           "NAT64 of a private address",
		"64:ff9b::169.254.169.254":    "NAT64 of metadata",
		"64:ff9b:1::1.1.1.1":          "local NAT64, RFC 8215",
		"64:ff9b:1:ffff::1":           "local NAT64, RFC 8215",
		"100::1":                      "discard, RFC 6666",
		"100:0:0:1::1":                "dummy prefix, RFC 9780",
		"200::1":                      "reserved by the IETF",
		"2001::1":                     "Teredo, RFC 4380",
		"2001:0:4136:e378::1":         "Teredo, RFC 4380",
		"2001:1::":                    "IETF protocol assignments, RFC 2928",
		"2001:1::4":                   "IETF protocol assignments, RFC 2928",
		"2001:2::1":                   "benchmarking, RFC 5180",
		"2001:10::1":                  "ORCHID, RFC 4843",
		"2001:1ff::1":                 "last of 2001::/23",
		"2001:db8::1":                 "documentation, RFC 3849",
		"2002:7f00:1::1":              "6to4 of loopback, RFC 3056",
		"2002:101:101::1":             "6to4, deprecated by RFC 7526",
		"2606:4700::5efe:7f00:1":      "ISATAP, RFC 5214",
		"2606:4700::200:5efe:1.1.1.1": "ISATAP, RFC 5214",
		"3fff::1":                     "documentation, RFC 9637",
		"3fff:fff::1":                 "documentation, RFC 9637",
		"4000::1":                     "reserved by the IETF",
		"5f00::1":                     "SRv6 SIDs, RFC 9602",
		"fc00::1":                     "unique local, RFC 4193",
		"fd00:ec2::254":               "cloud metadata in unique local",
		"fe80::1":                     "link local, RFC 4291",
		"fe80::1%eth0":                "zone",
		"2606:4700::1111%eth0":        "zone on a public address",
		"::ffff:1.1.1.1%eth0":         "zone on a mapped address",
		"fec0::1":                     "site local, RFC 3879",
		"ff02::1":                     "multicast, RFC 4291",
		"ff0e::1":                     "multicast, RFC 4291",
	} {
		assert.False(t, host.GloballyReachable(netip.MustParseAddr(addr)), "%s: %s", addr, why)
	}
	assert.False(t, host.GloballyReachable(netip.Addr{}), "the zero address")
}
