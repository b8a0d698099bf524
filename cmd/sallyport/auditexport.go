package main

import (
	"encoding/csv"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"sallyport/audit"
)

func newAuditExportCommand(a *app) *cobra.Command {
	var f auditFlags
	var format string
	cmd := &cobra.Command{
		Use:     "export --format jsonl|csv",
		Short:   "Write exchanges for other tools, newest first",
		Long:    "Writes exchanges to standard output: jsonl, one JSON object a line, or csv, with a heading.",
		Example: "  sallyport audit export --format csv --since 24h > trail.csv",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			filter, err := f.filter(a.now())
			if err != nil {
				return err
			}
			var write func(*audit.Exchange) error
			finish := func() error { return nil }
			switch format {
			case "jsonl":
				write = a.writeJSONLine
			case "csv":
				write, finish, err = a.csvWriter()
			default:
				err = usagef("--format %q is not jsonl or csv", format)
			}
			if err != nil {
				return err
			}
			return a.readTrail(func(r *audit.Reader) error {
				if err := r.Each(cmd.Context(), filter, write); err != nil {
					return err
				}
				return finish()
			})
		},
	}
	f.define(cmd)
	f.defineSearch(cmd, 0)
	cmd.Flags().StringVar(&format, "format", "", "jsonl or csv (required)")
	require(cmd, "format")
	return cmd
}

func (a *app) writeJSONLine(x *audit.Exchange) error {
	_, err := a.stdout.Write(append(x.AppendJSON(nil), '\n'))
	return err
}

// csvWriter writes the heading and returns how to write a row and how to end.
func (a *app) csvWriter() (write func(*audit.Exchange) error, finish func() error, err error) {
	w := csv.NewWriter(a.stdout)
	row := func(x *audit.Exchange, column int) error {
		pairs, err := orderedFields(x.AppendJSON(nil))
		if err != nil {
			return err
		}
		var cells []string
		for i := column; i < len(pairs); i += 2 {
			cells = append(cells, inert(pairs[i]))
		}
		return w.Write(cells)
	}
	if err := row(&audit.Exchange{}, 0); err != nil {
		return nil, nil, fmt.Errorf("write heading: %w", err)
	}
	finish = func() error { w.Flush(); return w.Error() }
	return func(x *audit.Exchange) error { return row(x, 1) }, finish, nil
}

// inert keeps a spreadsheet from taking what an agent chose for a formula
// (OWASP, CSV injection).
func inert(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}
