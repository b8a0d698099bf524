package sidecar

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// The fields by which the proxy is told what a jail did not let out, and what a sidecar has
// refused itself. They are taken out of what clients send: only who holds the identity tells.
const (
	blockedField = "Sallyport-Blocked"
	refusedField = "Sallyport-Refused"
)

// nowhere is the authority of what has none (RFC 6761, section 6.4).
const nowhere = "none.invalid:1"

// tellTimeout bounds telling one thing.
const tellTimeout = 20 * time.Second

// Tell has the proxy record that a jail did not let something out. authority is where it
// was to go, and told what else is known of it, in the form of a query.
func (s *Sidecar) Tell(ctx context.Context, authority, told string) error {
	return s.tell(ctx, authority, blockedField, told, http.StatusForbidden)
}

// tell sends a CONNECT that is not meant to open a tunnel, whose field says what there is to
// tell; the answer must have the status.
func (s *Sidecar) tell(ctx context.Context, authority, field, told string, status int) error {
	proxy, raw, err := s.dial(ctx, s.identity.Identity())
	if err != nil {
		return err
	}
	defer raw.Close()
	defer s.register(raw)()
	_ = proxy.SetDeadline(time.Now().Add(tellTimeout))
	defer context.AfterFunc(ctx, func() { _ = raw.Close() })()
	head := "CONNECT " + authority + " HTTP/1.1\r\nHost: " + authority + "\r\n" + field + ": " + told + "\r\n\r\n"
	if _, err := io.WriteString(proxy, head); err != nil {
		return fmt.Errorf("tell the proxy: %w", err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(proxy), &http.Request{Method: http.MethodConnect})
	if err != nil {
		return fmt.Errorf("tell the proxy: %w", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != status || status == http.StatusForbidden && !strings.HasPrefix(answer.Header.Get("Content-Type"), "application/problem+json") {
		return fmt.Errorf("the proxy answered %s to what it was told", answer.Status)
	}
	return nil
}
