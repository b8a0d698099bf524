package proxy

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"sallyport/credentials"
	"sallyport/proxy/upstream"
	"sallyport/services"
)

// refusal is our own answer in place of an upstream's. Compare it to nil only
// as *refusal: a nil one in an error would not be nil.
type refusal struct {
	reason
	detail     string         // what happened, for the agent; no secret, no internal address
	rule       string         // the policy rule that decided, if one did
	hint       string         // replaces the reason's
	retryAfter time.Duration  // for 429 and 503
	details    map[string]any // for the row
	lasts      bool           // another try does not change it, though its reason's might
	cause      error          // for the log and the row, never for the agent
}

// reason is one row of the table below.
type reason struct {
	word   string // the last part of the problem's type, and the row's refusal
	status int
	title  string
	proxy  string // Proxy-Status error type (RFC 9209 section 2.3)
	hint   string
}

// The one table from the reason of a refusal to its answer. A status keeps its
// registered meaning; 407 is never used, because a client certificate cannot be
// asked for again.
var (
	malformedRequest = reason{
		"malformed", http.StatusBadRequest, "The request is malformed", "http_request_error",
		"Correct the request; sending it again unchanged will not help.",
	}
	slowBody = reason{
		"malformed", http.StatusRequestTimeout, "The request's body did not come in time", "http_request_error",
		"Send the body together with its request.",
	}
	unknownIdentity = reason{
		"identity", http.StatusForbidden, "The agent is not known", "http_request_denied",
		"The client certificate names no agent of this proxy. Ask the platform team for a new identity.",
	}
	agentSuspended = reason{
		"suspended", http.StatusForbidden, "The agent is suspended", "http_request_denied",
		"Stop, and ask the agent's owner. Nothing will be let out until they resume the agent.",
	}
	agentRevoked = reason{
		"revoked", http.StatusForbidden, "The agent is revoked", "http_request_denied",
		"Stop. This identity is gone for good.",
	}
	agentExpired = reason{
		"expired", http.StatusForbidden, "The agent has expired", "http_request_denied",
		"Ask the agent's owner to renew it.",
	}
	certificateRevoked = reason{
		"revoked", http.StatusForbidden, "The certificate is revoked", "http_request_denied",
		"Connect with the agent's newest certificate; if there is none, ask its owner.",
	}
	certificateExpired = reason{
		"expired", http.StatusForbidden, "The certificate has expired", "http_request_denied",
		"Connect with the agent's newest certificate; if there is none, ask its owner to renew it.",
	}
	deniedByPolicy = reason{
		"policy", http.StatusForbidden, "The policy does not allow this request", "http_request_denied",
		"Do something that the policy allows, or ask the agent's owner to change it.",
	}
	needsApproval = reason{
		"approval", http.StatusForbidden, "The request needs an approval", "http_request_denied",
		"Ask the agent's owner to approve it.",
	}
	wrongAuthority = reason{
		"authority", http.StatusMisdirectedRequest, "The request names another host than its tunnel", "http_request_denied",
		"Open a tunnel (CONNECT) for the host that the request is for.",
	}
	addressNotAllowed = reason{
		"address", http.StatusForbidden, "The host's address must not be dialled", "destination_ip_prohibited",
		"The host resolves to an address that is not globally reachable. The platform team can allow its network.",
	}
	blockedByJail = reason{
		"blocked", http.StatusForbidden, "The jail does not let this out", "http_request_denied",
		"Reach the host over HTTPS or HTTP, on a port that a rule of the policy names.",
	}
	overLimit = reason{
		"limit", http.StatusTooManyRequests, "The agent is over its limit", "http_request_denied",
		"Wait as long as Retry-After says, then go slower.",
	}
	serviceLimit = reason{
		"limit", http.StatusTooManyRequests, "The service asks to go slower", "http_request_denied",
		"Wait as long as Retry-After says, then go slower.",
	}
	credentialUnavailable = reason{
		"credential", http.StatusBadGateway, "The credential cannot be had", "proxy_configuration_error",
		"Try again later; if it lasts, tell the platform team the credential's name.",
	}
	// Another try does not help, and many clients try 502 again.
	credentialRefused = reason{
		"credential", http.StatusForbidden, "The credential cannot be had", "proxy_configuration_error",
		"Trying again will not help. Look at what the request names; if that is right, tell the platform team the credential's name.",
	}
	unsignable = reason{
		"signature", http.StatusBadRequest, "The request cannot be signed anew", "http_request_error",
		"Change the request or its client as the detail says; sending it again unchanged will not help.",
	}
	upstreamUnreachable = reason{
		"upstream", http.StatusBadGateway, "The upstream failed", "destination_unavailable",
		"The request was allowed, but the upstream could not be reached or broke off. Try again later.",
	}
	unreadableAnswer = reason{
		"upstream", http.StatusBadGateway, "The upstream's answer cannot be let in", "http_protocol_error",
		"The answer had to be looked through for what the agent must not hold, and could not be. Tell the platform team.",
	}
	upstreamSlow = reason{
		"upstream", http.StatusGatewayTimeout, "The upstream did not answer in time", "connection_timeout",
		"Try again later.",
	}
	trailUnavailable = reason{
		"trail", http.StatusServiceUnavailable, "The audit trail cannot be written", "proxy_internal_error",
		"Nothing is let out that cannot be recorded. Try again later.",
	}
)

