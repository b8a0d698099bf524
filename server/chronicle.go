package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"sallyport/admin"
	"sallyport/audit"
	"sallyport/audit/trail"
	"sallyport/config"
)

// chronicle is what the trail says of a server: when it began and ended, with which
// authorities, and which files were in force.
type chronicle struct {
	trail  *trail.Writer
	layout config.Layout
	log    *slog.Logger
}

// lastEnd says how the server before this one ended: by "stop" or by "crash", or there was
// none ("").
func (c chronicle) lastEnd(ctx context.Context) (string, error) {
	r, err := trail.OpenReader(c.layout.Trail())
	if err != nil {
		return "", err
	}
	last, err := r.Last(ctx, audit.TypeServerStarted, audit.TypeServerStopped)
	err = errors.Join(err, r.Close())
	switch {
	case errors.Is(err, audit.ErrNotFound):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("look for the last stop in the audit trail: %w", err)
	case last.Type == audit.TypeServerStarted:
		c.log.Warn("the server before this one did not stop in order", "started", last.At)
		return "crash", nil
	}
	return "stop", nil
}

// recordStart puts into the trail who started the server and with which authorities.
func (c chronicle) recordStart(ctx context.Context, started, authorities map[string]any) error {
	before, err := c.lastAuthorities(ctx)
	if err != nil {
		return err
	}
	maps.Copy(started, admin.Itself().Payload())
	started["authorities"] = authorities
	if err := c.trail.Record(ctx, audit.Event{Type: audit.TypeServerStarted, Payload: started}); err != nil {
		return fmt.Errorf("record the start in the audit trail: %w", err)
	}
	return c.recordAuthorities(ctx, before, authorities)
}

// recordAuthorities puts into the trail which authority is not the one that the start
// before said.
func (c chronicle) recordAuthorities(ctx context.Context, before, now map[string]any) error {
	for _, name := range []string{"agent", "interception"} {
		was, _ := before[name].(string)
		if was == "" || was == now[name] {
			continue
		}
		c.log.Warn("an authority is another than at the last start", "authority", name, "was", was, "is", now[name])
		event := audit.Event{Type: audit.TypeAuthorityChanged, Payload: map[string]any{"authority": name, "was": was, "is": now[name]}}
		if err := c.trail.Record(ctx, event); err != nil {
			return fmt.Errorf("record a changed authority in the audit trail: %w", err)
		}
	}
	return nil
}

// lastAuthorities are the fingerprints that the last start recorded.
func (c chronicle) lastAuthorities(ctx context.Context) (map[string]any, error) {
	r, err := trail.OpenReader(c.layout.Trail())
	if err != nil {
		return nil, err
	}
	last, err := r.Last(ctx, audit.TypeServerStarted)
	err = errors.Join(err, r.Close())
	switch {
	case errors.Is(err, audit.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("look for the last start in the audit trail: %w", err)
	}
	before, _ := last.Payload["authorities"].(map[string]any)
	return before, nil
}

// recordKept puts into the trail that files were not put in force, because they are wrong or
// have not changed, and who asked. A failure is only logged, for nothing has changed.
func (c chronicle) recordKept(ctx context.Context, generation uint64, source string, by *admin.Principal, why error) {
	payload := map[string]any{"generation": generation, "source": source}
	if by != nil {
		maps.Copy(payload, by.Payload())
	}
	if why != nil {
		payload["error"] = audit.Cut(why.Error())
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := c.trail.Record(ctx, audit.Event{Type: audit.TypeConfigurationKept, Payload: payload}); err != nil {
		c.log.Warn("event not recorded", "type", audit.TypeConfigurationKept, "error", err)
	}
}

// recordConfiguration puts into the trail which files are about to decide, and
// what they say, so that any row can be explained later by the policy that
// decided it.
func (c chronicle) recordConfiguration(ctx context.Context, set *config.Set, source string, by *admin.Principal) error {
	files := map[string]any{}
	for _, f := range set.Files {
		if err := c.trail.StoreDocument(ctx, f.SHA256, []byte(f.Text)); err != nil {
			return fmt.Errorf("keep %s in the audit trail: %w", f.Path, err)
		}
		files[f.Path] = f.SHA256
	}
	payload := map[string]any{"generation": int64(set.Number), "source": source, "files": files}
	if len(files) > filesAtOnce {
		if err := c.recordFiles(ctx, set.Number, files); err != nil {
			return err
		}
		delete(payload, "files")
		payload["files_total"] = len(files)
	}
	if by != nil {
		maps.Copy(payload, by.Payload())
	}
	if commit, ok := set.Commit(ctx, c.layout); ok {
		payload["git"] = describeCommit(commit)
	}
	if err := c.trail.Record(ctx, audit.Event{Type: audit.TypeConfigurationLoaded, Payload: payload}); err != nil {
		return fmt.Errorf("record the configuration in the audit trail: %w", err)
	}
	return nil
}

// describeCommit is what an event says of the commit that HOME is a checkout of. The author is
// named only if the files are exactly the commit's: nobody has committed what differs.
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

// filesAtOnce is how many files an event names: their paths may be long, and it has 64 KiB.
const filesAtOnce = 200

// recordFiles puts files into the trail, so many in an event.
func (c chronicle) recordFiles(ctx context.Context, generation uint64, files map[string]any) error {
	for paths := range slices.Chunk(slices.Sorted(maps.Keys(files)), filesAtOnce) {
		part := make(map[string]any, len(paths))
		for _, path := range paths {
			part[path] = files[path]
		}
		event := audit.Event{Type: audit.TypeConfigurationFiles, Payload: map[string]any{"generation": int64(generation), "files": part}}
		if err := c.trail.Record(ctx, event); err != nil {
			return fmt.Errorf("record the configuration in the audit trail: %w", err)
		}
	}
	return nil
}
