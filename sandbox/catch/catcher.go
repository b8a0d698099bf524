package catch

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"sallyport/internal/host"
)

// firstBytes is how long a program may take to say what it wants.
const firstBytes = 10 * time.Second

// mostOpen bounds what one jail has open: beyond it connections wait.
const mostOpen = 2048

// Config is what a [Catcher] works with.
type Config struct {
	Names   *Names
	Program func(client netip.AddrPort) string // the file of the program at that end; "" if it is not known
	Blocked func(Attempt)                      // is told of each try that is not sent on
}

// Catcher turns connections that were made to anybody into requests to a proxy:
// Accept returns them, as a listener of a proxy would. Its owner calls Catch for
// each listener, hands the catcher to the sidecar, and closes it.
type Catcher struct {
	config Config
	belt   chan net.Conn
	open   chan struct{} // one for each connection
	closed chan struct{}
	close  func()
}

// New returns a catcher that has caught nothing yet.
func New(c Config) *Catcher {
	closed := make(chan struct{})
	return &Catcher{
		config: c, belt: make(chan net.Conn), open: make(chan struct{}, mostOpen),
		closed: closed, close: sync.OnceFunc(func() { close(closed) }),
	}
}

// Accept implements net.Listener.
func (c *Catcher) Accept() (net.Conn, error) {
	select {
	case conn := <-c.belt:
		return conn, nil
	case <-c.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (c *Catcher) Close() error {
	c.close()
	return nil
}

// Addr implements net.Listener: it is at no address, for it is at all of them.
func (c *Catcher) Addr() net.Addr { return &net.TCPAddr{} }

// Catch takes what arrives at l until that is closed, or the catcher is and ctx is done.
func (c *Catcher) Catch(ctx context.Context, l *net.TCPListener) error {
	var catching sync.WaitGroup
	defer catching.Wait()
	for {
		select {
		case c.open <- struct{}{}:
		case <-c.closed:
			return nil
		}
		conn, err := l.AcceptTCP()
		if err != nil {
			<-c.open
			if errors.Is(err, net.ErrClosed) {
				return nil
			}
			select { // out of descriptors, for example: it passes when connections end
			case <-time.After(50 * time.Millisecond):
				continue
			case <-c.closed:
				return err
			}
		}
		catching.Go(func() {
			stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
			defer stop()
			c.catch(conn)
		})
	}
}

// catch finds out where one connection wants to go, and sends it on or refuses it.
func (c *Catcher) catch(conn *net.TCPConn) {
	_ = conn.SetReadDeadline(time.Now().Add(firstBytes))
	to, from := addressOf(conn.LocalAddr()), addressOf(conn.RemoteAddr())
	head, reply, err := c.read(conn, to, from)
	if err != nil {
		c.refuse(conn, to, from, err)
		<-c.open
		return
	}
	_ = conn.SetReadDeadline(time.Time{})
	caught := &caught{TCPConn: conn, early: head, reply: reply, done: sync.OnceFunc(func() { <-c.open })}
	select {
	case c.belt <- caught:
	case <-c.closed:
		_ = caught.Close()
	}
}

func addressOf(a net.Addr) netip.AddrPort {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	ap := tcp.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap().WithZone(""), ap.Port())
}

// read reads the beginning of a connection and writes the request that takes its
// place. reply is what is to become of the proxy's answer.
func (c *Catcher) read(conn io.Reader, to, from netip.AddrPort) (head []byte, reply reply, err error) {
	name, raw, err := ReadHello(conn)
	if errors.Is(err, errNotTLS) && len(raw) == 1 && tokenByte(raw[0]) {
		head, err = absolute(conn, raw, c.authority(to))
		return head, passReply, err
	}
	if err != nil {
		if len(raw) == 0 && errors.Is(err, io.EOF) {
			err = errUnused
		}
		return nil, 0, err
	}
	authority := c.authority(to)
	if name != "" {
		parsed, err := host.ParseName(name)
		if err != nil || parsed.IsAddr() {
			return nil, 0, errHello // RFC 6066: a literal address is no server name
		}
		authority = host.Authority{Name: parsed, Port: to.Port()}
	}
	// A client's own CONNECT says who it is; here the sender is seen.
	agent := ""
	if git(c.config.Program(from)) {
		agent = "User-Agent: git/caught\r\n"
	}
	text := authority.String()
	head = append([]byte("CONNECT "+text+" HTTP/1.1\r\nHost: "+text+"\r\n"+agent+"\r\n"), raw...)
	return head, dropReply, nil
}

// authority is where an address leads: to the name that it was made up for, or to itself.
func (c *Catcher) authority(to netip.AddrPort) host.Authority {
	name, ok := c.config.Names.Name(to.Addr())
	if !ok {
		name, _ = host.ParseName(literal(to.Addr())) // an address is always a name
	}
	return host.Authority{Name: name, Port: to.Port()}
}

func literal(a netip.Addr) string {
	if a.Is6() {
		return "[" + a.String() + "]"
	}
	return a.String()
}

// errUnused: a connection that was made ahead and not needed tries nothing.
var errUnused = errors.New("it was closed unused")

// refuse resets a connection, so that its program sees it at once, and tells of it.
func (c *Catcher) refuse(conn *net.TCPConn, to, from netip.AddrPort, why error) {
	_ = conn.SetLinger(0)
	_ = conn.Close()
	if errors.Is(why, errUnused) || errors.Is(why, net.ErrClosed) {
		return
	}
	attempt := Attempt{Protocol: "tcp", Address: to, Program: c.config.Program(from), Reason: ReasonBroken}
	if name, ok := c.config.Names.Name(to.Addr()); ok {
		attempt.Name = name.String()
	}
	switch {
	case errors.Is(why, os.ErrDeadlineExceeded):
		attempt.Reason = ReasonSilent
	case errors.Is(why, errNotTLS):
		attempt.Reason = ReasonOther
	}
	c.config.Blocked(attempt)
}
