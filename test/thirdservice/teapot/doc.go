// Package teapot is a service that nobody has, written against the contract of package
// services alone: how a room is added, from its first line to its last.
//
// Its servers are teapots (RFC 2324). A request says in its body what it does, a rule
// names that (clause.go), a ticket is minted for it (ticket.go), its answer carries a
// number by which the exchange is found again (clue.go), and a refusal is told in a teapot's
// own words (visit.go). It is added by one line of a list; nothing else of the product knows
// it.
package teapot
