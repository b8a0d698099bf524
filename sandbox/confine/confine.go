package confine

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"

	"sallyport/sandbox/catch"
	"sallyport/sandbox/jail"
	"sallyport/sandbox/sidecar"
)

// Config is what is served, and by whom.
type Config struct {
	Sockets jail.Sockets
	Names   *catch.Names
	Program func(client netip.AddrPort) string
	Blocked *Ledger
	Sidecar *sidecar.Sidecar
	Log     *slog.Logger
}

// Serve serves until ctx ends, and returns when nothing of it is open any more.
func Serve(ctx context.Context, c Config) {
	catcher := catch.New(catch.Config{Names: c.Names, Program: c.Program, Blocked: c.Blocked.Note})
	resolver := catch.NewResolver(c.Names)
	var serving sync.WaitGroup
	defer serving.Wait()
	run := func(what string, serve func() error) {
		serving.Go(func() {
			if err := serve(); err != nil && ctx.Err() == nil {
				c.Log.Error("the jail is not served any more", "part", what, "error", err)
			}
		})
	}
	for _, l := range c.Sockets.Catch {
		run("connections", func() error { return catcher.Catch(ctx, l) })
	}
	for _, p := range c.Sockets.Names {
		run("names", func() error { return resolver.ServePackets(p) })
	}
	for _, l := range c.Sockets.NamesIn {
		run("names", func() error { return resolver.Serve(ctx, l) })
	}
	run("caught connections", func() error { return c.Sidecar.Serve(ctx, catcher) })
	run("the proxy", func() error { return c.Sidecar.Serve(ctx, c.Sockets.Proxy) })
	<-ctx.Done()
	_ = catcher.Close()
	for _, l := range c.Sockets.Catch {
		_ = l.Close()
	}
	for _, p := range c.Sockets.Names {
		_ = p.Close()
	}
	for _, l := range c.Sockets.NamesIn {
		_ = l.Close()
	}
}
