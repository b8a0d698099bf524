package server

import (
	"context"
	"errors"
	"net/http"

	"sallyport/audit"
	"sallyport/audit/publish"
	"sallyport/config"
	"sallyport/credentials"
)

// newPublisher readies the publication of checkpoints to the configured places.
func (s *server) newPublisher(c *config.Config) *publish.Publisher {
	var places []publish.Place
	for _, p := range c.Publish {
		switch {
		case p.File != "":
			places = append(places, publish.File{Path: p.File})
		case len(p.Command) > 0:
			places = append(places, publish.Command{Args: p.Command, Dir: s.layout.Dir})
		case p.S3 != nil:
			places = append(places, publish.S3{
				Address: p.S3.Address, Region: p.S3.Region, Prefix: p.S3.Prefix, Lock: p.S3.Lock, Retain: p.S3.Retain,
				Client: s.ownClient, Sign: s.sign(p.S3.Credential), Now: s.now,
			})
		default:
			places = append(places, publish.URL{Address: p.URL, Client: s.ownClient})
		}
	}
	return publish.New(publish.Config{
		Places: places, Newest: s.newestCheckpoint, Trail: s.trail, Limit: c.MaxUnpublished, Log: s.log,
	})
}

// sign puts a credential on one of Sallyport's own requests. What it mints for
// that is an exchange on the record.
func (s *server) sign(credential string) func(ctx context.Context, r *http.Request) error {
	return func(ctx context.Context, r *http.Request) error {
		use := credentials.Use{Request: r, Transport: s.proxy.Errand(credential)}
		injection, err := s.generation.Load().Credentials.Lookup(credential).Retrieve(ctx, use)
		if err != nil {
			return err
		}
		return injection.Apply(r)
	}
}

func (s *server) newestCheckpoint(ctx context.Context) (audit.SignedCheckpoint, error) {
	r, err := audit.OpenReader(s.layout.Trail())
	if err != nil {
		return audit.SignedCheckpoint{}, err
	}
	c, err := r.Checkpoint(ctx)
	return c, errors.Join(err, r.Close())
}

// ownClient is for Sallyport's own requests: they are dialled under the rules
// of `upstream`, as an agent's are.
func (s *server) ownClient() (client *http.Client, done func()) {
	transport := s.generation.Load().Upstream.Transport(s.ownListeners)
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, transport.CloseIdleConnections
}
