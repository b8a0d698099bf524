// Package sidecar is the plain HTTP proxy that stands beside one sandbox and
// adds mutual TLS, which almost no client can speak to a proxy.
//
// The life of one connection:
//
//  1. A client connects to the loopback port or Unix socket ([Listen]).
//  2. It sends one request head, at most 64 KiB within 10 s: CONNECT, or a
//     request with an absolute http:// or https:// target.
//     Or it opens a tunnel to a name by SOCKS 5, which becomes a CONNECT.
//  3. The head must carry the sidecar's password, so that other processes of the
//     host cannot act as the agent. It is compared in constant time and removed.
//     Where the kernel is asked who calls ([Callers]), as the connection is accepted,
//     there need be none, and programs that know no proxy passwords work.
//  4. The sidecar opens a TLS 1.3 connection to the proxy with the agent's
//     certificate. It accepts only a certificate that chains to the identity's CA
//     and names spiffe://TRUST-DOMAIN/sallyport, whatever the proxy's address.
//  5. Head and following bytes are passed on. From here the connection is a pipe:
//     the proxy's answer, be it 200 or a refusal, reaches the client as it is.
//
// A plain request gets a connection of its own (Connection: close is set), so that
// nothing after the head has to be understood: bodies, trailers and upgrades pass
// byte for byte.
//
// It promises that a truncated stream reaches the other side as an error, never
// as an orderly end, and that every refusal of its own says why and what to try.
// It never decides what may leave, never reads what is in a tunnel, and never
// writes the agent's key anywhere.
package sidecar
