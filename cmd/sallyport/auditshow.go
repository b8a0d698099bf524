package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"sallyport/audit"
	"sallyport/audit/trail"
	"sallyport/config"
	"sallyport/internal/hint"
)

func newAuditShowCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "show ID",
		Short: "Tell the whole story of one exchange",
		Long: `Tells one exchange by its id, which every refusal carries in its ` + "`exchange`" + ` field: who
asked, on whose responsibility, which rule in which policy text decided, with which
credential, what came back, how long it took, and where it stands in the log.`,
		Example: "  sallyport audit show 0198c0de-7b5a-7c3e-9f1a-2b3c4d5e6f70",
		Args:    oneArg("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := uuid.Parse(args[0])
			if err != nil {
				return usagef("%q is not the id of an exchange, which is a UUID", args[0])
			}
			return a.readTrail(func(r *trail.Reader) error {
				s, err := readStory(cmd.Context(), a, r, id)
				if err != nil {
					return err
				}
				if a.json() {
					return writeStory(a, s)
				}
				return tellStory(a, s)
			})
		},
	}
}

// story is one exchange with all that explains it.
type story struct {
	exchange audit.Exchange
	events   []audit.EventRow
	// rule is the text of the rule that decided, as the policy had it then;
	// whole is set if the trail keeps that policy.
	rule  string
	whole bool
	// checkpoint is the first that covers all of the exchange; nil: none yet.
	checkpoint *audit.SignedCheckpoint
}

// showExchange is Reader.Show, and says so if retention may have removed the exchange: its
// id tells when it began (RFC 9562 section 5.7).
func showExchange(ctx context.Context, a *app, r *trail.Reader, id uuid.UUID) (audit.Exchange, []audit.EventRow, error) {
	x, events, err := r.Show(ctx, id)
	if !errors.Is(err, audit.ErrNotFound) || id.Version() != 7 {
		return x, events, err
	}
	pruned, lastErr := r.Last(ctx, audit.TypeTrailPruned)
	if lastErr != nil {
		return x, events, err
	}
	text, _ := pruned.Payload["before"].(string)
	before, parseErr := time.Parse(time.RFC3339, text)
	if began := time.Unix(id.Time().UnixTime()); parseErr != nil || !began.Before(before) {
		return x, events, err
	}
	return x, events, hint.With(err, "retention has removed what was over before %s (event %d); of an exchange from then only the hashes are left, unless it was archived",
		a.moment(before), pruned.Seq)
}

func readStory(ctx context.Context, a *app, r *trail.Reader, id uuid.UUID) (*story, error) {
	x, events, err := showExchange(ctx, a, r, id)
	if err != nil {
		return nil, err
	}
	s := &story{exchange: x, events: events}
	if x.PolicyHash != "" {
		text, err := r.Document(ctx, x.PolicyHash)
		if err != nil && !errors.Is(err, audit.ErrNoDocument) {
			return nil, err
		}
		s.whole, s.rule = err == nil, config.RuleText(text, x.Rule)
	}
	c, err := r.Covering(ctx, max(x.Seq, x.OutcomeSeq))
	switch {
	case err == nil:
		s.checkpoint = &c
	case !errors.Is(err, audit.ErrNoCheckpoint):
		return nil, err
	}
	return s, nil
}

// writeStory adds to the exchange's own keys.
func writeStory(a *app, s *story) error {
	more := map[string]any{"events": append([]audit.EventRow{}, s.events...), "rule_text": nil, "checkpoint": nil}
	if s.rule != "" {
		more["rule_text"] = s.rule
	}
	if c := s.checkpoint; c != nil {
		more["checkpoint"] = map[string]any{"size": c.Size, "at": c.At}
	}
	rest, err := json.Marshal(more)
	if err != nil {
		return fmt.Errorf("encode events: %w", err)
	}
	data := s.exchange.AppendJSON(nil)
	return writeJSON(a.stdout, json.RawMessage(string(data[:len(data)-1])+","+string(rest[1:])))
}

func tellStory(a *app, s *story) error {
	x := &s.exchange
	if err := fields(a.stdout, storyFields(a, s)...); err != nil {
		return err
	}
	if s.rule != "" {
		fmt.Fprintf(a.stdout, "\nThe rule, as policy %s had it then:\n", printable(x.Policy))
		for line := range strings.Lines(s.rule) {
			fmt.Fprintf(a.stdout, "  %s\n", printable(strings.TrimRight(line, "\r\n")))
		}
	}
	fmt.Fprintln(a.stdout)
	return printEvents(a, s.events)
}

