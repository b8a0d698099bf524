package proxy

import (
	"net/http"

	"sallyport/credentials"
)

// stripAuthentication removes the agent's own authentication from a request: a placeholder
// stands for what Sallyport injects, and anything else is an identity that nobody gave the
// agent. A rule without a credential may let it pass.
func (x *exchange) stripAuthentication(out *http.Request) {
	if x.decision.AgentAuth {
		return
	}
	fields := x.generation.authFields()
	for name := range out.Header {
		if fields.Header(name) && !x.keepsCookie(name) {
			delete(out.Header, name)
		}
	}
	x.stripSubprotocols(out.Header)
	out.URL.RawQuery = x.withoutOwnParameters(x.generation, out.URL.RawQuery, x.injection.Signs())
}

// withoutOwnParameters is the query without the agent's own authentication.
func (x *exchange) withoutOwnParameters(g *Generation, rawQuery string, signs bool) string {
	fields, authority := g.authFields(), x.target.authority.Name.String()
	rawQuery = credentials.RemoveParameters(rawQuery, func(name string) bool { return fields.Parameter(authority, name) })
	if signs { // which removes it by itself
		return rawQuery
	}
	return g.unsign(rawQuery, x.agent.key)
}

// stripSubprotocols removes keys from where browsers have to put them.
func (x *exchange) stripSubprotocols(h http.Header) {
	const name = "Sec-Websocket-Protocol"
	offered, sent := h[name]
	if !sent {
		return
	}
	if kept := x.generation.authFields().Subprotocols(offered); len(kept) > 0 {
		h[name] = kept
	} else {
		delete(h, name)
	}
}

// passesTrailer reports whether a trailer of the request may leave.
func (x *exchange) passesTrailer(name string) bool {
	return httpTrailerAllowed(name) && (x.decision.AgentAuth || !x.generation.authFields().Header(name))
}

// passesCookies reports whether sessions pass, in both directions: who may not send a
// cookie is given none, for an agent that holds a session needs no proxy.
func (x *exchange) passesCookies() bool { return x.decision.Cookies || x.decision.AgentAuth }

func (x *exchange) keepsCookie(name string) bool { return x.decision.Cookies && isCookie(name) }

func isCookie(name string) bool { return name == "Cookie" || name == "Cookie2" }

// stripCookies removes the sessions that an upstream gives.
func (x *exchange) stripCookies(answer http.Header) {
	if !x.passesCookies() {
		delete(answer, "Set-Cookie")
		delete(answer, "Set-Cookie2")
	}
}
