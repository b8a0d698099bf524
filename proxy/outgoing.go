package proxy

import (
	"maps"
	"net/http"
	"net/url"
	"slices"

	"golang.org/x/net/http/httpguts"

	"sallyport/credentials"
	"sallyport/internal/authfield"
	"sallyport/policy"
	"sallyport/proxy/wire"
)

// outgoing is how the request is made that leaves. It is a new one: what the agent's
// request carries besides method, target, fields and body (Close, the hop-by-hop fields,
// its own authentication) ends here.
type outgoing struct {
	r        *http.Request // the agent's
	flow     *wire.Flow
	target   *target
	decision *policy.Decision
	files    *Generation
	agent    string
	signs    bool // its credential signs it
}

// request returns the request, without a credential.
func (o *outgoing) request() (*http.Request, *refusal) {
	to, refusal := o.target.url()
	if refusal != nil {
		return nil, refusal
	}
	out := (&http.Request{
		Method:        o.r.Method,
		URL:           to,
		Host:          o.target.hostField(),
		Header:        o.header(),
		ContentLength: o.r.ContentLength,
		Body:          http.NoBody,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
	}).WithContext(o.flow.Context())
	if o.r.Body != http.NoBody && o.r.ContentLength != 0 {
		o.attachBody(out)
	}
	return out, nil
}

// url keeps path and query byte for byte: net/url would encode what it finds unusual.
func (t *target) url() (*url.URL, *refusal) {
	u := &url.URL{
		Scheme: t.scheme, Host: t.authority.String(),
		RawQuery: t.rawQuery, ForceQuery: t.forceQuery,
	}
	path, err := url.PathUnescape(t.rawPath)
	if err != nil {
		return nil, malformedRequest.causedBy("The path has an invalid escape.", err)
	}
	u.Path, u.RawPath = path, t.rawPath
	if u.EscapedPath() == t.rawPath {
		return u, nil
	}
	if len(t.rawPath) > 1 && t.rawPath[1] == '/' {
		// Opaque would read this as an authority.
		return nil, malformedRequest.because("The path begins with // and holds characters that must be percent-encoded.")
	}
	u.Path, u.RawPath, u.Opaque = "", "", t.rawPath
	return u, nil
}

// header copies the agent's fields without those that end here.
func (o *outgoing) header() http.Header {
	from := o.r.Header
	h := make(http.Header, len(from)+2)
	maps.Copy(h, from)
	stripHopByHop(h)
	if httpguts.HeaderValuesContainsToken(from["Te"], "trailers") {
		h["Te"] = []string{"trailers"} // gRPC insists on it
	}
	if o.target.isUpgrade() {
		h["Connection"], h["Upgrade"] = []string{"Upgrade"}, []string{o.target.protocol()}
	}
	if _, sent := h["User-Agent"]; !sent {
		h["User-Agent"] = nil // net/http would add its own
	}
	return h
}

// attachBody hands the agent's body on, with its trailers.
func (o *outgoing) attachBody(out *http.Request) {
	var ended func()
	if r := o.r; len(r.Trailer) > 0 {
		trailer := make(http.Header, len(r.Trailer))
		for name := range r.Trailer {
			if o.passesTrailer(name) {
				trailer[name] = nil
			}
		}
		out.Trailer = trailer
		ended = func() {
			for name := range trailer {
				if !slices.ContainsFunc(r.Trailer[name], credentials.HoldsPlaceholder) {
					trailer[name] = r.Trailer[name]
				}
			}
		}
	}
	out.Body = o.flow.Body(o.r.Body, ended)
	o.flow.Duplex()
}

// passesTrailer reports whether a trailer of the request may leave.
func (o *outgoing) passesTrailer(name string) bool {
	return httpTrailerAllowed(name) && (o.decision.AgentAuth || !o.files.authFields().Header(name))
}

// stripAuthentication removes the agent's own authentication from a request: a placeholder
// stands for what Sallyport injects, and anything else is an identity that nobody gave the
// agent. A rule without a credential may let that pass, though no placeholder.
func (o *outgoing) stripAuthentication(out *http.Request) {
	auth, own := o.files.authFields(), o.decision.AgentAuth
	for name, values := range out.Header {
		if !own && auth.Header(name) && !(o.decision.Cookies && isCookie(name)) || slices.ContainsFunc(values, credentials.HoldsPlaceholder) {
			delete(out.Header, name)
		}
	}
	if !own {
		stripSubprotocols(out.Header, auth)
	}
	out.URL.RawQuery = withoutOwnParameters(o.files, own, o.target.authority.Name.String(), out.URL.RawQuery, o.agent, o.signs)
}

// withoutOwnParameters is a query without placeholders and, unless that may pass, without the
// agent's own authentication at a host.
func withoutOwnParameters(g *Generation, pass bool, at, rawQuery, agent string, signs bool) string {
	rawQuery = credentials.RemovePlaceholders(rawQuery)
	if pass {
		return rawQuery
	}
	fields := g.authFields()
	rawQuery = credentials.RemoveParameters(rawQuery, func(name string) bool { return fields.Parameter(at, name) })
	if signs { // which removes it by itself
		return rawQuery
	}
	return g.unsign(rawQuery, agent)
}

// stripSubprotocols removes keys from where browsers have to put them.
func stripSubprotocols(h http.Header, fields *authfield.Table) {
	const name = "Sec-Websocket-Protocol"
	offered, sent := h[name]
	if !sent {
		return
	}
	if kept := fields.Subprotocols(offered); len(kept) > 0 {
		h[name] = kept
	} else {
		delete(h, name)
	}
}

func isCookie(name string) bool { return name == "Cookie" || name == "Cookie2" }

// httpTrailerAllowed reports whether a request trailer may pass: one that could
// authenticate or frame is no trailer (RFC 9110 section 6.5.1).
func httpTrailerAllowed(name string) bool {
	switch name {
	case "Authorization", "Proxy-Authorization", "Cookie", "Host", "Content-Length", "Transfer-Encoding":
		return false
	}
	if _, found := fateOf(name); found {
		return false
	}
	return httpguts.ValidTrailerHeader(name)
}
