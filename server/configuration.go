package server

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"maps"
	"slices"
	"time"

	"sallyport/admin"
	"sallyport/audit"
	"sallyport/config"
	"sallyport/internal/host"
	"sallyport/proxy"
)

// newGeneration is a set of files as the proxy works with it.
func newGeneration(set *config.Set) (*proxy.Generation, error) {
	upstream, err := newUpstream(&set.Config.Upstream)
	if err != nil {
		return nil, err
	}
	return &proxy.Generation{
		Number:      set.Number,
		TrustDomain: set.Config.TrustDomain,
		Policies:    set.Policies,
		Credentials: set.Credentials,
		Owners:      set.Owners,
		Upstream:    upstream,
		Limits:      proxy.Limits(set.Config.Limits),
	}, nil
}

func newUpstream(u *config.Upstream) (*proxy.Upstream, error) {
	var roots []proxy.RootSet
	for _, r := range u.Roots {
		certificates, err := parseCertificates(r.PEM)
		if err != nil {
			return nil, fmt.Errorf("upstream.roots: %s: %w", r.File, err)
		}
		roots = append(roots, proxy.RootSet{Certificates: certificates, Hosts: r.Hosts})
	}
	resolve := make(map[host.Authority]string, len(u.Resolve))
	for from, to := range u.Resolve {
		resolve[from] = to.String()
	}
	networks := make([]proxy.Network, 0, len(u.AllowNetworks))
	for _, n := range u.AllowNetworks {
		networks = append(networks, proxy.Network{Prefix: n.Prefix, Hosts: n.Hosts})
	}
	return proxy.NewUpstream(roots, resolve, networks)
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

// filesChanged is called when the files may have changed.
func (s *server) filesChanged(ctx context.Context) {
	_, _ = s.reload(ctx, "change", nil) // logged there
}

// reload puts the files in force if they are right, and says so, or what is
// wrong, once in the log. by is the local user who asked, if one did.
func (s *server) reload(ctx context.Context, source string, by *admin.Caller) (admin.Configuration, error) {
	r, err := s.files.Reload(func(set *config.Set) error {
		g, err := newGeneration(set)
		if err != nil {
			return err
		}
		present, err := s.certificate.prepare(set.Config)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if err := s.recordConfiguration(ctx, set, source, by); err != nil {
			return err
		}
		present()
		s.generation.Store(g)
		return nil
	})
	switch {
	case err != nil && r.News:
		s.log.Error("configuration not loaded; the last good one stays in force", "source", source, "generation", r.Set.Number, "error", err)
	case r.Changed:
		s.proxy.Recheck()
		select {
		case s.reloaded <- struct{}{}:
		default: // it was not looked at yet, and will be
		}
		s.log.Info("configuration loaded", "source", source, "generation", r.Set.Number, "files", len(r.Set.Files))
		for _, w := range s.warnings(ctx, r.Set) {
			s.log.Warn("configuration", "warning", w)
		}
	case r.News:
		s.log.Info("configuration is again what is in force", "source", source, "generation", r.Set.Number)
	}
	if !r.Changed && (by != nil || err != nil && r.News) {
		s.recordKept(ctx, r.Set.Number, source, by, err)
	}
	if err != nil {
		return admin.Configuration{}, &admin.Error{
			Kind: admin.Invalid, Msg: err.Error(),
			Try: fmt.Sprintf("generation %d stays in force until this is mended", r.Set.Number),
		}
	}
	return describeSet(r.Set, r.Changed, s.warnings(ctx, r.Set)), nil
}

// warnings are those of the files, and of the agents that they leave without an
// owner or a policy.
func (s *server) warnings(ctx context.Context, set *config.Set) []string {
	orphans, err := s.session.Orphans(ctx)
	if err != nil {
		s.log.Warn("agents could not be looked at", "error", err)
	}
	return append(slices.Clone(set.Warnings), orphans.Warnings(set.Config.OwnersGrace)...)
}

// recordKept puts into the trail that files were not put in force, because they
// are wrong or have not changed, and who asked. What is in force does not depend
// on it.
func (s *server) recordKept(ctx context.Context, generation uint64, source string, by *admin.Caller, why error) {
	payload := map[string]any{"generation": generation, "source": source}
	if by != nil {
		maps.Copy(payload, by.Payload())
	}
	if why != nil {
		payload["error"] = audit.Cut(why.Error())
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := s.trail.Record(ctx, audit.Event{Type: "configuration.kept", Payload: payload}); err != nil {
		s.log.Warn("event not recorded", "type", "configuration.kept", "error", err)
	}
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

// recordConfiguration puts into the trail which files are about to decide, and
// what they say, so that any row can be explained later by the policy that
// decided it.
func (s *server) recordConfiguration(ctx context.Context, set *config.Set, source string, by *admin.Caller) error {
	files := map[string]any{}
	for _, f := range set.Files {
		if err := s.trail.StoreDocument(ctx, f.SHA256, []byte(f.Text)); err != nil {
			return fmt.Errorf("keep %s in the audit trail: %w", f.Path, err)
		}
		files[f.Path] = f.SHA256
	}
	payload := map[string]any{"generation": int64(set.Number), "source": source, "files": files}
	if len(files) > filesAtOnce {
		if err := s.recordFiles(ctx, set.Number, files); err != nil {
			return err
		}
		delete(payload, "files")
		payload["files_total"] = len(files)
	}
	if by != nil {
		maps.Copy(payload, by.Payload())
	}
	if c, ok := set.Commit(ctx, s.layout); ok {
		payload["git"] = describeCommit(c)
	}
	if err := s.trail.Record(ctx, audit.Event{Type: EventLoaded, Payload: payload}); err != nil {
		return fmt.Errorf("record the configuration in the audit trail: %w", err)
	}
	return nil
}

// describeCommit is what an event says of the commit that files are of; one that they are
// not of as a whole names nobody.
func describeCommit(c config.Commit) map[string]any {
	const shown = 20
	m := map[string]any{"commit": c.ID, "clean": len(c.Changed) == 0}
	if len(c.Changed) == 0 {
		m["author"] = audit.Cut(c.Author)
		return m
	}
	m["changed"] = c.Changed[:min(len(c.Changed), shown)]
	return m
}

// The events of what is in force, and of files that are too many for the first.
const (
	EventLoaded = "configuration.loaded"
	EventFiles  = "configuration.files"
)

// filesAtOnce is how many files an event names: their paths may be long, and it has 64 KiB.
const filesAtOnce = 200

// recordFiles puts files into the trail, so many in an event.
func (s *server) recordFiles(ctx context.Context, generation uint64, files map[string]any) error {
	for paths := range slices.Chunk(slices.Sorted(maps.Keys(files)), filesAtOnce) {
		part := make(map[string]any, len(paths))
		for _, path := range paths {
			part[path] = files[path]
		}
		event := audit.Event{Type: EventFiles, Payload: map[string]any{"generation": int64(generation), "files": part}}
		if err := s.trail.Record(ctx, event); err != nil {
			return fmt.Errorf("record the configuration in the audit trail: %w", err)
		}
	}
	return nil
}
