package proxy

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"sallyport/audit"
)

// blockedField is how the agent's side tells, in a CONNECT that it does not expect to be
// granted, what a jail did not let out. Its value is in the form of a query. What an agent
// makes up here says of the agent only that it asked for a tunnel and got none.
const blockedField = "Sallyport-Blocked"

// mostProtocol bounds what stands in a row's column for the method.
const mostProtocol = 24

// mostTold bounds what is kept of each thing that the field says.
const mostTold = 512

// blocked reads what a jail did not let out; nil if the CONNECT asks for a tunnel.
func blocked(h http.Header) *refusal {
	value := h.Get(blockedField)
	if value == "" {
		return nil
	}
	told, err := url.ParseQuery(value)
	if err != nil {
		return malformedRequest.because("The field " + blockedField + " is in the form of a query.")
	}
	f := blockedByJail.because("A jail did not let it out: nothing of it was sent.")
	f.details = map[string]any{}
	for _, name := range []string{"protocol", "program", "reason", "path"} {
		if text := told.Get(name); text != "" {
			f.details[name] = strings.ToValidUTF8(text[:min(len(text), mostTold)], "\uFFFD")
		}
	}
	if count, err := strconv.ParseUint(told.Get("count"), 10, 32); err == nil && count > 1 {
		f.details["count"] = count
	}
	return f
}

// ofBlocked makes the row of a CONNECT one of what was tried: a socket's path, for example,
// has no host.
func ofBlocked(in *audit.Intent, details map[string]any) {
	in.HTTPVersion = ""
	if protocol, ok := details["protocol"].(string); ok && len(protocol) <= mostProtocol {
		in.Method = strings.ToUpper(protocol)
	}
	if path, ok := details["path"].(string); ok {
		in.Path = path
	}
	if strings.HasSuffix(in.Host, ".invalid") { // RFC 6761, section 6.4
		in.Host, in.Port = "", 0
	}
}
