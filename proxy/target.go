package proxy

import (
	"encoding/base64"
	"net/http"
	"net/textproto"
	"strings"

	"golang.org/x/net/http/httpguts"

	"sallyport/internal/authfield"
	"sallyport/internal/host"
	"sallyport/policy"
	"sallyport/proxy/wire"
)

// What a policy calls upgrades: to WebSocket, and to SPDY, in which older clients of Kubernetes
// run commands and forward ports.
const (
	methodWebSocket = policy.Upgrade
	methodSPDY      = policy.UpgradeSPDY
)

// target is where a request goes, parsed once.
type target struct {
	method     string // as the policy sees it
	scheme     string
	authority  host.Authority
	path       policy.Path
	rawPath    string // as sent, without the query
	rawQuery   string // as sent
	forceQuery bool   // "?" was sent with nothing behind it

	ends    bool         // what follows on the connection cannot be taken for a request
	dropped []string     // the fields that do not leave, though their names are not those of one connection
	sources []string     // the fields that name what is copied
	second  []secondPath // what else the request names
}

func (t *target) query() policy.Query {
	return policy.Query{Method: t.method, Scheme: t.scheme, Authority: t.authority, Path: t.path, RawQuery: t.rawQuery}
}

func (t *target) isUpgrade() bool { return t.method == methodWebSocket || t.method == methodSPDY }

// protocol is that of an upgrade, as Upgrade names it.
func (t *target) protocol() string {
	if t.method == methodSPDY {
		return "SPDY/3.1"
	}
	return "websocket"
}

// tell says in the row where the request goes.
func (t *target) tell(r *row) {
	in := &r.intent
	in.Method, in.Scheme, in.Path = t.method, t.scheme, t.rawPath
	if t.authority.Port != 0 {
		in.Host, in.Port = t.authority.Name.String(), t.authority.Port
	}
	if len(t.dropped) > 0 {
		r.detail("dropped_fields", anyOf(t.dropped))
	}
}

// requestTarget is path and query as they were sent.
func (t *target) requestTarget() string {
	if t.rawQuery != "" || t.forceQuery {
		return t.rawPath + "?" + t.rawQuery
	}
	return t.rawPath
}

// hostField is the Host field of the request that leaves: without the port where
// it is the scheme's own.
func (t *target) hostField() string {
	full := t.authority.String()
	if t.scheme == "https" && t.authority.Port == 443 || t.scheme == "http" && t.authority.Port == 80 {
		return full[:strings.LastIndexByte(full, ':')]
	}
	return full
}

// locating is how the target of one request is found, and held against its tunnel.
type locating struct {
	r       *http.Request
	session *wire.Session
	auth    *authfield.Table
	target  target
}

// locate finds where the request goes and refuses what two parsers could read
// in two ways. The target says, even then, as much as was found. It takes out of the
// request's header what does not leave.
func locate(r *http.Request, s *wire.Session, auth *authfield.Table) (target, *refusal) {
	l := locating{r: r, session: s, auth: auth, target: target{scheme: "http", method: r.Method}}
	switch {
	case s.Tunnel != nil:
		l.target.scheme, l.target.authority = "https", s.Tunnel.Authority
	case strings.EqualFold(r.URL.Scheme, "https"):
		l.target.scheme = "https"
	}
	l.target.rawPath, l.target.rawQuery, l.target.forceQuery = splitTarget(r)
	refusal := l.check()
	return l.target, refusal
}

