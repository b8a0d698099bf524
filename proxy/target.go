package proxy

import (
	"net/http"
	"net/textproto"
	"strings"

	"golang.org/x/net/http/httpguts"

	"sallyport/internal/host"
	"sallyport/policy"
	"sallyport/proxy/wire"
)

// methodWebSocket is what a policy calls an upgrade to WebSocket.
const methodWebSocket = "WEBSOCKET"

// target is where a request goes, parsed once.
type target struct {
	method     string // as the policy sees it
	scheme     string
	authority  host.Authority
	path       policy.Path
	rawPath    string // as sent, without the query
	rawQuery   string // as sent
	forceQuery bool   // "?" was sent with nothing behind it

	sources []string     // the fields that name what is copied
	second  []secondPath // what else the request names
}

func (t *target) query() policy.Query {
	return policy.Query{Method: t.method, Scheme: t.scheme, Authority: t.authority, Path: t.path, RawQuery: t.rawQuery}
}

func (t *target) isUpgrade() bool { return t.method == methodWebSocket }

// locate finds where the request goes and refuses what two parsers could read
// in two ways.
func (x *exchange) locate() *refusal {
	t := &x.target
	if x.session.Tunnel != nil {
		t.scheme, t.authority = "https", x.session.Tunnel.Authority
	} else {
		t.scheme = "http"
	}
	t.rawPath, t.rawQuery, t.forceQuery = splitTarget(x.r)
	// Before anybody looks: what does not leave must not decide what may.
	stripNamed(x.r.Header)
	hostField, refusal := x.checkFraming()
	if refusal != nil {
		return refusal
	}
	if refusal := x.checkFields(); refusal != nil {
		return refusal
	}
	if refusal := x.checkMethod(); refusal != nil {
		return refusal
	}
	if refusal := x.checkAuthority(hostField); refusal != nil {
		return refusal
	}
	if refusal := x.checkUpgrade(); refusal != nil {
		return refusal
	}
	return x.checkPath()
}

// splitTarget returns path and query of the request target byte for byte.
// net/url keeps only what it would have written itself.
func splitTarget(r *http.Request) (path, query string, force bool) {
	path = r.RequestURI
	if r.URL.IsAbs() {
		if _, rest, found := strings.Cut(path, "://"); found {
			path = rest
		}
		end := strings.IndexAny(path, "/?")
		if end < 0 {
			return "/", "", false
		}
		path = path[end:]
	}
	path, query, found := strings.Cut(path, "?")
	if path == "" {
		path = "/"
	}
	return path, query, found && query == ""
}

// checkFraming refuses a header section that is ambiguous as sent.
func (x *exchange) checkFraming() (hostField string, _ *refusal) {
	hostField, fault := x.framing.Host(x.r)
	if fault == nil {
		return hostField, nil
	}
	if fault.Ends {
		x.flow.CloseAfter()
	}
	return "", malformed(fault)
}

// checkAuthority holds the request to its tunnel: the authority, the Host field
// and (in the handshake) the SNI must all name what CONNECT named.
func (x *exchange) checkAuthority(hostField string) *refusal {
	r, t := x.r, &x.target
	if r.RequestURI == "*" {
		return malformedRequest.because("The target * is refused.")
	}
	if r.URL.User != nil || strings.Contains(authorityPart(r.RequestURI), "@") {
		return malformedRequest.because("The target holds user information; send an Authorization header instead.")
	}
	if r.Host == "" {
		return malformedRequest.because("The Host header is missing.")
	}
	defaultPort := uint16(443)
	if x.session.Tunnel == nil {
		if refusal := x.checkPlain(); refusal != nil {
			return refusal
		}
		defaultPort = 80
	} else if r.URL.IsAbs() && !strings.EqualFold(r.URL.Scheme, "https") {
		return malformedRequest.because("Requests in a tunnel are https.")
	}
	named, err := wire.ParseAuthority(r.Host, defaultPort)
	if err != nil {
		return malformedRequest.causedBy("The Host header is not a valid authority.", err)
	}
	if x.session.Tunnel == nil {
		t.authority = named
	}
	if named != t.authority {
		return wrongAuthority.because("The tunnel is for " + t.authority.String() + ", but the request names " + named.String() + ".")
	}
	if hostField != r.Host {
		if field, err := host.ParseAuthority(hostField, defaultPort); err != nil || field != t.authority {
			return wrongAuthority.because("The Host header differs from the request's target, " + t.authority.String() + ".")
		}
	}
	return nil
}

// checkPlain refuses what reaches the listener without a tunnel and is not a
// request for a plain http:// resource.
func (x *exchange) checkPlain() *refusal {
	if !x.r.URL.IsAbs() {
		f := malformedRequest.because("This is a proxy; it has no resources of its own.")
		f.hint = "Set HTTPS_PROXY and HTTP_PROXY to this address (or to a sidecar) instead of requesting from it."
		return f
	}
	if !strings.EqualFold(x.r.URL.Scheme, "http") {
		f := malformedRequest.because("Only http:// can be requested without a tunnel.")
		f.hint = "Use CONNECT for https:// (most clients do so when HTTPS_PROXY is set)."
		return f
	}
	return nil
}

func authorityPart(requestURI string) string {
	_, rest, found := strings.Cut(requestURI, "://")
	if !found || strings.HasPrefix(requestURI, "/") {
		return ""
	}
	if end := strings.IndexAny(rest, "/?"); end >= 0 {
		return rest[:end]
	}
	return rest
}

// checkUpgrade lets only a WebSocket handshake (RFC 6455 section 4.1) change
// the protocol.
func (x *exchange) checkUpgrade() *refusal {
	h := x.r.Header
	upgrade, asked := h["Upgrade"]
	if !asked && !httpguts.HeaderValuesContainsToken(h["Connection"], "upgrade") {
		return nil
	}
	valid := len(upgrade) == 1 && strings.EqualFold(textproto.TrimString(upgrade[0]), "websocket") &&
		httpguts.HeaderValuesContainsToken(h["Connection"], "upgrade") &&
		x.r.Method == http.MethodGet && x.r.ProtoMajor == 1 && x.r.ProtoMinor == 1 && x.r.Body == http.NoBody
	if !valid {
		return malformedRequest.because("Only an upgrade of a GET request to websocket over HTTP/1.1 is let through.")
	}
	x.target.method = methodWebSocket
	return nil
}

// isUnfit finds what would end a request line, which HTTP/2 lets through, and bytes that
// no URL holds (RFC 3986 section 2): in which encoding they are is for each server to
// guess, and one of the guesses is an overlong "..".
func isUnfit(r rune) bool { return r <= ' ' || r >= 0x7f }

func (x *exchange) checkPath() *refusal {
	t := &x.target
	if strings.Contains(t.rawPath, "#") || strings.Contains(t.rawQuery, "#") {
		return malformedRequest.because("The target holds a fragment.")
	}
	if x.r.ProtoMajor == 2 && !strings.HasPrefix(x.r.RequestURI, "/") {
		return malformedRequest.because("Over HTTP/2, :path begins with a slash (RFC 9113 section 8.3.1).")
	}
	if refusal := x.checkQuery(); refusal != nil {
		return refusal
	}
	if strings.ContainsFunc(t.rawPath, func(r rune) bool { return r > 0x7f }) {
		return malformedRequest.because("The path holds a byte beyond ASCII; percent-encode it.")
	}
	path, err := policy.ParsePath(t.rawPath)
	if err != nil {
		return malformedRequest.causedBy("The path is refused: "+err.Error()+".", err)
	}
	t.path = path
	return nil
}
