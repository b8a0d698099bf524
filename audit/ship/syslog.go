package ship

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"

	"sallyport/audit"
)

// Syslog sends exchanges as messages of RFC 5424, each behind its length, over
// TLS (RFC 5425) or TCP (RFC 6587). The protocol has no acknowledgement, so each
// batch has a connection of its own: the end of it is announced, and only when
// the server has answered with its own end has it read everything.
type Syslog struct {
	Address string      // host:port
	TLS     *tls.Config // nil: TCP alone
	Host    string      // of this machine, in every message
	Encode  func(b []byte, r audit.Record) ([]byte, error)
}

// Name is the address with its scheme.
func (s Syslog) Name() string {
	if s.TLS != nil {
		return "syslog+tls://" + s.Address
	}
	return "syslog+tcp://" + s.Address
}

// Facility "log audit" and the severities of RFC 5424, 6.2.1.
const (
	facilityAudit = 13
	severityWarn  = 4
	severityInfo  = 6
)

// Send sends a batch and waits until the server has read it.
func (s Syslog) Send(ctx context.Context, batch []audit.Record) (err error) {
	conn, err := s.dial(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return err
		}
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	var out []byte
	for _, x := range batch {
		message, err := s.message(x)
		if err != nil {
			return err
		}
		out = append(strconv.AppendInt(out, int64(len(message)), 10), ' ')
		out = append(out, message...)
	}
	if _, err := conn.Write(out); err != nil {
		return err
	}
	closer, ok := conn.(interface{ CloseWrite() error })
	if !ok {
		return errors.New("the connection cannot be closed for writing alone")
	}
	if err := closer.CloseWrite(); err != nil {
		return fmt.Errorf("end the connection: %w", err)
	}
	if err := ended(conn); !errors.Is(err, io.EOF) {
		return fmt.Errorf("the server did not end the connection after it had read everything: %w", orEarly(err))
	}
	return nil
}

// ended waits for the server's end and returns io.EOF for it. A server that
// closes a connection with something unread resets it, even after it has said
// its end in TLS.
func ended(conn net.Conn) error {
	var one [1]byte
	_, err := conn.Read(one[:])
	if secure, ok := conn.(*tls.Conn); ok && errors.Is(err, io.EOF) {
		_, err = secure.NetConn().Read(one[:])
	}
	return err
}

func orEarly(err error) error {
	if err == nil {
		return errors.New("it sent something, which a syslog server does not")
	}
	return err
}

func (s Syslog) dial(ctx context.Context) (net.Conn, error) {
	if s.TLS == nil {
		return new(net.Dialer).DialContext(ctx, "tcp", s.Address)
	}
	return (&tls.Dialer{Config: s.TLS}).DialContext(ctx, "tcp", s.Address)
}

// message is one record as RFC 5424 has it, whose MSGID is its type.
func (s Syslog) message(r audit.Record) ([]byte, error) {
	severity := severityInfo
	if r.Exchange != nil && warns(r.Exchange) {
		severity = severityWarn
	}
	at := r.At().UTC().Format("2006-01-02T15:04:05.000000Z")
	header := fmt.Sprintf("<%d>1 %s %s sallyport %d %s - ", facilityAudit*8+severity, at, word(s.Host, 255), os.Getpid(), word(r.Type(), 32))
	return s.Encode([]byte(header), r)
}

// word is s as a field of the header: visible ASCII, not too long, or "-".
func word(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return -1
		}
		return r
	}, s)
	if s == "" {
		return "-"
	}
	return s[:min(len(s), limit)]
}
