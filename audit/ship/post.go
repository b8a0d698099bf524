package ship

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"sallyport/audit"
)

// Lines posts exchanges as lines of JSON to an address.
type Lines struct {
	Post   Post
	Encode func(b []byte, r audit.Record) ([]byte, error)
}

// Name is the address.
func (l Lines) Name() string { return l.Post.Address }

// Send posts a batch.
func (l Lines) Send(ctx context.Context, batch []audit.Record) error {
	var body []byte
	var err error
	for _, x := range batch {
		if body, err = l.Encode(body, x); err != nil {
			return err
		}
		body = append(body, '\n')
	}
	_, err = l.Post.do(ctx, "application/x-ndjson", body)
	return err
}

// Post sends bodies to one address. Client must not follow redirects.
type Post struct {
	Address string // without a password in it
	Client  *http.Client
	// Authorization is read for every request, so that it may change; nil for none.
	Authorization func() (string, error)
}

// maxAnswer bounds what is read of an answer.
const maxAnswer = 64 << 10

func (p *Post) do(ctx context.Context, contentType string, body []byte) (answer []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.Address, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("User-Agent", "sallyport")
	if p.Authorization != nil {
		value, err := p.Authorization()
		if err != nil {
			return nil, err
		}
		req.Header.Set("Authorization", value)
	}
	resp, err := p.Client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	switch {
	case resp.StatusCode == http.StatusRequestEntityTooLarge:
		return nil, fmt.Errorf("it answered with status 413: %w", errTooLarge)
	case resp.StatusCode < 200 || resp.StatusCode > 299:
		// What it says may repeat what was sent, the authorization among it.
		return nil, &retryError{fmt.Errorf("it answered with status %d%s", resp.StatusCode, advice(resp.StatusCode)), retryAfter(resp.Header)}
	}
	return answer, err
}

func advice(status int) string {
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return ": see --authorization"
	case status == http.StatusNotFound:
		return ": see the path in --to"
	case status >= 300 && status < 400:
		return ": it redirects, which is not followed; give the address it redirects to"
	}
	return ""
}

// retryAfter is how long the other side asks to be left alone (RFC 9110, 10.2.3).
func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return time.Duration(seconds) * time.Second
}