func (l *locating) check() *refusal {
	// Before anybody looks: what does not leave must not decide what may.
	stripNamed(l.r.Header)
	hostField, refusal := l.checkFraming()
	if refusal != nil {
		return refusal
	}
	if refusal := l.checkFields(); refusal != nil {
		return refusal
	}
	if refusal := l.checkMethod(); refusal != nil {
		return refusal
	}
	if refusal := l.checkAuthority(hostField); refusal != nil {
		return refusal
	}
	if refusal := l.checkUpgrade(); refusal != nil {
		return refusal
	}
	return l.checkPath()
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
func (l *locating) checkFraming() (hostField string, _ *refusal) {
	framing := l.session.Framing(l.r)
	hostField, fault := framing.Host(l.r)
	if fault == nil {
		return hostField, nil
	}
	l.target.ends = fault.Ends
	return "", malformed(fault)
}

// checkAuthority holds the request to its tunnel: the authority, the Host field
// and (in the handshake) the SNI must all name what CONNECT named.
func (l *locating) checkAuthority(hostField string) *refusal {
	r, t := l.r, &l.target
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
	if l.session.Tunnel == nil {
		if refusal := l.checkAbsolute(); refusal != nil {
			return refusal
		}
		if t.scheme == "http" {
			defaultPort = 80
		}
	} else if r.URL.IsAbs() && !strings.EqualFold(r.URL.Scheme, "https") {
		return malformedRequest.because("Requests in a tunnel are https.")
	}
	named, err := wire.ParseAuthority(r.Host, defaultPort)
	if err != nil {
		return malformedRequest.causedBy("The Host header is not a valid authority.", err)
	}
	if l.session.Tunnel == nil {
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

// checkAbsolute refuses what reaches the listener without a tunnel and names no resource of
// the web. For https:// most clients open a tunnel; some ask for it as for http://, and get the
// same: what they send has come over TLS, and leaves over TLS.
func (l *locating) checkAbsolute() *refusal {
	if !l.r.URL.IsAbs() {
		f := malformedRequest.because("This is a proxy; it has no resources of its own.")
		f.hint = "Set HTTPS_PROXY and HTTP_PROXY to this address (or to a sidecar) instead of requesting from it."
		return f
	}
	if !strings.EqualFold(l.r.URL.Scheme, l.target.scheme) {
		f := malformedRequest.because("Only http:// and https:// can be requested.")
		f.hint = "Use CONNECT for what else is spoken over TLS."
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

// checkUpgrade lets only a WebSocket handshake (RFC 6455 section 4.1) and one for SPDY change
// the protocol.
func (l *locating) checkUpgrade() *refusal {
	h, r := l.r.Header, l.r
	upgrade, asked := h["Upgrade"]
	if !asked && !httpguts.HeaderValuesContainsToken(h["Connection"], "upgrade") {
		return nil
	}
	valid := len(upgrade) == 1 && httpguts.HeaderValuesContainsToken(h["Connection"], "upgrade") &&
		r.ProtoMajor == 1 && r.ProtoMinor == 1 && r.Body == http.NoBody
	switch {
	case valid && r.Method == http.MethodGet && strings.EqualFold(textproto.TrimString(upgrade[0]), "websocket"):
		l.target.method = methodWebSocket
		if !isKey(h["Sec-Websocket-Key"]) {
			return malformedRequest.because("The WebSocket handshake has no Sec-WebSocket-Key of 16 bytes (RFC 6455, section 4.1).")
		}
		return nil
	case valid && (r.Method == http.MethodPost || r.Method == http.MethodGet) && strings.EqualFold(textproto.TrimString(upgrade[0]), "SPDY/3.1"):
		l.target.method = methodSPDY
		return nil
	}
	return malformedRequest.because("Only an upgrade to websocket (of a GET) or SPDY/3.1 (of a POST or GET) without a body, over HTTP/1.1, is let through.")
}

// isKey reports whether a WebSocket handshake has a key, which its answer proves to know.
func isKey(values []string) bool {
	if len(values) != 1 {
		return false
	}
	key, err := base64.StdEncoding.DecodeString(values[0])
	return err == nil && len(key) == 16
}

// isUnfit finds what would end a request line, which HTTP/2 lets through, and bytes that
// no URL holds (RFC 3986 section 2): in which encoding they are is for each server to
// guess, and one of the guesses is an overlong "..".
func isUnfit(r rune) bool { return r <= ' ' || r >= 0x7f }

func (l *locating) checkPath() *refusal {
	t := &l.target
	if strings.Contains(t.rawPath, "#") || strings.Contains(t.rawQuery, "#") {
		return malformedRequest.because("The target holds a fragment.")
	}
	if l.r.ProtoMajor == 2 && !strings.HasPrefix(l.r.RequestURI, "/") {
		return malformedRequest.because("Over HTTP/2, :path begins with a slash (RFC 9113 section 8.3.1).")
	}
	if refusal := l.checkQuery(); refusal != nil {
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
