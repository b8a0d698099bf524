package server

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"sallyport/audit"
	"sallyport/audit/publish"
	"sallyport/audit/trail"
	"sallyport/config"
	"sallyport/credentials"
	"sallyport/proxy"
	"sallyport/proxy/upstream"
)

// outside is what Sallyport's own requests are made with, such as those that publish
// checkpoints.
type outside struct {
	layout     config.Layout
	now        func() time.Time
	generation func() *proxy.Generation
	errand     func(credential string) http.RoundTripper
	own        func() []netip.AddrPort // listeners that are never dialled
}

// newPublisher readies the publication of checkpoints to the configured places.
func (o outside) newPublisher(c *config.Config, writer *trail.Writer, log *slog.Logger) *publish.Publisher {
	var places []publish.Place
	for _, p := range c.Publish {
		switch {
		case p.File != "":
			places = append(places, publish.File{Path: p.File})
		case len(p.Command) > 0:
			places = append(places, publish.Command{Args: p.Command, Dir: o.layout.Dir})
		case p.S3 != nil:
			places = append(places, publish.S3{
				Address: p.S3.Address, Region: p.S3.Region, Prefix: p.S3.Prefix, Lock: p.S3.Lock, Retain: p.S3.Retain,
				Client: o.client, Sign: o.sign(p.S3.Credential), Now: o.now,
			})
		default:
			places = append(places, publish.URL{Address: p.URL, Client: o.client})
		}
	}
	return publish.New(publish.Config{
		Places: places, Newest: o.newestCheckpoint, Trail: writer, Limit: c.MaxUnpublished, Log: log,
	})
}

// sign puts a credential on one of Sallyport's own requests. What it mints for
// that is an exchange on the record.
func (o outside) sign(credential string) func(ctx context.Context, r *http.Request) error {
	return func(ctx context.Context, r *http.Request) error {
		use := credentials.Use{Request: r, Transport: o.errand(credential)}
		injection, err := o.generation().Credentials.Lookup(credential).Retrieve(ctx, use)
		if err != nil {
			return err
		}
		return injection.Apply(r)
	}
}

func (o outside) newestCheckpoint(ctx context.Context) (audit.SignedCheckpoint, error) {
	r, err := trail.OpenReader(o.layout.Trail())
	if err != nil {
		return audit.SignedCheckpoint{}, err
	}
	c, err := r.Checkpoint(ctx)
	return c, errors.Join(err, r.Close())
}

// client is for Sallyport's own requests: they are dialled under the rules
// of `upstream`, as an agent's are.
func (o outside) client() (client *http.Client, done func()) {
	transport := upstream.NewTransport(o.generation().Upstream, o.own)
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, transport.CloseIdleConnections
}
