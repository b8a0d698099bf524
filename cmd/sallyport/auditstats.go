package main

import (
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"sallyport/audit"
	"sallyport/audit/trail"
)

func newAuditStatsCommand(a *app) *cobra.Command {
	var f auditFlags
	var by string
	cmd := &cobra.Command{
		Use:     "stats --by agent|owner|host|operation|...",
		Short:   "Count exchanges by agent, owner, host, operation and so on",
		Long:    "Counts exchanges and what became of them, most first. The filters are those of audit list.",
		Example: "  sallyport audit stats --by host --owner team:platform --since 1d",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			filter, err := f.filter(a.here())
			if err != nil {
				return err
			}
			if !strings.Contains(" "+groupNames(" ")+" ", " "+by+" ") {
				return usagef("--by %q is not one of %s", by, groupNames(", "))
			}
			return a.searchTrail(cmd.Context(), &f, func(r *trail.Reader) error {
				counts, err := r.Stats(cmd.Context(), audit.Group(by), filter)
				if err != nil {
					return err
				}
				return printCounts(a, by, counts)
			})
		},
	}
	f.define(cmd)
	cmd.Flags().StringVar(&by, "by", string(audit.ByAgent), "what to count by: "+groupNames(", "))
	return cmd
}

func groupNames(separator string) string {
	var names []string
	for _, g := range audit.Groups() {
		names = append(names, string(g))
	}
	return strings.Join(names, separator)
}

func printCounts(a *app, by string, counts []audit.Count) error {
	if a.json() {
		return writeJSON(a.stdout, counts)
	}
	rows := make([][]string, 0, len(counts))
	number := func(n uint64) string { return strconv.FormatUint(n, 10) }
	for _, c := range counts {
		rows = append(rows, []string{
			c.Name, number(c.Exchanges), number(c.Completed), number(c.Refused), number(c.Failed), number(c.Open), a.moment(c.Last),
		})
	}
	return table(a.stdout, []string{strings.ToUpper(by), "EXCHANGES", "COMPLETED", "REFUSED", "FAILED", "OPEN", "LAST"}, rows)
}
