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
	"net/url"
	"time"

	"sallyport/audit"
)

// ErrNoServer means that nothing listens on the socket.
var ErrNoServer = errors.New("no server is running")

// answerTimeout bounds one call: minting a credential is the slowest.
const answerTimeout = 30 * time.Second

// maxAnswer bounds what a client reads; a list of 100,000 agents fits.
const maxAnswer = 64 << 20

// Client speaks to the server of one HOME. It is safe for concurrent use.
type Client struct {
	http   *http.Client
	server int
}

// Dial connects to the server that listens on socket. The error wraps
// [ErrNoServer] when none does.
func Dial(ctx context.Context, socket string) (*Client, error) {
	first, err := dialSocket(ctx, socket)
	if err != nil {
		return nil, err
	}
	conns := make(chan net.Conn, 1)
	conns <- first // the connection that proved a server is there serves the first call
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			select {
			case c := <-conns:
				return c, nil
			default:
				return dialSocket(ctx, socket)
			}
		},
		MaxIdleConns: 1,
	}
	return &Client{http: &http.Client{Transport: transport, Timeout: answerTimeout}, server: listener(first)}, nil
}

// Server is the process that listens on the socket; 0 if the system does not tell.
func (c *Client) Server() int { return c.server }

// Close ends the client's idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// CreateAgent registers an agent and returns its identity.
func (c *Client) CreateAgent(ctx context.Context, r CreateRequest) (Enrolment, error) {
	return call[Enrolment](ctx, c, http.MethodPost, "/v1/agents", r)
}

// RenewAgent issues a new certificate.
func (c *Client) RenewAgent(ctx context.Context, r RenewRequest) (Enrolment, error) {
	return call[Enrolment](ctx, c, http.MethodPost, "/v1/agents/renew", r)
}

// Agents lists all agents.
func (c *Client) Agents(ctx context.Context) ([]Agent, error) {
	return call[[]Agent](ctx, c, http.MethodGet, "/v1/agents", nil)
}

// Agent returns one agent by UUID or name.
func (c *Client) Agent(ctx context.Context, id string) (AgentDetail, error) {
	return call[AgentDetail](ctx, c, http.MethodPost, "/v1/agents/show", nameRequest{Name: id})
}

// SuspendAgent stops an agent until it is resumed.
func (c *Client) SuspendAgent(ctx context.Context, r StatusRequest) (Agent, error) {
	return call[Agent](ctx, c, http.MethodPost, "/v1/agents/suspend", r)
}

// ResumeAgent lets a suspended agent work again.
func (c *Client) ResumeAgent(ctx context.Context, r StatusRequest) (Agent, error) {
	return call[Agent](ctx, c, http.MethodPost, "/v1/agents/resume", r)
}

// RevokeAgent stops an agent for good.
func (c *Client) RevokeAgent(ctx context.Context, r StatusRequest) (Agent, error) {
	return call[Agent](ctx, c, http.MethodPost, "/v1/agents/revoke", r)
}

// RevokeCertificate revokes one certificate, or those before it.
func (c *Client) RevokeCertificate(ctx context.Context, r CertificateRequest) (RevokedCertificates, error) {
	return call[RevokedCertificates](ctx, c, http.MethodPost, "/v1/certificates/revoke", r)
}

// Inviter is the server's.
func (c *Client) Inviter() Inviter { return remoteInviter{c} }

type remoteInviter struct{ client *Client }

func (i remoteInviter) Invite(ctx context.Context, r InviteRequest) (Invitation, error) {
	return call[Invitation](ctx, i.client, http.MethodPost, "/v1/invites", r)
}

func (i remoteInviter) List(ctx context.Context) ([]Invite, error) {
	return call[[]Invite](ctx, i.client, http.MethodGet, "/v1/invites", nil)
}

func (i remoteInviter) End(ctx context.Context, r StatusRequest) (Invite, error) {
	return call[Invite](ctx, i.client, http.MethodPost, "/v1/invites/revoke", r)
}

// Reload parses all files and puts them in force if all are right.
func (c *Client) Reload(ctx context.Context) (Configuration, error) {
	return call[Configuration](ctx, c, http.MethodPost, "/v1/reload", nil)
}

// PruneTrail removes old payloads; the answer may say that there is more to do.
func (c *Client) PruneTrail(ctx context.Context, r PruneRequest) (audit.Pruned, error) {
	return call[audit.Pruned](ctx, c, http.MethodPost, "/v1/trail/prune", r)
}

// RecordBackup puts a backup into the trail.
func (c *Client) RecordBackup(ctx context.Context, r BackupRequest) (Nothing, error) {
	return call[Nothing](ctx, c, http.MethodPost, "/v1/backups", r)
}

// Credentials lists what is configured.
func (c *Client) Credentials(ctx context.Context) ([]Credential, error) {
	return call[[]Credential](ctx, c, http.MethodGet, "/v1/credentials", nil)
}

// CheckCredential loads or mints a credential once.
func (c *Client) CheckCredential(ctx context.Context, name string) (CredentialCheck, error) {
	return call[CredentialCheck](ctx, c, http.MethodPost, "/v1/credentials/check", nameRequest{Name: name})
}

type nameRequest struct {
	Name string `json:"name"`
}

// problem is an error as it travels.
type problem struct {
	Kind  Kind   `json:"kind"`
	Error string `json:"error"`
	Hint  string `json:"hint,omitempty"`
}

func call[T any](ctx context.Context, c *Client, method, path string, body any) (T, error) {
	var answer T
	var sent io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return answer, fmt.Errorf("encode request: %w", err)
		}
		sent = bytes.NewReader(data)
	}
	// The name only satisfies HTTP; the transport dials the socket.
	req, err := http.NewRequestWithContext(ctx, method, "http://sallyport"+path, sent)
	if err != nil {
		return answer, fmt.Errorf("make request: %w", err)
	}
	if sent != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return answer, unanswered(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return answer, unanswered(err)
	}
	if resp.StatusCode != http.StatusOK {
		return answer, failure(resp.StatusCode, data)
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return answer, fmt.Errorf("read the server's answer: %w", err)
	}
	return answer, nil
}

func unanswered(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err // without the made-up URL
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, ErrNoServer) {
		return err
	}
	return &Error{
		Kind: Failed,
		Msg:  fmt.Sprintf("the running server does not answer: %v", err),
		Try:  "see the server's log; the change may or may not have been made",
	}
}

func failure(status int, data []byte) error {
	var p problem
	if err := json.Unmarshal(data, &p); err != nil || p.Error == "" {
		return &Error{Kind: Failed, Msg: fmt.Sprintf("the running server answers with status %d", status)}
	}
	return &Error{Kind: p.Kind, Msg: p.Error, Try: p.Hint}
}

// Page reads one of the server's status pages, such as /readyz, whatever its status.
func (c *Client) Page(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://sallyport"+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, unanswered(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, unanswered(err)
	}
	return data, nil
}
