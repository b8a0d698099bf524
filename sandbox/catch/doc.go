// Package catch is the outside of a jail: whatever a program tries to reach, it
// reaches this, and this sends it on through the sidecar, or nowhere.
//
// The life of one connection:
//
//  1. The program asks the resolver for a name and is given an address that
//     belongs to this name alone ([Names], [Resolver]).
//  2. It connects. In the jail every address is local, so that the connection
//     arrives at a listener of ours, with the address still on it ([Catcher]).
//  3. Its first bytes say whether it speaks TLS, and to which name ([ReadHello]),
//     or HTTP. A literal address is its own authority.
//  4. TLS goes on in a tunnel that is asked for with CONNECT, HTTP with an
//     absolute target, both through the sidecar: policy, credential and row are
//     those of any other request.
//
// Whatever is neither is closed and told ([Blocked]). The package opens no
// connection of its own and decides nothing: what it is handed are sockets, and
// where it sends them is the sidecar.
package catch
