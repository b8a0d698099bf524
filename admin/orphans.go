package admin

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"sallyport/audit"
	"sallyport/identity"
)

// Orphans are live agents that the files leave without an owner or a policy.
type Orphans struct {
	byOwner, byPolicy map[string][]Agent
}

// FindOrphans looks for agents whose owner or policy the view does not have. Revoked and
// expired agents are left out, for they can do nothing any more.
func FindOrphans(view View, agents []Agent) Orphans {
	o := Orphans{byOwner: map[string][]Agent{}, byPolicy: map[string][]Agent{}}
	for _, a := range agents {
		if a.Status != string(identity.Active) && a.Status != string(identity.Suspended) {
			continue
		}
		if !view.Owners.Has(a.Owner) {
			o.byOwner[a.Owner] = append(o.byOwner[a.Owner], a)
		}
		if _, ok := view.Policies[a.Policy]; !ok {
			o.byPolicy[a.Policy] = append(o.byPolicy[a.Policy], a)
		}
	}
	return o
}

// Warnings say what becomes of them, in sentences; grace is how long an agent
// goes on without its owner.
func (o Orphans) Warnings(grace time.Duration) []string {
	var all []string
	for _, owner := range slices.Sorted(maps.Keys(o.byOwner)) {
		all = append(all, fmt.Sprintf("owners.yaml: %s is not there and owns %s; what is active is suspended %s after the owner went: put the owner back, or revoke the agents",
			owner, countAgents(o.byOwner[owner]), grace))
	}
	for _, policy := range slices.Sorted(maps.Keys(o.byPolicy)) {
		are := "are"
		if len(o.byPolicy[policy]) == 1 {
			are = "is"
		}
		all = append(all, fmt.Sprintf("policies: %s.yaml is not there and is the policy of %s, which %s denied everything: put it back, or revoke the agents",
			policy, countAgents(o.byPolicy[policy]), are))
	}
	return all
}

// Err is the same in one line, nil if there are none.
func (o Orphans) Err(grace time.Duration) error {
	if all := o.Warnings(grace); len(all) > 0 {
		return errors.New(strings.Join(all, "; "))
	}
	return nil
}

func countAgents(agents []Agent) string {
	const shown = 5
	var names []string
	for _, a := range agents[:min(len(agents), shown)] {
		names = append(names, a.Name)
	}
	if len(agents) > shown {
		names = append(names, "...")
	}
	noun := "live agents"
	if len(agents) == 1 {
		noun = "live agent"
	}
	return fmt.Sprintf("%d %s (%s)", len(agents), noun, strings.Join(names, ", "))
}

// Orphans are those of the configuration in force.
func (s *Session) Orphans(ctx context.Context) (Orphans, error) {
	agents, err := s.Agents(ctx)
	if err != nil {
		return Orphans{}, err
	}
	return FindOrphans(s.service.View(), agents), nil
}

// SuspendOrphans notes which owners are missing, tells the trail when one goes or
// comes back, and suspends the agents of those that have been gone for longer than
// grace. The answer is when to ask again, the zero time for not before the files or
// the agents change. It is safe to repeat: what failed is tried again.
func (s *Session) SuspendOrphans(ctx context.Context, grace time.Duration) (next time.Time, err error) {
	orphans, err := s.Orphans(ctx)
	if err != nil {
		return next, err
	}
	owners := slices.Sorted(maps.Keys(orphans.byOwner))
	missing, err := s.service.Registry.Missing(ctx, owners)
	if err != nil {
		return next, err
	}
	// First the trail, then the registry: after a crash between the two the event is written
	// a second time, where the other order could leave it out.
	if err := s.recordMissing(ctx, orphans, missing, grace); err != nil {
		return next, err
	}
	if missing, err = s.service.Registry.NoteMissing(ctx, owners); err != nil {
		return next, err
	}
	var errs []error
	for owner, since := range missing.Since {
		end := since.Add(grace)
		if s.service.Now().Before(end) {
			if next.IsZero() || end.Before(next) {
				next = end
			}
			continue
		}
		errs = append(errs, s.suspendOwned(ctx, orphans.byOwner[owner], since))
	}
	return next, errors.Join(errs...)
}

func (s *Session) recordMissing(ctx context.Context, orphans Orphans, m identity.Missing, grace time.Duration) error {
	const listed = 100
	for _, owner := range m.Left {
		agents := orphans.byOwner[owner]
		ids := []any{}
		for _, a := range agents[:min(len(agents), listed)] {
			ids = append(ids, a.ID.String())
		}
		payload := map[string]any{"owner": owner, "agents": ids, "agents_total": int64(len(agents)), "suspended_at": stamp(m.Since[owner].Add(grace))}
		if accountable := s.service.View().Owners.Accountable(owner, s.service.Now()); accountable != "" {
			payload["accountable"] = accountable
		}
		if err := s.record(ctx, audit.TypeOwnerMissing, payload); err != nil {
			return err
		}
	}
	for _, owner := range m.Returned {
		if err := s.record(ctx, audit.TypeOwnerReturned, map[string]any{"owner": owner}); err != nil {
			return err
		}
	}
	return nil
}

func (s *Session) suspendOwned(ctx context.Context, agents []Agent, since time.Time) error {
	var errs []error
	for _, a := range agents {
		if a.Status != string(identity.Active) {
			continue
		}
		reason := fmt.Sprintf("its owner %s has been missing from owners.yaml since %s", a.Owner, since.UTC().Format(time.RFC3339))
		_, err := s.SuspendAgent(ctx, StatusRequest{ID: a.ID.String(), Reason: reason})
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// owned refuses what would keep an agent alive for which nobody answers, or which
// no policy bounds.
func (v View) owned(a identity.Agent) error {
	if err := v.checkOwner(a.Owner); err != nil {
		return &Error{Kind: Conflict, Msg: fmt.Sprintf("agent %s: its owner %s is not in owners.yaml", a.ID, a.Owner), Try: "put the owner back, or create a new agent that somebody answers for"}
	}
	if err := v.checkPolicy(a.Policy); err != nil {
		return &Error{Kind: Conflict, Msg: fmt.Sprintf("agent %s: there is no policy %q any more", a.ID, a.Policy), Try: "put policies/" + a.Policy + ".yaml back, or create a new agent under another one"}
	}
	return nil
}
