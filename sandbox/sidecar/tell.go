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

// blockedField is how the proxy is told what a jail did not let out. It is taken out of
// what clients send: only who holds the identity tells.
const blockedField = "Sallyport-Blocked"

// tellTimeout bounds telling one thing.
const tellTimeout = 20 * time.Second

// Tell has the proxy record that a jail did not let something out. authority is where it
// was to go, and told what else is known of it, in the form of a query.
func (s *Sidecar) Tell(ctx context.Context, authority, told string) error {
	proxy, raw, err := s.dial(ctx, s.identity.Identity())
	if err != nil {
		return err
	}
	defer raw.Close()
	defer s.register(raw)()
	_ = proxy.SetDeadline(time.Now().Add(tellTimeout))
	head := "CONNECT " + authority + " HTTP/1.1\r\nHost: " + authority + "\r\n" + blockedField + ": " + told + "\r\n\r\n"
	if _, err := io.WriteString(proxy, head); err != nil {
		return fmt.Errorf("tell the proxy: %w", err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(proxy), &http.Request{Method: http.MethodConnect})
	if err != nil {
		return fmt.Errorf("tell the proxy: %w", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusForbidden || !strings.HasPrefix(answer.Header.Get("Content-Type"), "application/problem+json") {
		return fmt.Errorf("the proxy answered %s to what it was told", answer.Status)
	}
	return nil
}
