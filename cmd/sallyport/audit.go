package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"sallyport/audit"
	"sallyport/audit/trail"
	"sallyport/internal/hint"
)

func newAuditCommand(a *app) *cobra.Command {
	group := withUsage(&cobra.Command{
		Use:   "audit",
		Short: "Read and verify the trail",
		Long: `Reads the trail: who did what, on whose responsibility, by which rule, with which
credential, and what came of it. Reading needs no server and disturbs none.`,
		Example: "  sallyport audit list --since 2h --decision deny",
	})
	group.AddCommand(
		newAuditListCommand(a),
		newAuditShowCommand(a),
		newAuditTailCommand(a),
		newAuditEventsCommand(a),
		newAuditStatsCommand(a),
		newAuditPolicyCommand(a),
		newAuditWhodidCommand(a),
		newAuditVerifyCommand(a),
		newAuditCheckpointCommand(a),
		newAuditProveCommand(a),
		newAuditCheckProofCommand(a),
		newAuditPruneCommand(a),
		newAuditArchiveCommand(a),
		newAuditExportCommand(a),
		newAuditShipCommand(a),
	)
	return group
}

// readTrail calls read with the trail, opened for reading only.
func (a *app) readTrail(read func(*trail.Reader) error) error {
	l, err := a.env().Layout()
	if err != nil {
		return err
	}
	if _, err := os.Stat(l.Trail()); errors.Is(err, fs.ErrNotExist) {
		return hint.With(fmt.Errorf("%s: there is no trail yet", l.Trail()), "it begins when `sallyport serve` first runs; check --home")
	}
	r, err := trail.OpenReader(l.Trail())
	if err != nil {
		return err
	}
	if lacks, err := r.LacksLog(context.Background()); err == nil && lacks {
		fmt.Fprintf(a.stderr, "warning: the end of the trail is missing: %s was being written, and what had not come into it yet is in %s-wal, which is not there; `sallyport audit verify` says what there is\n",
			printable(l.Trail()), printable(filepath.Base(l.Trail())))
	}
	return errors.Join(read(r), r.Close())
}

// searchTrail is readTrail for a search by names, which refuses a name that nobody has or had.
func (a *app) searchTrail(ctx context.Context, f *auditFlags, read func(*trail.Reader) error) error {
	return a.readTrail(func(r *trail.Reader) error {
		if err := checkNames(ctx, a, r, f); err != nil {
			return err
		}
		return read(r)
	})
}

// auditFlags are the filters of list, as typed.
type auditFlags struct {
	audit.Filter        // by one field each
	agent, since, until string
}

func newAuditListCommand(a *app) *cobra.Command {
	var f auditFlags
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List exchanges, newest first",
		Long: `Lists exchanges, newest first, a page at a time. The next page is asked for with --before
and the seq of the last exchange of this one, which -o json has in its last element.`,
		Example: `  sallyport audit list --owner team:platform --host api.github.com --since 2h
  sallyport audit list --text acme/web --status 403 --before 120437`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			filter, err := f.filter(a.here())
			if err != nil {
				return err
			}
			return a.searchTrail(cmd.Context(), &f, func(r *trail.Reader) error {
				if a.json() {
					return streamExchanges(cmd.Context(), a, r, filter)
				}
				list, err := r.List(cmd.Context(), filter)
				if err != nil {
					return err
				}
				if err := printExchanges(a, list); err != nil || f.Limit == 0 || len(list) < f.Limit {
					return err
				}
				_, err = fmt.Fprintf(a.stderr, "there may be more: --before %d\n", list[len(list)-1].Seq)
				return err
			})
		},
	}
	f.define(cmd)
	f.defineSearch(cmd, 100)
	return cmd
}

func (f *auditFlags) define(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.agent, "agent", "", "only of this agent (UUID or name)")
	for _, by := range audit.Flags() {
		if !by.List {
			flags.StringVar(by.Value(&f.Filter), by.Name, "", by.Usage)
		}
	}
	flags.IntVar(&f.Status, "status", 0, "only answered with this status, as 403")
	flags.StringVar(&f.since, "since", "", "only started at this time or later: '2026-01-31 09:00', yesterday, or 2h for two hours ago")
	flags.StringVar(&f.until, "until", "", "only started before this time, written as for --since")
}

