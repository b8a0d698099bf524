package server

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"sallyport/admin"
	"sallyport/config"
	"sallyport/credentials"
	"sallyport/internal/host"
	"sallyport/proxy"
	"sallyport/proxy/upstream"
)

// newGeneration is a set of files as the proxy works with it.
func newGeneration(set *config.Set) (*proxy.Generation, error) {
	settings, err := newUpstream(set)
	if err != nil {
		return nil, err
	}
	return &proxy.Generation{
		Number:      set.Number,
		TrustDomain: set.Config.TrustDomain,
		Policies:    set.Policies,
		Credentials: set.Credentials,
		Owners:      set.Owners,
		Upstream:    settings,
		Limits:      proxy.Limits(set.Config.Limits),
		Services:    set.Services,
	}, nil
}

func newUpstream(set *config.Set) (*upstream.Settings, error) {
	u := &set.Config.Upstream
	var roots []upstream.RootSet
	for _, r := range u.Roots {
		certificates, err := parseCertificates(r.PEM)
		if err != nil {
			return nil, fmt.Errorf("upstream.roots: %s: %w", r.File, err)
		}
		roots = append(roots, upstream.RootSet{Certificates: certificates, Hosts: r.Hosts})
	}
	resolve := make(map[host.Authority]string, len(u.Resolve))
	for from, to := range u.Resolve {
		resolve[from] = to.String()
	}
	networks := make([]upstream.Network, 0, len(u.AllowNetworks))
	for _, n := range u.AllowNetworks {
		networks = append(networks, upstream.Network{Prefix: n.Prefix, Hosts: n.Hosts})
	}
	settings, err := upstream.NewSettings(roots, resolve, networks)
	if err != nil || u.Proxy == nil {
		return settings, err
	}
	parent := &upstream.Parent{Authority: u.Proxy.Authority, TLS: u.Proxy.TLS, Except: u.Proxy.Except}
	if u.Proxy.Credential != "" {
		parent.Authorize = authorizing(set.Credentials.Lookup(u.Proxy.Credential))
	}
	return settings.WithParent(parent), nil
}

// authorizing puts a credential where a proxy looks for it.
func authorizing(c *credentials.Credential) func(*http.Request) error {
	return func(connect *http.Request) error {
		injection, err := c.Retrieve(connect.Context(), credentials.Use{Request: connect})
		if err != nil {
			return err
		}
		if err := injection.Apply(connect); err != nil {
			return err
		}
		connect.Header["Proxy-Authorization"] = connect.Header["Authorization"]
		delete(connect.Header, "Authorization")
		return nil
	}
}

func parseCertificates(data []byte) ([]*x509.Certificate, error) {
	var der bytes.Buffer
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			return x509.ParseCertificates(der.Bytes())
		}
		der.Write(block.Bytes)
	}
}

// inForce is the configuration that decides: the files, and what the server has made of them.
type inForce struct {
	files       *config.Store
	generation  atomic.Pointer[proxy.Generation]
	certificate *listenerCertificate
	reloaded    chan struct{} // other files have come into force; holds one
	chronicle   chronicle
	log         *slog.Logger
	orphans     func(context.Context) (admin.Orphans, error)
	recheck     func() // cuts what the files that are now in force do not allow
}

// filesChanged is called when the files may have changed.
func (f *inForce) filesChanged(ctx context.Context) {
	_, _ = f.reload(ctx, "change", nil) // logged there
}

// reload puts the files in force if they are right, and says so, or what is
// wrong, once in the log. by is the local user who asked, if one did.
func (f *inForce) reload(ctx context.Context, source string, by *admin.Principal) (admin.Configuration, error) {
	r, err := f.files.Reload(func(set *config.Set) error {
		g, err := newGeneration(set)
		if err != nil {
			return err
		}
		present, err := f.certificate.prepare(set.Config)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if err := f.chronicle.recordConfiguration(ctx, set, source, by); err != nil {
			return err
		}
		present()
		f.generation.Store(g)
		return nil
	})
	switch {
	case err != nil && r.News:
		f.log.Error("configuration not loaded; the last good one stays in force", "source", source, "generation", r.Set.Number, "error", err)
	case r.Changed:
		f.recheck()
		select {
		case f.reloaded <- struct{}{}:
		default: // the last one was not taken yet, and stands for this one too
		}
		f.log.Info("configuration loaded", "source", source, "generation", r.Set.Number, "files", len(r.Set.Files))
		for _, w := range f.warnings(ctx, r.Set) {
			f.log.Warn("configuration", "warning", w)
		}
	case r.News:
		f.log.Info("configuration is again what is in force", "source", source, "generation", r.Set.Number)
	}
	if !r.Changed && (by != nil || err != nil && r.News) {
		f.chronicle.recordKept(ctx, r.Set.Number, source, by, err)
	}
	if err != nil {
		return admin.Configuration{}, &admin.Error{
			Kind: admin.Invalid, Msg: err.Error(),
			Try: fmt.Sprintf("generation %d stays in force until this is mended", r.Set.Number),
		}
	}
	return describeSet(r.Set, r.Changed, f.warnings(ctx, r.Set)), nil
}

// warnings are those of the files, and of the agents that they leave without an
// owner or a policy.
func (f *inForce) warnings(ctx context.Context, set *config.Set) []string {
	orphans, err := f.orphans(ctx)
	if err != nil {
		f.log.Warn("agents could not be looked at", "error", err)
	}
	return append(slices.Clone(set.Warnings), orphans.Warnings(set.Config.OwnersGrace)...)
}

func describeSet(set *config.Set, changed bool, warnings []string) admin.Configuration {
	c := admin.Configuration{
		Generation: set.Number, Changed: changed, Files: []admin.File{},
		Warnings: append([]string{}, warnings...),
	}
	for _, f := range set.Files {
		c.Files = append(c.Files, admin.File{Path: f.Path, SHA256: f.SHA256})
	}
	return c
}