// reasonFor is the first reason with a word, as a row has it.
func reasonFor(word string) (reason, bool) {
	for _, r := range []reason{
		malformedRequest, unknownIdentity, agentSuspended, agentRevoked, agentExpired, deniedByPolicy, needsApproval, wrongAuthority, addressNotAllowed,
		blockedByJail, overLimit, credentialUnavailable, unsignable, upstreamUnreachable, trailUnavailable,
	} {
		if r.word == word {
			return r, true
		}
	}
	return reason{}, false
}

func (r reason) because(detail string) *refusal { return &refusal{reason: r, detail: detail} }

func (r reason) causedBy(detail string, cause error) *refusal {
	return &refusal{reason: r, detail: detail, cause: cause}
}

// exceeded is the refusal for a limit that the agent is over.
func exceeded(limit string, retryAfter time.Duration) *refusal {
	f := overLimit.because("The agent is over its limit " + limit + ".")
	f.retryAfter, f.details = retryAfter, map[string]any{"limit": limit}
	return f
}

// inactive maps an agent's state to its refusal; nil means active.
func inactive(state string) *refusal {
	switch state {
	case "active":
		return nil
	case "suspended":
		return agentSuspended.because("This agent has been suspended.")
	case "revoked":
		return agentRevoked.because("This agent has been revoked.")
	case "expired":
		return agentExpired.because("This agent's time is over.")
	}
	return unknownIdentity.because("The agent's status is not known.")
}

// unusable is inactive for the state of a certificate.
func unusable(state string) *refusal {
	switch state {
	case "active":
		return nil
	case "revoked":
		return certificateRevoked.because("This certificate has been revoked.")
	case "expired":
		return certificateExpired.because("This certificate's time is over, and no newer one keeps the connection open.")
	}
	return unknownIdentity.because("The certificate's status is not known.")
}

func (f *refusal) hintText() string {
	if f.hint != "" {
		return f.hint
	}
	return f.reason.hint
}

func (f *refusal) proxyStatus() string {
	return "sallyport; error=" + f.proxy + `; details="` + f.word + `"`
}

// header writes the fields that every form of a refusal carries.
func (f *refusal) header(h http.Header) {
	h.Set("Proxy-Status", f.proxyStatus())
	h.Set("Cache-Control", "no-store")
	if f.isFinal() {
		h.Set("X-Should-Retry", "false") // models' clients try again for minutes what is not said to be final
	}
	if f.retryAfter > 0 {
		seconds := int64((f.retryAfter + time.Second - 1) / time.Second)
		h.Set("Retry-After", strconv.FormatInt(seconds, 10))
	}
}

