package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"sallyport/audit"
	"sallyport/credentials"
)

// checkTimeout bounds the loading or minting of one credential.
const checkTimeout = 20 * time.Second

// Reload parses all files and puts them in force if all are right.
func (s *Session) Reload(ctx context.Context) (Configuration, error) {
	if err := s.may(ctx, ActReload); err != nil {
		return Configuration{}, err
	}
	if s.service.Config.Reload == nil {
		return Configuration{}, fmt.Errorf("reload: %w", ErrNoServer)
	}
	return s.service.Config.Reload(ctx, s.principal)
}

// Credentials lists what is configured, by name.
func (s *Session) Credentials(ctx context.Context) ([]Credential, error) {
	if err := s.may(ctx, ActShowCredentials); err != nil {
		return nil, err
	}
	view := s.service.View()
	list := []Credential{}
	for _, name := range view.Credentials.Names() {
		c := view.Credentials.Lookup(name)
		one := Credential{
			Name: name, Kind: c.Kind(), Hosts: []string{}, Policies: view.policiesUsing(name),
			Owners: append([]string{}, c.Owners()...), RateLimits: s.service.rateLimits(c),
		}
		for _, h := range c.Hosts() {
			one.Hosts = append(one.Hosts, h.String())
		}
		list = append(list, one)
	}
	return list, nil
}

// rateLimits lists how the credential's installations stand, by owner and budget.
func (s *Service) rateLimits(c *credentials.Credential) []RateLimit {
	list := []RateLimit{}
	if s.RateLimits == nil {
		return list
	}
	for account, standings := range s.RateLimits(c.Has) {
		for _, standing := range standings {
			one := RateLimit{Server: account.Server, Installation: account.Installation, Owner: account.Owner, Agents: standing.Agents}
			if standing.Resource != "" {
				reset := standing.Reset.UTC()
				one.Resource, one.Limit, one.Remaining, one.ResetAt = &standing.Resource, &standing.Limit, &standing.Remaining, &reset
			}
			if !standing.Until.IsZero() {
				until := standing.Until.UTC()
				one.RetryAfter = &until
			}
			list = append(list, one)
		}
	}
	slices.SortFunc(list, func(a, b RateLimit) int {
		return cmp.Or(strings.Compare(a.Owner, b.Owner), cmp.Compare(a.Installation, b.Installation), strings.Compare(text(a.Resource), text(b.Resource)))
	})
	return list
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func (v View) policiesUsing(credential string) []string {
	names := []string{}
	for _, name := range slices.Sorted(maps.Keys(v.Policies)) {
		for _, use := range v.Policies[name].CredentialUses() {
			if use.Credential == credential {
				names = append(names, name)
				break
			}
		}
	}
	return names
}

// region is that of the first AWS credential that the policy uses, "" if it uses none.
func (v View) region(policy string) string {
	p, found := v.Policies[policy]
	if !found {
		return ""
	}
	for _, use := range p.CredentialUses() {
		if region := v.Credentials.Lookup(use.Credential).Region(); region != "" {
			return region
		}
	}
	return ""
}

// variables are those that the credentials which the policy uses ask for.
func (v View) variables(policy string) []string {
	p, found := v.Policies[policy]
	if !found {
		return nil
	}
	var names []string
	for _, use := range p.CredentialUses() {
		names = append(names, v.Credentials.Lookup(use.Credential).Variables()...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// CheckCredential loads or mints a credential once and says whether it works;
// that it does not is an answer, not an error.
func (s *Session) CheckCredential(ctx context.Context, name string) (CredentialCheck, error) {
	if err := s.may(ctx, ActCheckCredential); err != nil {
		return CredentialCheck{}, err
	}
	view := s.service.View()
	c := view.Credentials.Lookup(name)
	if c == nil {
		return CredentialCheck{}, UnknownName("credential", name, view.Credentials.Names(), "credentials.yaml has none in force")
	}
	check := CredentialCheck{Name: name, Kind: c.Kind()}
	payload := map[string]any{"credential": name, "kind": c.Kind()}
	// To mint is to send a request, so the trail is told before.
	if err := s.record(ctx, audit.TypeCredentialChecked, payload); err != nil {
		return CredentialCheck{}, err
	}
	injection, err := s.service.try(ctx, c)
	if err != nil {
		check.Error = optional(explain(err))
		return check, nil
	}
	check.OK, check.Fingerprint = true, optional(injection.Fingerprint())
	return check, nil
}

// explain adds what a command said of its failure: to the operator, who asked, and to
// nothing that is kept.
func explain(err error) string {
	command, ok := errors.AsType[*credentials.CommandError](err)
	if !ok || command.Said() == "" {
		return err.Error()
	}
	return err.Error() + "; it said: " + command.Said()
}

func (s *Service) try(ctx context.Context, c *credentials.Credential) (*credentials.Injection, error) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	var via http.RoundTripper
	if s.Errand != nil {
		via = s.Errand(c.Name())
	}
	return c.Check(ctx, via)
}