// defineText adds the filters that counts do not know.
func (f *auditFlags) defineText(cmd *cobra.Command) {
	flags := cmd.Flags()
	for _, by := range audit.Flags() {
		if by.List {
			flags.StringVar(by.Value(&f.Filter), by.Name, "", by.Usage)
		}
	}
	flags.StringVar(&f.Text, "text", "", "only with this text (three characters or more) in path, resource or error")
}

// defineSearch adds what only a list knows.
func (f *auditFlags) defineSearch(cmd *cobra.Command, limit int) {
	f.defineText(cmd)
	flags := cmd.Flags()
	flags.Uint64Var(&f.Before, "before", 0, "only before this seq: the next page after a row with that seq")
	flags.IntVar(&f.Limit, "limit", limit, "at most so many; 0 for all")
}

// filter reads what was typed; now is in the zone that times are typed in.
func (f auditFlags) filter(now time.Time) (audit.Filter, error) {
	filter := f.Filter
	var err error
	if filter.Agent, err = uuid.Parse(f.agent); err != nil {
		filter.AgentName = f.agent
	}
	switch filter.Decision {
	case "", audit.DecisionAllow, audit.DecisionDeny, audit.DecisionAsk:
	default:
		return filter, usagef("--decision %q is not allow, deny or ask", filter.Decision)
	}
	if filter.Outcome != "" && !slices.Contains(audit.Outcomes(), filter.Outcome) {
		return filter, usagef("--outcome %q is not one of %s", filter.Outcome, strings.Join(audit.Outcomes(), ", "))
	}
	if filter.Status != 0 && (filter.Status < 100 || filter.Status > 599) {
		return filter, usagef("--status %d is not an HTTP status", filter.Status)
	}
	if filter.Text != "" && len(filter.Text) < audit.MinText {
		return filter, usagef("--text %q is too short to look for: write %d characters at least", filter.Text, audit.MinText)
	}
	if filter.Limit < 0 {
		return filter, usagef("--limit must not be negative")
	}
	if filter.Since, err = parseMoment("--since", f.since, now); err != nil {
		return filter, err
	}
	filter.Until, err = parseMoment("--until", f.until, now)
	return filter, err
}

// streamExchanges prints one array without holding it.
func streamExchanges(ctx context.Context, a *app, r *trail.Reader, f audit.Filter) error {
	array := newJSONArray(a.stdout)
	if err := r.Each(ctx, f, func(x *audit.Exchange) error { return array.add(x.AppendJSON(nil)) }); err != nil {
		return err
	}
	return array.end()
}

func printExchanges(a *app, list []audit.Exchange) error {
	rows := make([][]string, 0, len(list))
	for i := range list {
		rows = append(rows, a.exchangeRow(&list[i]))
	}
	return table(a.stdout, []string{"STARTED", "AGENT", "DECISION", "RULE", "REQUEST", "STATUS", "OUTCOME", "ID"}, rows)
}

// exchangeRow is one exchange as people read it in a list.
func (a *app) exchangeRow(x *audit.Exchange) []string {
	outcome := x.Outcome.Outcome
	if !x.Ended {
		outcome = "open"
	}
	if refusal := refusalOf(x); refusal != "" {
		outcome += " (" + refusal + ")"
	}
	status := ""
	if x.Outcome.Status != 0 {
		status = strconv.Itoa(x.Outcome.Status)
	}
	return []string{
		a.moment(x.StartedAt), x.AgentName, x.Decision, x.Rule, requestLine(x), status, outcome, x.ID.String(),
	}
}

func refusalOf(x *audit.Exchange) string {
	if x.Outcome.Refusal != "" {
		return x.Outcome.Refusal
	}
	return x.Refusal
}

func requestLine(x *audit.Exchange) string {
	target := x.Host
	if x.Port != 0 {
		target += ":" + strconv.Itoa(int(x.Port))
	}
	if x.Scheme != "" {
		target = x.Scheme + "://" + target
	}
	return x.Method + " " + target + x.Path
}
