// Package wire is an agent's side of the proxy, as far as it is bytes: the listener's
// TLS, CONNECT, tunnels and the TLS inside them, and HTTP/1.1 and HTTP/2 as they were
// sent. Whatever comes in, on the listener or out of a tunnel, reaches one http.Handler,
// with the Session that it came on.
//
// It promises: nobody is heard who has no verified client certificate; a tunnel carries
// TLS for the name that its CONNECT gave, and nothing else; a head of HTTP/1.1 that says
// something in two ways is known for it (Framing), and none is accepted that net/http would
// not accept; what is refused before there is a handler is told to the Tunnels, so that it
// can be recorded; every wait for a peer has a deadline (limits.go).
//
// It knows no exchange, policy, registry or trail. Who may connect, which tunnel may be
// opened and how a refusal is worded it asks through Gate, Caller and Tunnels.
//
// Where to look:
//
//   - a connection on the listener: server.go, greet.go
//   - CONNECT, and the TLS that follows: connect.go, tunnel.go; cork.go spares system calls
//   - HTTP/1.1: lane.go, which serves a connection; parse.go, head.go and framing.go for
//     heads, inbound.go for bodies, response.go and answerhead.go for answers; intake.go
//     and outbox.go, which read and write
//   - HTTP/2, which net/http serves: served.go; sectionreader.go and section.go look at
//     what it is sent
//   - what passes for one request, and how it is cut: flow.go, body.go, relay.go
package wire
