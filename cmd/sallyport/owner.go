package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"sallyport/admin"
	"sallyport/identity/owners"
	"sallyport/internal/hint"
)

func newOwnerCommand(a *app) *cobra.Command {
	group := withUsage(&cobra.Command{
		Use:   "owner",
		Short: "Show who answers for agents, now and in the days to come",
		Long: `An owner is a person or a team of owners.yaml. For what it owns one person answers at every
moment: a person for their own agents, or their manager while they are absent; for a team's
whoever an override names, or whose shift it is, or the next in the order who is there, or the
team's fallback; and where all that leads to nobody, the file's fallback.

These commands read owners.yaml as it is, whether or not a server runs.`,
		Example: "  sallyport owner on-call --next 14d",
	})
	group.AddCommand(newOwnerListCommand(a), newOwnerShowCommand(a), newOwnerOnCallCommand(a), newOwnerCheckCommand(a))
	return group
}

// readOwners reads owners.yaml of the home.
func readOwners(a *app) (*owners.Directory, error) {
	l, err := a.env().Layout()
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(l.Owners())
	if err != nil {
		return nil, hint.With(fmt.Errorf("read owners: %w", err), "run `sallyport init`, or check --home")
	}
	return owners.Parse(l.Owners(), data)
}

// answering is who answers for an owner, as scripts read it.
type answering struct {
	Owner  string     `json:"owner"`
	Person *string    `json:"person"`
	Why    string     `json:"why"`
	Since  *time.Time `json:"since"`
	Until  *time.Time `json:"until"`
}

func answeringOf(owner string, answer owners.Answer) answering {
	told := answering{Owner: owner, Why: answer.Why}
	if answer.Person != "" {
		told.Person = &answer.Person
	}
	for from, to := range map[*time.Time]**time.Time{&answer.Since: &told.Since, &answer.Until: &told.Until} {
		if !from.IsZero() {
			utc := from.UTC()
			*to = &utc
		}
	}
	return told
}

func printAnswering(a *app, list []answering) error {
	if a.json() {
		return writeJSON(a.stdout, list)
	}
	rows := make([][]string, 0, len(list))
	for _, one := range list {
		rows = append(rows, []string{one.Owner, nobody(one.Person), one.Why, a.momentOf(one.Since), a.momentOf(one.Until)})
	}
	return table(a.stdout, []string{"OWNER", "ANSWERS", "WHY", "SINCE", "UNTIL"}, rows)
}

func nobody(person *string) string {
	if person == nil {
		return "nobody"
	}
	return *person
}

// momentOf is a moment for people; nothing where there is none.
func (a *app) momentOf(at *time.Time) string {
	if at == nil {
		return ""
	}
	return a.moment(*at)
}

func newOwnerListCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List all owners and who answers for each now",
		Example: "  sallyport owner list -o json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			d, err := readOwners(a)
			if err != nil {
				return err
			}
			list := []answering{}
			for _, ref := range d.Refs() {
				list = append(list, answeringOf(ref, d.Answers(ref, a.now())))
			}
			return printAnswering(a, list)
		},
	}
}

// ownerShown is one owner, as scripts read it.
type ownerShown struct {
	answering

	Name    string   `json:"name"`
	Email   string   `json:"email"`
	Manager string   `json:"manager"`
	Members []string `json:"members"`
	OnCall  bool     `json:"oncall"` // it has a rotation
}

func newOwnerShowCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "show OWNER",
		Short:   "Show a person or a team, and who answers now",
		Example: "  sallyport owner show team:platform",
		Args:    oneArg("OWNER"),
		RunE: func(_ *cobra.Command, args []string) error {
			d, err := readOwners(a)
			if err != nil {
				return err
			}
			if !d.Has(args[0]) {
				return admin.UnknownName("owner", args[0], d.Refs(), "an owner is written person:NAME or team:NAME")
			}
			person, team := d.Person(args[0]), d.Team(args[0])
			shown := ownerShown{
				answering: answeringOf(args[0], d.Answers(args[0], a.now())),
				Name:      person.Name, Email: person.Email, Manager: person.Manager, Members: append([]string{}, team.Members...), OnCall: team.Rotation != nil,
			}
			if a.json() {
				return writeJSON(a.stdout, shown)
			}
			pairs := []string{"owner", args[0], "name", shown.Name, "email", shown.Email, "manager", shown.Manager}
			for _, member := range shown.Members {
				pairs = append(pairs, "member", member)
			}
			return fields(a.stdout, append(pairs, "answers", nobody(shown.Person), "why", shown.Why, "since", a.momentOf(shown.Since), "until", a.momentOf(shown.Until))...)
		},
	}
}

