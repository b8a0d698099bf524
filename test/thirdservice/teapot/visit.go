package teapot

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"sallyport/policy"
	"sallyport/services"
)

// maxOrder is far more than anybody drinks.
const maxOrder = 4 << 10

// orders are the operations, each with the access that it takes.
func orders() map[string]policy.Access {
	return map[string]policy.Access{"menu": policy.Read, "brew": policy.Write, "descale": policy.Admin}
}

// visit is one request to a teapot.
type visit struct {
	line  *services.Line
	order string // "" if it is none
	pot   string
}

// Read implements [services.Visit]: the body says what the request does.
func (v *visit) Read(b services.Body) policy.Meaning {
	m := policy.Meaning{Service: Key, Server: v.line.Authority.Name.String(), Unclassified: services.Unread}
	if err := v.read(b, m); err != nil {
		m.Unclassified = err.Error()
		return m
	}
	return meaningOf(m.Server, v.order, v.pot)
}

func (v *visit) read(b services.Body, m policy.Meaning) error {
	if b.Denied(m, policy.Outline{Call: policy.Call{Operation: "*"}}) {
		return errors.New(services.Unread)
	}
	body, more, err := b.Peek(maxOrder, services.Parsed)
	if err != nil || more {
		return errors.New("the order cannot be read")
	}
	var order struct{ Do, Pot string }
	if err := json.Unmarshal(body, &order); err != nil || orders()[order.Do] == 0 {
		return errors.New("a teapot knows no such order")
	}
	v.order, v.pot = order.Do, order.Pot
	return nil
}

func meaningOf(server, order, pot string) policy.Meaning {
	return policy.Meaning{Service: Key, Server: server, Calls: []policy.Call{{Operation: order, Resource: pot, Access: orders()[order]}}}
}

// Describe implements [services.Describer].
func (v *visit) Describe() services.Description {
	return services.Description{Operation: v.order, Resource: v.pot, Whole: true}
}

// Refuse implements [services.Refuser] (RFC 2324 section 2.3.2).
func (v *visit) Refuse(w http.ResponseWriter, _ *http.Request, f *services.Refusal) bool {
	f.Header(w.Header())
	w.Header().Set("Content-Type", "text/plain")
	w.WriteHeader(http.StatusTeapot)
	fmt.Fprintf(w, "short and stout: %s (exchange %s)\n", f.Detail, f.Exchange)
	return true
}
