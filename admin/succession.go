package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// Two kinds of connections between servers begin as commands and then change protocol: by
// the first, a starting server takes over from one that runs; by the second, the server that was
// taken over from sends its outcomes to the one that writes the trail now.
const (
	takeOverPath = "/v1/take-over"
	relayPath    = "/v1/relay"
)

// TakeOverRequest asks a running server to make room.
type TakeOverRequest struct {
	// Force takes over from one that serves; without it only from one that drains.
	Force bool `json:"force"`
}

// Succession is how a running server makes room for another one. Where it is nil, no server
// runs.
type Succession interface {
	// MayTakeOver says why not.
	MayTakeOver(r TakeOverRequest) error
	// HandOver hands all that this server has to the process at the other end, and
	// closes the connection.
	HandOver(conn *net.UnixConn)
	// Adopt writes the outcomes that the process at the other end sends, until it ends.
	Adopt(conn io.ReadWriter) error
}

// TakeOver asks the server that listens on socket to make room for this process.
// The error wraps [ErrNoServer] when none does.
func TakeOver(ctx context.Context, socket string, r TakeOverRequest) (*net.UnixConn, error) {
	return upgrade(ctx, socket, takeOverPath, r)
}

// Relay reaches the server that writes the trail now.
func Relay(ctx context.Context, socket string) (io.ReadWriteCloser, error) {
	return upgrade(ctx, socket, relayPath, struct{}{})
}

// switched is the answer after which the connection is the two servers' own
// (RFC 9110 section 15.2.2).
const switched = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: sallyport\r\n\r\n"

func upgrade(ctx context.Context, socket, path string, body any) (*net.UnixConn, error) {
	dialled, err := dialSocket(ctx, socket)
	if err != nil {
		return nil, err
	}
	conn, ok := dialled.(*net.UnixConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("%s is no Unix socket", socket), dialled.Close())
	}
	if err := ask101(conn, path, body); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

func ask101(conn *net.UnixConn, path string, body any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encode request: %w", err)
	}
	_ = conn.SetDeadline(time.Now().Add(answerTimeout))
	_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: sallyport\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", path, len(data), data)
	if err != nil {
		return unanswered(err)
	}
	// Byte by byte: descriptors may come with the first byte after the head.
	var head bytes.Buffer
	for !strings.HasSuffix(head.String(), "\r\n\r\n") {
		if _, err := io.CopyN(&head, conn, 1); err != nil {
			return unanswered(err)
		}
		if head.Len() > 16<<10 {
			return errors.New("the running server answers something else")
		}
	}
	status := 0
	if _, err := fmt.Sscanf(head.String(), "HTTP/1.1 %d", &status); err != nil {
		return fmt.Errorf("read the server's answer: %w", err)
	}
	if status != http.StatusSwitchingProtocols {
		return refusedUpgrade(conn, status)
	}
	return conn.SetDeadline(time.Time{})
}

// refusedUpgrade reads why. The server closes the connection after it.
func refusedUpgrade(conn net.Conn, status int) error {
	data, _ := io.ReadAll(io.LimitReader(conn, maxRequest))
	if begin := bytes.IndexByte(data, '{'); begin >= 0 {
		if end := bytes.LastIndexByte(data, '}'); end > begin {
			return failure(status, data[begin:end+1])
		}
	}
	return failure(status, nil)
}

// succession serves a connection of another server.
func succession(s *Service, allowed func(*Session, *http.Request) error, serve func(Succession, *net.UnixConn)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		_, err := identified(s, r, func(c *Session, r *http.Request) (any, error) {
			if err := c.may(r.Context(), ActSucceed); err != nil {
				return nil, err
			}
			if s.Succession == nil {
				return nil, ErrNoServer
			}
			return nil, allowed(c, r)
		})
		if err != nil {
			status, p := describe(err)
			answer(w, status, p)
			return
		}
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return // the client left
		}
		defer conn.Close()
		peer, ok := conn.(*peerConn)
		if !ok {
			return
		}
		_ = peer.SetDeadline(time.Time{})
		if _, err := io.WriteString(peer, switched); err == nil {
			serve(s.Succession, peer.UnixConn)
		}
	})
}
