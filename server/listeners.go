package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"sallyport/admin"
	"sallyport/config"
	"sallyport/internal/hint"
)

// listeners are the four sockets that a server accepts on. One that is not open is nil.
type listeners struct {
	agents, commands, health, enrol net.Listener
	configured                      struct{ agents, health, enrol string } // the addresses as sallyport.yaml gave them when they were opened
}

// The names of the listeners.
const (
	listenerAgents   = "listen"
	listenerHealth   = "health.listen"
	listenerEnrol    = "enrol.listen"
	listenerCommands = "admin.sock"
)

// open opens the listeners of the agents and of the status pages. Where this server takes over from
// another, it goes on with that one's listeners instead, because agents may be waiting in their queues.
// After an error the caller closes what was opened, by close.
func (l *listeners) open(ctx context.Context, c *config.Config, from *predecessor) (err error) {
	l.configured.agents, l.configured.health, l.configured.enrol = c.Listen, c.HealthListen, c.Enrol.Listen
	if l.agents, err = listenOn(ctx, listenerAgents, c.Listen, from); err != nil {
		return err
	}
	if c.HealthListen != "" {
		if l.health, err = listenOn(ctx, listenerHealth, c.HealthListen, from); err != nil {
			return err
		}
	}
	if c.Enrol.Listen != "" {
		l.enrol, err = listenOn(ctx, listenerEnrol, c.Enrol.Listen, from)
	}
	return err
}

func listenOn(ctx context.Context, key, address string, from *predecessor) (net.Listener, error) {
	if ln := from.take(key, address); ln != nil {
		return ln, nil
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, ListenFailed(key, address, err)
	}
	return ln, nil
}

// ListenFailed says why an address of sallyport.yaml cannot be listened on.
func ListenFailed(key, address string, err error) error {
	err = fmt.Errorf("sallyport.yaml: %s: %w", key, err)
	if errors.Is(err, syscall.EADDRINUSE) {
		return hint.With(err, "another program uses %s; stop it, or choose another port", address)
	}
	return err
}

// close closes those that are open; closing twice does no harm.
func (l *listeners) close() {
	for _, ln := range []net.Listener{l.agents, l.health, l.enrol, l.commands} {
		if ln != nil {
			_ = ln.Close()
		}
	}
}

// address is where agents reach the listener.
func (l *listeners) address(c *config.Config) string {
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return ""
	}
	_, port, err := net.SplitHostPort(l.agents.Addr().String())
	if err != nil {
		return ""
	}
	return c.ReachableAt(net.JoinHostPort(host, port))
}

// enrolAddress is where agents join; "" if nowhere.
func (l *listeners) enrolAddress(c *config.Config) string {
	if l.enrol == nil {
		return ""
	}
	host, _, err := net.SplitHostPort(l.configured.enrol)
	if err != nil {
		return ""
	}
	_, port, err := net.SplitHostPort(l.enrol.Addr().String())
	if err != nil {
		return ""
	}
	return c.EnrolAddress(net.JoinHostPort(host, port))
}

// own are the addresses of the status pages and of the enrolment listener. The proxy never dials
// them for an agent, as it never dials its own listener, which it adds itself.
func (l *listeners) own() (all []netip.AddrPort) {
	for _, ln := range []net.Listener{l.health, l.enrol} {
		if ln == nil {
			continue
		}
		if at, err := netip.ParseAddrPort(ln.Addr().String()); err == nil {
			all = append(all, at)
		}
	}
	return all
}

// inheritance lists the listeners that the next server goes on with.
func (l *listeners) inheritance() []inheritance {
	all := []inheritance{
		{handedListener{Name: listenerCommands}, l.commands},
		{handedListener{Name: listenerAgents, Configured: l.configured.agents}, l.agents},
	}
	if l.health != nil {
		all = append(all, inheritance{handedListener{Name: listenerHealth, Configured: l.configured.health}, l.health})
	}
	if l.enrol != nil {
		all = append(all, inheritance{handedListener{Name: listenerEnrol, Configured: l.configured.enrol}, l.enrol})
	}
	return all
}

// listenForCommands opens the socket of administration, or goes on with the one of the server
// before.
func (s *server) listenForCommands() (err error) {
	if ln, ok := s.from.take(listenerCommands, "").(*net.UnixListener); ok {
		s.listeners.commands = admin.Inherit(ln, s.layout.Socket(), s.log)
		return nil
	}
	s.listeners.commands, err = admin.Listen(s.layout.Socket(), s.log)
	return err
}
