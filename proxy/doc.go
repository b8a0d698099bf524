// Package proxy is the enforcement point: it carries every request of every
// agent, and nothing leaves by another way.
//
// The life of one exchange, told by ServeHTTP in exchange.go:
//
//  1. The listener accepts TLS 1.3 with a verified client certificate, and
//     goproxy takes CONNECT (listener.go, connect.go).
//  2. What comes out of a tunnel is TLS again, ended with a leaf for the
//     CONNECT name alone; HTTP/1.1 and HTTP/2 reach the same handler.
//  3. The exchange registers with its agent, and only then is the agent's
//     status read, so that a suspension finds either it or its refusal.
//  4. The request is located: one canonical authority, equal to the tunnel's.
//  5. Limits are taken.
//  6. The policy decides.
//  7. The credential is minted or taken from its cache.
//  8. The intent is committed; then status and configuration are looked at
//     once more.
//  9. A new request is built, the credential is applied last, and both bodies
//     stream; redirects are handed back.
//  10. The outcome is recorded on every way out.
//
// It promises: no row, no request; no verdict, no request; a credential goes
// only to the hosts it is bound to, over verified TLS. It never dials an
// address that is not globally reachable unless the configuration names it,
// never follows a redirect, and never reads the environment.
package proxy