func storyFields(a *app, s *story) []string {
	x := &s.exchange
	var pairs []string
	say := func(name, value string) {
		if value != "" {
			pairs = append(pairs, name, value)
		}
	}
	say("exchange", x.ID.String())
	say("started", a.moment(x.StartedAt))
	say("ended", a.moment(x.Outcome.EndedAt))
	say("agent", agentOf(x))
	say("owner", x.Owner)
	say("accountable", x.Accountable)
	say("certificate", x.CertSerial)
	say("from", x.ClientAddr)
	say("by server", x.Instance)
	say("request", requestLine(x)+versionOf(x.HTTPVersion))
	say("operation", x.Operation)
	say("resource", x.Resource)
	say("decision", decisionOf(x))
	say("policy text", s.policyText())
	say("credential", with(x.Credential, "fingerprint", x.CredentialFingerprint))
	say("refused", refusalOf(x))
	say("outcome", outcomeOf(x))
	say("answered by", with(x.Outcome.UpstreamAddr, "request id", x.Outcome.UpstreamRequestID))
	if x.Ended && x.Outcome.BytesSent >= 0 {
		say("body bytes", fmt.Sprintf("%d sent, %d received", x.Outcome.BytesSent, x.Outcome.BytesReceived))
	}
	say("error", x.Outcome.Error)
	say("timings", timingsOf(x))
	say("details", detailsOf(x))
	x.EachField(func(name string, value []byte) {
		if !toldBefore(name) {
			say(strings.ReplaceAll(name, "_", " "), plain(value))
		}
	})
	say("evidence", s.position(a))
	return pairs
}

// toldBefore reports whether storyFields has words of its own for a field.
func toldBefore(name string) bool {
	return slices.Contains([]string{
		"id", "seq", "started_at", "ended_at", "instance", "agent", "agent_name", "owner", "accountable", "policy", "policy_hash", "rule",
		"decision", "refusal", "method", "scheme", "host", "port", "path", "operation", "resource", "credential", "credential_fingerprint",
		"cert_serial", "client_addr", "upstream_addr", "http_version", "status", "outcome", "bytes_sent", "bytes_received",
		"upstream_request_id", "timings", "details", "error",
	}, name)
}

func agentOf(x *audit.Exchange) string {
	if x.Agent == uuid.Nil {
		return "none that is known"
	}
	return strings.TrimSpace(x.AgentName + " (" + x.Agent.String() + ")")
}

func versionOf(version string) string {
	if version == "" {
		return ""
	}
	return " (HTTP/" + version + ")"
}

func with(value, name, more string) string {
	if value == "" || more == "" {
		return value
	}
	return value + ", " + name + " " + more
}

func decisionOf(x *audit.Exchange) string {
	switch {
	case x.Decision == "":
		return "none: policy was not asked"
	case x.Rule == "":
		return x.Decision + ": no rule of policy " + x.Policy + " allows it"
	}
	return x.Decision + " by rule " + x.Rule + " of policy " + x.Policy
}

func (s *story) policyText() string {
	switch hash := s.exchange.PolicyHash; {
	case hash == "":
		return ""
	case !s.whole:
		return "sha256 " + hash + ", not kept in the trail"
	default:
		return "sha256 " + hash + ", kept in the trail"
	}
}

func outcomeOf(x *audit.Exchange) string {
	switch {
	case !x.Ended:
		return "open"
	case x.Outcome.Status == 0:
		return x.Outcome.Outcome
	}
	return x.Outcome.Outcome + " with status " + strconv.Itoa(x.Outcome.Status)
}

func timingsOf(x *audit.Exchange) string {
	var known []string
	t := x.Outcome.Timings
	for _, one := range []struct {
		name string
		ms   float64
	}{
		{"authorize", max(t.Authorize, x.AuthorizeMS)},
		{"credential", max(t.Credential, x.CredentialMS)},
		{"audit", t.Audit},
		{"connect", t.Connect},
		{"first byte", t.FirstByte},
		{"total", t.Total},
	} {
		if one.ms > 0 {
			known = append(known, one.name+" "+strconv.FormatFloat(one.ms, 'f', -1, 64)+" ms")
		}
	}
	return strings.Join(known, ", ")
}

func detailsOf(x *audit.Exchange) string {
	var one struct {
		Details json.RawMessage `json:"details"`
	}
	// The trail's own JSON merges both events' details; it always decodes.
	if err := json.Unmarshal(x.AppendJSON(nil), &one); err != nil || string(one.Details) == "null" {
		return ""
	}
	return string(one.Details)
}

// position is where the exchange stands in the tree.
func (s *story) position(a *app) string {
	x := &s.exchange
	where := fmt.Sprintf("event %d", x.Seq)
	if x.OutcomeSeq != 0 {
		where = fmt.Sprintf("events %d and %d", x.Seq, x.OutcomeSeq)
	}
	if s.checkpoint == nil {
		return where + ", not yet under a signed checkpoint"
	}
	return fmt.Sprintf("%s, under the checkpoint of event %d, which is of %s", where, s.checkpoint.Size, a.moment(s.checkpoint.At))
}
