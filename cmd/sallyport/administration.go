package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"sallyport/admin"
	"sallyport/audit"
)

// administration is what commands change agents through: the running server,
// or the stores themselves when none runs.
type administration interface {
	CreateAgent(ctx context.Context, r admin.CreateRequest) (admin.Enrolment, error)
	RenewAgent(ctx context.Context, r admin.RenewRequest) (admin.Enrolment, error)
	Agents(ctx context.Context) ([]admin.Agent, error)
	Agent(ctx context.Context, id string) (admin.AgentDetail, error)
	SuspendAgent(ctx context.Context, r admin.StatusRequest) (admin.Agent, error)
	ResumeAgent(ctx context.Context, r admin.StatusRequest) (admin.Agent, error)
	RevokeAgent(ctx context.Context, r admin.StatusRequest) (admin.Agent, error)
	RevokeCertificate(ctx context.Context, r admin.CertificateRequest) (admin.RevokedCertificates, error)
	Credentials(ctx context.Context) ([]admin.Credential, error)
	CheckCredential(ctx context.Context, name string) (admin.CredentialCheck, error)
	PruneTrail(ctx context.Context, r admin.PruneRequest) (audit.Pruned, error)
	RecordBackup(ctx context.Context, r admin.BackupRequest) (admin.Nothing, error)
}

// patience is how long a command waits for a process that holds the lock and
// does not listen: a server that starts, or another command about to end.
const (
	patience = 5 * time.Second
	lookAway = 20 * time.Millisecond
)

// administer calls do with the running server or with the stores.
func (a *app) administer(ctx context.Context, do func(administration) error) error {
	deadline := time.Now().Add(patience)
	for {
		client, err := a.connect(ctx)
		if err == nil {
			defer client.Close()
			return do(client)
		}
		if !errors.Is(err, admin.ErrNoServer) {
			return err
		}
		err = a.direct(ctx, do)
		if !errors.Is(err, admin.ErrLocked) {
			return err
		}
		if time.Now().After(deadline) {
			return withHint(fmt.Errorf("another sallyport process holds %s but does not answer on its socket", a.home),
				"wait until it has started or stopped, and see its log")
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(lookAway):
		}
	}
}

// connect reaches the running server; the error is admin.ErrNoServer if there
// is none.
func (a *app) connect(ctx context.Context) (*admin.Client, error) {
	l, err := a.layout()
	if err != nil {
		return nil, err
	}
	// In a folder that others may write to, the socket could be anybody's.
	if _, err := os.Lstat(l.State()); err == nil {
		if err := l.CheckState(); err != nil {
			return nil, err
		}
	}
	return admin.Dial(ctx, l.Socket())
}

// direct opens the stores for one command. What the stores log is of no
// interest to the person who typed it, except when something is wrong.
func (a *app) direct(ctx context.Context, do func(administration) error) error {
	log := slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	s, err := openStores(ctx, a, log)
	if err != nil {
		return err
	}
	service := admin.NewService(admin.Config{
		Registry: s.registry, Trail: s.trail, AgentCA: s.agentCA, InterceptionCA: s.interceptionCA,
		View: s.view, Now: a.now, Prune: s.trail.Prune,
		Proxy: func() string { return s.files.Current().Config.KnownAddress() },
	})
	return errors.Join(do(service.As(admin.Self())), s.close(context.WithoutCancel(ctx)))
}
