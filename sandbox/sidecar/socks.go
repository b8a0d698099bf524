package sidecar

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// SOCKS protocol version 5 (RFC 1928), with user name and password (RFC 1929), for programs
// that speak to no other kind of proxy. It opens the same tunnels as CONNECT, to names: of an
// address that a client has looked up itself nobody could tell what was meant.
const (
	socksVersion     = 5
	subnegotiation   = 1 // the version of RFC 1929
	methodNone       = 0
	methodPassword   = 2
	methodNothing    = 0xff // no acceptable method
	commandConnect   = 1
	addressName      = 3
	replyDone        = 0
	replyFailure     = 1
	replyNotAllowed  = 2
	replyUnreachable = 4
	replyNoCommand   = 7
	replyNoAddress   = 8
)

// socks is a conversation with one client, up to its request.
type socks struct {
	client local
	early  []byte // has come and is not taken yet
	code   byte   // of the reply that says why the client is refused
	asked  bool   // the client has sent its request, and waits for a reply to it
}

// next takes n bytes.
func (c *socks) next(n int) ([]byte, error) {
	if missing := n - len(c.early); missing > 0 {
		more := make([]byte, max(missing, smallBuffer))
		read, err := io.ReadAtLeast(c.client, more, missing)
		c.early = append(c.early, more[:read]...)
		if err != nil {
			return nil, err
		}
	}
	taken := c.early[:n]
	c.early = c.early[n:]
	return taken, nil
}

// counted takes what follows a byte that says how much that is.
func (c *socks) counted() ([]byte, error) {
	length, err := c.next(1)
	if err != nil {
		return nil, err
	}
	return c.next(int(length[0]))
}

// receiveSOCKS reads up to the request, which becomes a CONNECT.
func (s *Sidecar) receiveSOCKS(c *socks, foreign *refusal) (*request, []byte, error) {
	r := &request{method: http.MethodConnect, connect: true, socks: c}
	no, err := s.greetSOCKS(c, foreign)
	var authority string
	if no == nil && err == nil {
		authority, no, err = c.request()
	}
	switch {
	case err != nil:
		return r, nil, unread(err)
	case no != nil:
		return r, nil, no
	}
	r.forward = []byte("CONNECT " + authority + " HTTP/1.1\r\nHost: " + authority + "\r\n\r\n")
	return r, c.early, c.client.SetReadDeadline(time.Time{})
}

// greetSOCKS agrees on how the client shows who it is, and has it do so.
func (s *Sidecar) greetSOCKS(c *socks, foreign *refusal) (*refusal, error) {
	if _, err := c.next(1); err != nil {
		return nil, err
	}
	methods, err := c.counted()
	if err != nil {
		return nil, err
	}
	offers := func(method byte) bool { return slices.Contains(methods, method) }
	switch {
	case foreign != nil:
		return foreign, nil
	case s.expected == nil && offers(methodNone):
		_, err := c.client.Write([]byte{socksVersion, methodNone})
		return nil, err
	case !offers(methodPassword):
		return unauthorized(false), nil
	}
	if _, err := c.client.Write([]byte{socksVersion, methodPassword}); err != nil {
		return nil, err
	}
	version, err1 := c.next(1)
	name, err2 := c.counted()
	password, err3 := c.counted()
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	c.code = replyFailure
	if version[0] != subnegotiation {
		return notSOCKS("the client's way to show a password is not that of RFC 1929", ""), nil
	}
	if !s.authorized(slices.Concat(name, []byte(":"), password)) {
		return unauthorized(true), nil
	}
	_, err = c.client.Write([]byte{subnegotiation, replyDone})
	return nil, err
}

// request reads what the client asks for: a tunnel to a name.
func (c *socks) request() (authority string, _ *refusal, _ error) {
	head, err := c.next(4) // version, command, a zero, and the kind of address
	if err != nil {
		return "", nil, err
	}
	c.asked, c.code = true, replyFailure
	switch {
	case head[0] != socksVersion || head[2] != 0:
		return "", notSOCKS("the request is not one of SOCKS 5", ""), nil
	case head[1] != commandConnect:
		c.code = replyNoCommand
		return "", notSOCKS(fmt.Sprintf("command %d of SOCKS is not CONNECT", head[1]), "there is no way out for UDP, and none in"), nil
	case head[3] != addressName:
		c.code = replyNoAddress
		return "", notSOCKS("the client gives an address in place of a name", "write the proxy URL as socks5h://, so that names are not looked up by the client"), nil
	}
	name, err1 := c.counted()
	port, err2 := c.next(2)
	if err := errors.Join(err1, err2); err != nil {
		return "", nil, err
	}
	if len(name) == 0 || bytes.ContainsFunc(name, isUnfitForName) {
		return "", notSOCKS("the name holds a character that no name of a host has", "send names outside ASCII as xn--"), nil
	}
	return string(name) + ":" + strconv.Itoa(int(port[0])<<8|int(port[1])), nil, nil
}

// isUnfitForName leaves what a name of a host may be to the proxy, and lets nothing through
// that means something in a line of HTTP.
func isUnfitForName(r rune) bool {
	return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("-._", r))
}

func notSOCKS(detail, hint string) *refusal {
	return unreadable(&headError{http.StatusBadRequest, detail, hint})
}

// reply says no at the point at which the conversation is. Why, SOCKS has no words for.
func (c *socks) reply(no *refusal) []byte {
	switch {
	case !c.asked && c.code == 0:
		return []byte{socksVersion, methodNothing}
	case !c.asked:
		return []byte{subnegotiation, c.code}
	case no.status >= http.StatusInternalServerError:
		return socksReply(replyUnreachable)
	}
	return socksReply(c.code)
}

// socksReply is a reply to a request. The address in it, from which the upstream is reached,
// nobody but the proxy knows, and clients do not need.
func socksReply(code byte) []byte {
	const ipv4 = 1
	return []byte{socksVersion, code, 0, ipv4, 0, 0, 0, 0, 0, 0}
}

// translate makes a reply of the proxy's answer to CONNECT. The log says what the client
// cannot be told.
func (s *Sidecar) translate(first []byte, rest io.Reader) (answer []byte, open bool, err error) {
	from := bufio.NewReader(io.MultiReader(bytes.NewReader(first), rest))
	response, err := http.ReadResponse(from, &http.Request{Method: http.MethodConnect})
	if err != nil {
		return nil, false, fmt.Errorf("read the proxy's answer: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusOK {
		glued, _ := from.Peek(from.Buffered())
		return append(socksReply(replyDone), glued...), true, nil
	}
	var problem struct{ Detail string }
	text, _ := io.ReadAll(io.LimitReader(response.Body, maxHead))
	if json.Unmarshal(text, &problem) != nil || problem.Detail == "" {
		problem.Detail = "it answered " + response.Status
	}
	s.refused.add(byProxy, "to a client of SOCKS the proxy says: "+problem.Detail)
	code := byte(replyNotAllowed)
	if response.StatusCode >= http.StatusInternalServerError {
		code = replyUnreachable
	}
	return socksReply(code), false, nil
}
