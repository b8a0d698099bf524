// Package host holds the names of the places a request can go to: a canonical
// name, an authority (name and port) and a pattern over authorities. It also
// knows which addresses are globally reachable.
//
// Everything is parsed once, at the edge, into a comparable value. Two spellings
// of one host (case, trailing dots, brackets, Unicode, IPv4-mapped IPv6) give
// values that are ==, and the canonical text parses to the same value again.
// What has no single meaning (octal or short IPv4, zones, percent signs,
// userinfo) is refused, never guessed.
//
// The package never resolves a name and never opens a connection.
package host
