package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"sallyport/server"
)

func newDoctorCommand(a *app) *cobra.Command {
	var agent string
	cmd := &cobra.Command{
		Use:   "doctor [--agent DIR]",
		Short: "Say what is wrong with this home, this host or an agent's folder, and what to do",
		Long: `Looks at everything that a server needs: the files of HOME, the state folder, both
authorities, the clock, the disk, the ports, name servers, system roots, agents without an
owner, and, if a server runs, what it says of itself. It changes nothing and sends no
request. Exit code 1 if anything is wrong, a warning too.

With --agent it looks at one identity folder instead, on the machine where its sidecar
runs: its files, its certificate, and whether the proxy accepts it. It never reads HOME then.`,
		Example: "  sallyport doctor\n  sallyport doctor --agent ./builder",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d := &doctor{app: a}
			if agent != "" {
				d.agentFolder(cmd.Context(), agent)
			} else {
				d.home(cmd.Context())
			}
			return d.print()
		},
	}
	cmd.Flags().StringVar(&agent, "agent", "", "identity folder to look at, in place of HOME")
	return cmd
}

// finding is what one look found; the JSON of `doctor` is a list of them.
type finding struct {
	Check  string  `json:"check"`
	Status string  `json:"status"` // ok | warning | failed
	Detail string  `json:"detail"`
	Try    *string `json:"try"` // what to do; null if nothing is wrong
}

// doctor gathers findings.
type doctor struct {
	app      *app
	findings []finding
}

func (d *doctor) ok(check, format string, args ...any) {
	d.findings = append(d.findings, finding{Check: check, Status: server.StatusOK, Detail: fmt.Sprintf(format, args...)})
}

// wrong says what is wrong and what to try; status is a warning or a failure.
func (d *doctor) wrong(check, status, try, detail string) {
	f := finding{Check: check, Status: status, Detail: detail}
	if try != "" {
		f.Try = &try
	}
	d.findings = append(d.findings, f)
}

// failed takes the advice that the error carries, or else this one.
func (d *doctor) failed(check string, err error, otherwise string) {
	var hint interface{ Hint() string }
	if errors.As(err, &hint) && hint.Hint() != "" {
		otherwise = hint.Hint()
	}
	d.wrong(check, server.StatusFailed, otherwise, err.Error())
}

func (d *doctor) print() error {
	sick := slices.ContainsFunc(d.findings, func(f finding) bool { return f.Status != server.StatusOK })
	if d.app.json() {
		if err := writeJSON(d.app.stdout, d.findings); err != nil {
			return err
		}
	} else {
		rows := make([][]string, 0, len(d.findings))
		for _, f := range d.findings {
			detail := f.Detail
			if f.Try != nil {
				detail += " (" + *f.Try + ")"
			}
			rows = append(rows, []string{f.Status, f.Check, detail})
		}
		if err := table(d.app.stdout, []string{"STATUS", "CHECK", "WHAT"}, rows); err != nil {
			return err
		}
	}
	if sick {
		return exitCode(exitFailed)
	}
	return nil
}

// ending looks at when a certificate ends.
func (d *doctor) ending(check, what string, notAfter time.Time, soon time.Duration, try string) {
	left := notAfter.Sub(d.app.now())
	at := d.app.moment(notAfter)
	switch {
	case left <= 0:
		d.wrong(check, server.StatusFailed, try, fmt.Sprintf("%s ended at %s", what, at))
	case left < soon:
		d.wrong(check, server.StatusWarning, try, fmt.Sprintf("%s ends at %s", what, at))
	default:
		d.ok(check, "%s ends at %s", what, at)
	}
}

// clock: certificates, tokens and signatures all need the right time.
func (d *doctor) clock(notBefore time.Time) {
	now := d.app.now()
	switch synchronised, known := clockSynchronised(); {
	case now.Before(notBefore):
		d.wrong("clock", server.StatusFailed, "set the clock, and let NTP keep it", fmt.Sprintf("it says %s, which is before a certificate of this home was made (%s)",
			d.app.moment(now), d.app.moment(notBefore)))
	case known && !synchronised:
		// In containers and many virtual machines something outside keeps it.
		d.ok("clock", "%s; the kernel knows of nothing that keeps it right, and tokens and AWS signatures fail when it is minutes off", d.app.moment(now))
	default:
		d.ok("clock", "%s", d.app.moment(now))
	}
}

// lookTime bounds each look that leaves the process.
const lookTime = 5 * time.Second

func looking(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, lookTime)
}
