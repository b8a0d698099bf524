package teapot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"sallyport/credentials"
)

// ticketKind is the kind of credential whose secret buys a ticket for each order. The agent sees
// neither.
const ticketKind = "teapot_ticket"

// office sells the tickets of one credential.
type office struct {
	credential *credentials.Credential
	secret     credentials.Source
}

func decodeTicket(s *credentials.Section, c *credentials.Credential) {
	c.Made(&office{credential: c, secret: s.Source("secret")}, s.Hosts())
}

// Retrieve implements [credentials.Maker].
func (o *office) Retrieve(ctx context.Context, use credentials.Use) (*credentials.Injection, error) {
	order, ok := use.For.(string)
	if !ok {
		return nil, errors.New("a ticket is for an order")
	}
	return o.buy(ctx, use.Transport, use.Request.Host, order)
}

// Check implements [credentials.Maker].
func (o *office) Check(ctx context.Context, via http.RoundTripper) (*credentials.Injection, error) {
	for _, p := range o.credential.Hosts() {
		if name, exact := p.Exact(); exact {
			return o.buy(ctx, via, name.String(), "check")
		}
	}
	return nil, errors.New("none of its hosts is one teapot")
}

func (o *office) buy(ctx context.Context, via http.RoundTripper, host, order string) (*credentials.Injection, error) {
	if via == nil {
		return nil, errors.New("tickets are sold to a running server only")
	}
	secret, err := o.secret.Read(ctx)
	if err != nil {
		return nil, err
	}
	call := credentials.Call{Operation: Key + ":tickets/buy", Resource: order}
	r, err := http.NewRequestWithContext(call.In(ctx), http.MethodPost, "https://"+host+"/tickets", strings.NewReader(order))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+string(secret.Reveal()))
	response, err := via.RoundTrip(r)
	if err != nil {
		return nil, fmt.Errorf("buy a ticket: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	var sold struct{ Ticket string }
	if err := json.NewDecoder(io.LimitReader(response.Body, 1<<10)).Decode(&sold); err != nil || response.StatusCode != http.StatusCreated {
		return nil, fmt.Errorf("buy a ticket: the teapot answers %d", response.StatusCode)
	}
	return o.credential.Injection("Teapot-Ticket", sold.Ticket, sold.Ticket, map[string]any{"ticket_for": order})
}