func newOwnerOnCallCommand(a *app) *cobra.Command {
	var team, at string
	var next time.Duration
	cmd := &cobra.Command{
		Use:   "on-call",
		Short: "Show who answers, at a moment or from hand-over to hand-over",
		Example: `  sallyport owner on-call
  sallyport owner on-call --team platform --next 14d
  sallyport owner on-call --team platform --at '2026-12-24 18:00'`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			d, err := readOwners(a)
			if err != nil {
				return err
			}
			from := a.now()
			if at != "" {
				if from, err = parseMoment("--at", at, a.here()); err != nil {
					return err
				}
			}
			list := []answering{}
			for _, ref := range d.Refs() {
				if team == "" && d.Team(ref).Members == nil || team != "" && ref != "team:"+team {
					continue
				}
				if next == 0 {
					list = append(list, answeringOf(ref, d.Answers(ref, from)))
					continue
				}
				for _, answer := range d.Schedule(ref, from, from.Add(next)) {
					list = append(list, answeringOf(ref, answer))
				}
			}
			if team != "" && len(list) == 0 {
				return admin.UnknownName("owner", "team:"+team, d.Refs(), "owners.yaml has no team")
			}
			if a.json() && team != "" && next == 0 {
				return writeJSON(a.stdout, list[0])
			}
			return printAnswering(a, list)
		},
	}
	cmd.Flags().StringVar(&team, "team", "", "one team (default all)")
	cmd.Flags().StringVar(&at, "at", "", "the moment, as '2026-12-24 18:00' (default now)")
	spanVar(cmd, &next, "next", 0, "from then on for so long, as 14d")
	return cmd
}

// checkedAhead is how far owner check looks.
const checkedAhead = 14 * 24 * time.Hour

// gap is a time in which nobody answers, or only whoever answers for all.
type gap struct {
	Owner string    `json:"owner"`
	From  time.Time `json:"from"`
	Until time.Time `json:"until"`
	Why   string    `json:"why"`
	Open  bool      `json:"open"` // nobody answers
}

func newOwnerCheckCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Look for times in the next two weeks in which nobody answers",
		Long: `Reads owners.yaml and looks for times in the next 14 days in which nobody answers for an
owner, which is an error, and for those in which only the file's fallback does.`,
		Example: "  sallyport owner check",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			d, err := readOwners(a)
			if err != nil {
				return err
			}
			gaps := gapsOf(d, a.now())
			if a.json() {
				err = writeJSON(a.stdout, gaps)
			} else {
				err = printGaps(a, gaps)
			}
			for _, g := range gaps {
				if g.Open {
					return errors.Join(err, hint.With(fmt.Errorf("nobody answers for %s from %s on", g.Owner, a.moment(g.From)), "name a fallback in owners.yaml: fallback: PERSON"))
				}
			}
			return err
		},
	}
}

func gapsOf(d *owners.Directory, from time.Time) []gap {
	gaps := []gap{}
	end := from.Add(checkedAhead)
	for _, ref := range d.Refs() {
		for _, answer := range d.Schedule(ref, from, end) {
			if answer.Person != "" && answer.Why != owners.WhyFallback {
				continue
			}
			g := gap{Owner: ref, From: answer.Since.UTC(), Until: answer.Until.UTC(), Why: "only the fallback of the file answers", Open: answer.Person == ""}
			if g.Open {
				g.Why = "nobody answers"
			}
			if answer.Since.Before(from) {
				g.From = from.UTC()
			}
			if answer.Until.IsZero() || answer.Until.After(end) {
				g.Until = end.UTC()
			}
			gaps = append(gaps, g)
		}
	}
	return gaps
}

func printGaps(a *app, gaps []gap) error {
	if len(gaps) == 0 {
		_, err := fmt.Fprintln(a.stdout, "somebody of their own answers for every owner, for the next 14 days")
		return err
	}
	rows := make([][]string, 0, len(gaps))
	for _, g := range gaps {
		rows = append(rows, []string{g.Owner, a.moment(g.From), a.moment(g.Until), g.Why})
	}
	return table(a.stdout, []string{"OWNER", "FROM", "UNTIL", "WHAT"}, rows)
}
