package proxy

import (
	"net/http"

	"sallyport/services"
)

// requestIDs are the fields in which anybody names a request.
var requestIDs = []string{"X-Request-Id", "Request-Id", "X-Correlation-Id", "Cf-Ray"}

// requestID finds what an upstream calls the request, in the fields of a service and those of
// anybody. A service's own fields are taken from its own servers alone: by them an agent is
// found, and any other server could write there what belongs to somebody else's request.
func (g *Generation) requestID(service string, h http.Header) string {
	for _, s := range g.Services {
		if n, ok := s.(services.Namer); ok && s.Key() == service {
			if id := firstOf(h, n.RequestIDs()); id != "" {
				return id
			}
		}
	}
	return firstOf(h, requestIDs)
}

func firstOf(h http.Header, names []string) string {
	for _, name := range names {
		if values := h[name]; len(values) > 0 {
			return values[0]
		}
	}
	return ""
}
