package identity

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"sallyport/identity/owners"
)

// Status is what people decided about an agent. That its time has run out is
// not a status but derived, see [Agent.State].
type Status string

// The statuses. Active and Suspended alternate; Revoked is final.
const (
	Active    Status = "active"
	Suspended Status = "suspended"
	Revoked   Status = "revoked"
)

// Expired is the [Agent.State] of an agent whose time has run out.
const Expired = "expired"

// Agent is one calling workload. Nothing of it but ID is in its certificate,
// so that a change of policy or owner applies at once.
type Agent struct {
	ID     uuid.UUID
	Name   string // for people; not unique
	Policy string
	Owner  string // "person:NAME" or "team:NAME"
	Status Status
	Reason string // why it is suspended or revoked; empty when active

	CreatedAt time.Time
	ExpiresAt time.Time
	ChangedAt time.Time // of Status, Reason or ExpiresAt
}

// State says what an agent is at a moment: "active", "suspended", "revoked" or
// "expired". Only "active" may act. In this order:
//
//  1. revoked, and whatever is neither of the three statuses (the zero Agent)
//  2. expired, so that resuming is never thought to be enough
//  3. suspended or active
func (a Agent) State(now time.Time) string {
	switch {
	case a.Status != Active && a.Status != Suspended:
		return string(Revoked)
	case !now.Before(a.ExpiresAt):
		return Expired
	}
	return string(a.Status)
}

// Certificate is what the registry knows of a certificate issued to an agent. The
// certificate itself is not kept.
type Certificate struct {
	Serial     string // lower-case hexadecimal without leading zeros
	Agent      uuid.UUID
	NotAfter   time.Time
	Generation int // counts an agent's certificates from 1; assigned by the registry
	Revoked    bool
	Key        string // fingerprint of its key; "" where the key was made with the certificate
	Parent     int    // generation of the certificate that it renewed; 0 for none; assigned by the registry

	used bool // as the database has it, see Registry.Used
}

// Limits of what people type. They keep a row, and every event that quotes
// it, small.
const (
	maxReasonLength = 1024
)

// checkNew says what keeps a from being registered at now.
func checkNew(a Agent, now time.Time) error {
	var errs []error
	if err := owners.CheckName(a.Name); err != nil {
		errs = append(errs, fmt.Errorf("name %w", err))
	} else if _, err := uuid.Parse(a.Name); err == nil {
		errs = append(errs, fmt.Errorf("name %q could be taken for an agent's id; choose one that is not a UUID", a.Name))
	}
	if err := owners.CheckName(a.Policy); err != nil {
		errs = append(errs, fmt.Errorf("policy %w", err))
	}
	if err := owners.CheckRef(a.Owner); err != nil {
		errs = append(errs, err)
	}
	if a.Status != Active {
		errs = append(errs, fmt.Errorf("status %q: a new agent is active", a.Status))
	}
	if a.Reason != "" {
		errs = append(errs, errors.New("reason: a new agent has none"))
	}
	if err := checkExpiry(a.ExpiresAt, now); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// checkExpiry demands an expiry: an agent that nobody renews must end. Year
// 9999 is the last that a certificate can state (RFC 5280, 4.1.2.5).
func checkExpiry(t, now time.Time) error {
	switch {
	case !t.After(now):
		return fmt.Errorf("expiry %s is not in the future", formatTime(t))
	case t.UTC().Year() > 9999:
		return errors.New("expiry is later than the year 9999")
	}
	return nil
}

func checkReason(s string) error {
	switch {
	case len(s) > maxReasonLength:
		return fmt.Errorf("reason is longer than %d bytes", maxReasonLength)
	case !utf8.ValidString(s):
		return errors.New("reason is not UTF-8 text")
	case strings.ContainsFunc(s, unicode.IsControl):
		return errors.New("reason holds a control character; write it on one line")
	}
	return nil
}

func formatTime(t time.Time) string { return t.UTC().Format(time.RFC3339) }
