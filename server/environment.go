package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"sallyport/admin"
	"sallyport/config"
	"sallyport/credentials"
	"sallyport/internal/hint"
	"sallyport/sandbox/veil"
	"sallyport/services"
)

// Environment is what a process takes from the outside world.
type Environment struct {
	Home   string // absolute path of HOME; "" if none was given and the user has no home folder
	Getenv func(string) string
	Now    func() time.Time

	Version, Revision string // of this binary, for the trail

	// Services makes those that policies, credentials and the proxy know; [Services] if nil.
	Services func() []services.Service
}

// Layout names the files of HOME, or says that there is none, or half of one.
func (e Environment) Layout() (config.Layout, error) {
	l, err := e.Place()
	if err != nil {
		return l, err
	}
	return l, l.CheckWhole()
}

// Place is HOME, whatever is there.
func (e Environment) Place() (config.Layout, error) {
	if e.Home == "" {
		return config.Layout{}, hint.With(errors.New("no home folder: this user has none"), "give --home DIR or set SALLYPORT_HOME")
	}
	if veil.Covers(e.Home) {
		return config.Layout{}, hint.With(fmt.Errorf("%s is hidden from commands of `sallyport run`", e.Home),
			"do this outside of the run; inside, `sallyport env` and `sidecar` work")
	}
	return config.Layout{Dir: e.Home}, nil
}

// Options is what reading the files of l needs beside them. They include the key of
// fingerprints, which only a process that may read state/ can.
func (e Environment) Options(l config.Layout) (config.Options, error) {
	key, err := readFingerprintKey(l)
	o := e.CheckOptions()
	o.FingerprintKey, o.Tokens = key, credentials.NewTokens(e.Now)
	return o, err
}

// CheckOptions is what reading files needs that are only to be checked: fingerprints of
// their secrets mean nothing.
func (e Environment) CheckOptions() config.Options {
	return config.Options{Getenv: e.Getenv, FingerprintKey: make([]byte, FingerprintKeySize), Now: e.Now, Services: e.Rooms()}
}

// Rooms are the services that this process knows, made anew.
func (e Environment) Rooms() []services.Service {
	if e.Services == nil {
		return Services()
	}
	return e.Services()
}

// Patience is how long a command waits for a process that holds the lock and does not
// listen: a server that starts, or another command about to end. It looks every LookAway.
const (
	Patience = 5 * time.Second
	LookAway = 20 * time.Millisecond
)

// Administer calls do with the running server or, while none runs, with the stores
// themselves. What the stores log goes to log.
func (e Environment) Administer(ctx context.Context, log *slog.Logger, do func(Administration) error) error {
	deadline := time.Now().Add(Patience)
	for {
		client, err := e.Connect(ctx)
		if err == nil {
			defer client.Close()
			return do(client)
		}
		if !errors.Is(err, admin.ErrNoServer) {
			return err
		}
		err = e.direct(ctx, log, do)
		if !errors.Is(err, admin.ErrLocked) {
			return err
		}
		if time.Now().After(deadline) {
			return hint.With(fmt.Errorf("another sallyport process holds %s but does not answer on its socket", e.Home),
				"wait until it has started or stopped, and see its log")
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(LookAway):
		}
	}
}

// Connect reaches the running server; the error is [admin.ErrNoServer] if there is none.
func (e Environment) Connect(ctx context.Context) (*admin.Client, error) {
	l, err := e.Layout()
	if err != nil {
		return nil, err
	}
	// In a folder that others may write to, the socket could be anybody's.
	if _, err := os.Lstat(l.State()); err == nil {
		if err := l.CheckState(); err != nil {
			return nil, err
		}
	}
	return admin.Dial(ctx, l.Socket())
}

// direct opens the stores for one command.
func (e Environment) direct(ctx context.Context, log *slog.Logger, do func(Administration) error) error {
	s, err := openStores(ctx, e, log)
	if err != nil {
		return err
	}
	service := admin.NewService(admin.Config{
		Registry: s.registry, Trail: s.trail, AgentCA: s.agentCA, InterceptionCA: s.interceptionCA,
		View: s.view, Now: e.Now, Prune: s.trail.Prune,
		Proxy: func() string { return s.files.Current().Config.KnownAddress() },
		Enrol: func() admin.EnrolListener {
			c := s.files.Current().Config
			return admin.EnrolListener{Address: c.EnrolAddress(c.Enrol.Listen), RenewGrace: c.Enrol.RenewGrace}
		},
	})
	return errors.Join(do(service.As(admin.Self())), s.close(context.WithoutCancel(ctx)))
}
