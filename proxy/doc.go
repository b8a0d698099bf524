// Package proxy is the enforcement point: it carries every request of every
// agent, and nothing leaves by another way.
//
// The life of one exchange, told by ServeHTTP in exchange.go:
//
//  1. The listener accepts TLS 1.3 with a verified client certificate, and
//     goproxy takes CONNECT (package wire).
//  2. What comes out of a tunnel is TLS again, ended with a leaf for the
//     CONNECT name alone; HTTP/1.1 and HTTP/2 reach the same handler.
//  3. The exchange registers with its agent, and only then is the agent's
//     status read, so that a suspension finds either it or its refusal.
//  4. The request is located: one canonical authority, equal to the tunnel's.
//  5. Limits are taken.
//  6. A request to a known service is named in its own words, by as
//     much of its body as tells, unless no rule can allow it; then the policy
//     decides.
//  7. The credential is minted or taken from its cache. What is asked of a
//     service for it is an exchange of its own (errand.go).
//  8. The intent is committed, and the lists that its row has no room for;
//     then status and configuration are looked at once more.
//  9. A new request is built, the credential is applied last, and both bodies
//     stream; redirects are handed back.
//  10. The outcome is recorded on every way out.
//
// Where to look, beside exchange.go:
//
//   - an agent's connections, and the bytes of their requests as they were sent:
//     package wire; who may connect and open tunnels: guard.go
//   - what a request is about: target.go, classify.go, which asks its service
//     (package services); what is read of bodies for it: reading.go
//   - what an answer hands out and the agent does not get: kept.go; what a service has left to give: budget.go
//   - the way out and back: forward.go, header.go, respond.go, upgrade.go;
//     which addresses are dialled, and how: package upstream
//   - what is told: rows.go and record.go to the trail, and what belongs to no
//     exchange clerk.go and excess.go; refusal.go to the agent
//   - what each agent has open, and its limits: agent.go, agents.go, bounds.go; what
//     ends it early: cut.go
//   - what Sallyport asks by itself: errand.go, errands.go
//   - the configuration: generation.go; the whole of it: proxy.go
//
// It promises: no row, no request; no verdict, no request; a credential goes
// only to the hosts it is bound to, over verified TLS. It never dials an
// address that is not globally reachable unless the configuration names it,
// never follows a redirect, and never reads the environment.
package proxy