// write answers a request with the refusal, in the form its client reads.
func (f *refusal) write(w http.ResponseWriter, r *http.Request, exchange uuid.UUID, all []services.Service) {
	f.header(w.Header())
	if isGRPC(r) {
		f.writeGRPC(w, exchange)
		return
	}
	media, body := problemType, f.body(exchange)
	if readsMessage(r, all) {
		media = "application/json; charset=utf-8"
	}
	w.Header().Set("Content-Type", media)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(f.status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the agent may be gone; the row is written either way
	}
}

// readsMessage reports whether a service's client sent the request that reads no answer but
// plain JSON.
func readsMessage(r *http.Request, all []services.Service) bool {
	return slices.ContainsFunc(all, func(s services.Service) bool {
		speaker, ok := s.(services.Speaker)
		return ok && speaker.Speaks(r)
	})
}

// class is how protocols tell the refusal apart.
func (f *refusal) class() services.Class {
	switch f.word {
	case malformedRequest.word, unsignable.word:
		return services.Malformed
	case overLimit.word:
		return services.TooFast
	case trailUnavailable.word, upstreamUnreachable.word:
		return services.Unavailable
	}
	return services.Forbidden
}

// response is the refusal where there is no handler to write it: for CONNECT, and
// for what could not be parsed.
func (f *refusal) response(r *http.Request, exchange uuid.UUID) *http.Response {
	body := f.body(exchange)
	response := &http.Response{
		StatusCode: f.status, ProtoMajor: 1, ProtoMinor: 1, Request: r, Close: true,
		Header:        http.Header{"Content-Type": {problemType}},
		ContentLength: int64(len(body)),
		Body:          io.NopCloser(bytes.NewReader(body)),
	}
	f.header(response.Header)
	return response
}

// gRPC status codes (grpc.io "Status codes and their use in gRPC").
const (
	grpcPermissionDenied = "7"
	grpcUnavailable      = "14"
)

func isGRPC(r *http.Request) bool {
	return r.ProtoMajor == 2 && strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc")
}

// writeGRPC answers with trailers only, since gRPC clients read nothing else.
func (f *refusal) writeGRPC(w http.ResponseWriter, exchange uuid.UUID) {
	code := grpcPermissionDenied
	switch f.status {
	case http.StatusBadGateway, http.StatusGatewayTimeout, http.StatusServiceUnavailable, http.StatusTooManyRequests:
		code = grpcUnavailable
	}
	h := w.Header()
	h.Set("Content-Type", "application/grpc")
	h.Set("Grpc-Status", code)
	h.Set("Grpc-Message", url.PathEscape(f.title+": "+f.detail+" (exchange "+exchange.String()+")"))
	w.WriteHeader(http.StatusOK)
}

// sentence makes one of an error's text.
func sentence(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(first)) + text[size:] + "."
}

// errText is the private cause for the row's error column.
func (f *refusal) errText() string {
	if f.cause == nil {
		return f.detail
	}
	return f.cause.Error()
}

// refusalOf finds a refusal inside an error, as the dialler returns one.
func refusalOf(err error) *refusal {
	if errors.Is(err, upstream.ErrAddress) {
		return addressNotAllowed.causedBy("The host's address must not be dialled from here.", err)
	}
	if refusal := unsigned(err); refusal != nil {
		return refusal
	}
	if injection, ok := errors.AsType[*injectError](err); ok {
		return credentialUnavailable.causedBy("The credential "+injection.credential+" cannot be applied to this request.", err)
	}
	return nil
}

// unsigned finds out whether the request cannot be signed as it is, which is for the
// agent to mend.
func unsigned(err error) *refusal {
	refused, ok := credentials.AsUnsignable(err)
	switch {
	case !ok:
		return nil
	case refused.Busy:
		full := overLimit.causedBy(sentence(refused.Detail), err)
		full.retryAfter = 5 * time.Second
		return full
	case refused.Foreign:
		return credentialRefused.causedBy(sentence(refused.Detail), err)
	}
	return unsignable.causedBy(sentence(refused.Detail), err)
}
