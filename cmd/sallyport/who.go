package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"sallyport/admin"
	"sallyport/audit"
	"sallyport/audit/trail"
	"sallyport/server"
)

// Bounds of the directory: how many agents it tells of, how far back it looks who was at a
// host, and among how many of the newest exchanges.
const (
	whoAgents = 50
	whoSince  = 24 * time.Hour
	whoLooked = 1000
)

func newWhoCommand(a *app) *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use:   "who [QUERY]",
		Short: "Find agents: whose they are, who answers, and what they do now",
		Long: `The directory of agents for people. QUERY is an agent's id or name, an owner or the person who
answers (person:dana, team:platform, dana), a policy, or what was reached or done in the last
day: a host, or an operation such as github:pulls/create or aws:s3/*. Without it, all agents
that may act.`,
		Example: `  sallyport who
  sallyport who builder
  sallyport who team:platform
  sallyport who api.github.com -o json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if limit < 1 {
				return usagef("--limit must be 1 or more")
			}
			var all []admin.Agent
			err := a.administer(cmd.Context(), func(agents server.Administration) (err error) {
				all, err = agents.Agents(cmd.Context())
				return err
			})
			if err != nil {
				return err
			}
			return a.readTrail(func(r *trail.Reader) error {
				d := directory{reader: r, now: a.now(), all: all}
				found, err := d.find(cmd.Context(), strings.Join(args, ""))
				if err != nil {
					return err
				}
				more := max(0, len(found)-limit)
				told, err := d.tell(cmd.Context(), found[:len(found)-more])
				if err != nil {
					return err
				}
				return printWho(a, told, more)
			})
		},
	}
	cmd.Flags().IntVar(&limit, "limit", whoAgents, "tell of at most so many agents, the newest first")
	return cmd
}

// directory finds agents by what people know of them.
type directory struct {
	reader *trail.Reader
	now    time.Time
	all    []admin.Agent
}

// find returns the agents that are meant, the newest first.
func (d *directory) find(ctx context.Context, query string) (found []admin.Agent, err error) {
	means := func(g *admin.Agent) bool { return g.Status == "active" }
	if query != "" {
		means = func(g *admin.Agent) bool { return isCalled(g, query) }
	}
	for _, g := range slices.Backward(d.all) {
		if means(&g) {
			found = append(found, g)
		}
	}
	if len(found) > 0 || query == "" {
		return found, nil
	}
	at, err := d.at(ctx, query)
	if err != nil {
		return nil, err
	}
	for _, g := range slices.Backward(d.all) {
		if at[g.ID] {
			found = append(found, g)
		}
	}
	if len(found) == 0 {
		return nil, admin.UnknownName("agent, owner, policy, host or operation", query, d.names(), "nobody has that name, or was there within a day; `sallyport audit list` looks further back")
	}
	return found, nil
}

// isCalled reports whether a query is a name of the agent, of its policy or of its people.
func isCalled(g *admin.Agent, query string) bool {
	for _, name := range []string{g.ID.String(), g.Name, g.Policy, g.Owner, text(g.Accountable)} {
		_, short, _ := strings.Cut(name, ":")
		if name == query || short == query {
			return true
		}
	}
	return false
}

func (d *directory) names() (names []string) {
	for _, g := range d.all {
		names = append(names, g.Name, g.Owner)
	}
	return names
}

// at are the agents that were at a host, or did an operation, within a day.
func (d *directory) at(ctx context.Context, query string) (map[uuid.UUID]bool, error) {
	at := map[uuid.UUID]bool{}
	for _, f := range []audit.Filter{{Host: strings.ToLower(query)}, {Operation: query}} {
		f.Since, f.Limit = d.now.Add(-whoSince), whoLooked
		list, err := d.reader.List(ctx, f)
		if err != nil {
			return nil, err
		}
		for i := range list {
			at[list[i].Agent] = true
		}
	}
	return at, nil
}

// whoTold is an agent with what it does, as scripts read it.
type whoTold struct {
	admin.Agent

	LastSeen *time.Time `json:"last_seen"`
	Last     *did       `json:"last"`
	Doing    []did      `json:"doing"`
}

// did is one exchange in short.
type did struct {
	Exchange  uuid.UUID `json:"exchange"`
	Since     time.Time `json:"since"`
	What      string    `json:"what"`
	Operation string    `json:"operation"`
	Resource  string    `json:"resource"`
}

// tell looks what each agent does, and did last.
func (d *directory) tell(ctx context.Context, agents []admin.Agent) ([]whoTold, error) {
	told := make([]whoTold, 0, len(agents))
	for _, g := range agents {
		one := whoTold{Agent: g, Doing: []did{}}
		newest, err := d.reader.List(ctx, audit.Filter{Agent: g.ID, Limit: 10})
		if err != nil {
			return nil, err
		}
		for i := range newest {
			x := &newest[i]
			short := did{Exchange: x.ID, Since: x.StartedAt.UTC(), What: x.Method + " " + x.Host + x.Path, Operation: x.Operation, Resource: x.Resource}
			if i == 0 {
				one.LastSeen, one.Last = &short.Since, &short
			}
			if !x.Ended {
				one.Doing = append(one.Doing, short)
			}
		}
		told = append(told, one)
	}
	return told, nil
}

func printWho(a *app, told []whoTold, more int) error {
	if a.json() {
		return writeJSON(a.stdout, told)
	}
	if len(told) == 0 {
		_, err := fmt.Fprintln(a.stdout, "no agent may act; `sallyport agent create` or `agent invite` makes one")
		return err
	}
	rows := make([][]string, 0, len(told))
	for _, one := range told {
		what := ""
		switch {
		case len(one.Doing) > 1:
			what = fmt.Sprintf("now: %s, and %d more", one.Doing[0].words(), len(one.Doing)-1)
		case len(one.Doing) == 1:
			what = "now: " + one.Doing[0].words()
		case one.Last != nil:
			what = one.Last.words()
		}
		rows = append(rows, []string{one.Name, one.Status, one.Policy, one.Owner, nobody(one.Accountable), a.momentOf(one.LastSeen), what})
	}
	if err := table(a.stdout, []string{"AGENT", "STATUS", "POLICY", "OWNER", "ANSWERS", "LAST SEEN", "DOES"}, rows); err != nil {
		return err
	}
	if more > 0 {
		_, err := fmt.Fprintf(a.stdout, "and %d more; --limit shows them\n", more)
		return err
	}
	return nil
}

// words is the exchange in its service's words, or as it was sent.
func (d *did) words() string {
	if d.Operation == "" {
		return d.What
	}
	return strings.TrimSpace(d.Operation + " " + d.Resource)
}
