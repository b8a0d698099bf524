package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sallyport/admin"
	"sallyport/server"
)

// defaultInviteTTL is long enough to start a machine.
const defaultInviteTTL = 10 * time.Minute

func newAgentInviteCommand(a *app) *cobra.Command {
	var r admin.InviteRequest
	var ttl, agentTTL time.Duration
	cmd := &cobra.Command{
		Use:   "invite --policy POLICY --owner OWNER",
		Short: "Make a token by which agents join, with keys of their own",
		Long: `Prints a join token, once. Whoever shows it to the enrolment listener becomes an agent
under the policy and owner given here: sallyport sidecar --join does, and renews itself. The
token says where that listener and the proxy are and by what they are known, so that nothing
else has to be copied to the machine of the agent. Only the token's hash is kept.

A token is a secret until it is used up or expires. One that is shown again with another key
within an hour after its only use suspends the agent that used it: one of the two is a thief.
To suspend or revoke an agent bars the token that it came by.`,
		Example: `  sallyport agent invite --policy operator --owner team:platform > join-token
  sallyport agent invite --policy operator --owner team:platform --uses 20 --ttl 1h --agent-ttl 8h --name ci --from 10.0.3.0/24
  sallyport agent invite list
  sallyport agent invite revoke 0b6f1c1e-6f0e-4d1c-9d0a-3f6f0c8f2a11`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r.TTL, r.AgentTTL = admin.Duration(ttl), admin.Duration(agentTTL)
			return a.administer(cmd.Context(), func(agents server.Administration) error {
				made, err := agents.Inviter().Invite(cmd.Context(), r)
				if err != nil {
					return err
				}
				if a.json() {
					return writeJSON(a.stdout, made)
				}
				fmt.Fprintf(a.stderr, "invite %s: %s may join until %s\n", made.ID, joiners(made.Uses), a.moment(made.ExpiresAt))
				_, err = fmt.Fprintln(a.stdout, made.Token)
				return err
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&r.Policy, "policy", "", "policy that the agents are under (required)")
	flags.StringVar(&r.Owner, "owner", "", "who answers for them: person:NAME or team:NAME (required)")
	flags.StringVar(&r.Name, "name", "", "name of the agent or, with more uses than one, what their names begin with (default the policy)")
	flags.IntVar(&r.Uses, "uses", 1, "how many agents may join by it")
	flags.StringArrayVar(&r.From, "from", nil, "network from which it may be used, as 10.0.3.0/24; may be repeated")
	spanVar(cmd, &ttl, "ttl", defaultInviteTTL, "how long agents may join by it, as 10m or 1d")
	spanVar(cmd, &agentTTL, "agent-ttl", defaultTTL, "lifetime of an agent that joins, as 8h or 7d")
	require(cmd, "policy", "owner")
	cmd.AddCommand(newAgentInviteListCommand(a), newAgentInviteRevokeCommand(a))
	return cmd
}

func joiners(n int) string {
	if n == 1 {
		return "one agent"
	}
	return strconv.Itoa(n) + " agents"
}

func newAgentInviteListCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List all invites, oldest first",
		Example: "  sallyport agent invite list -o json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.administer(cmd.Context(), func(agents server.Administration) error {
				list, err := agents.Inviter().List(cmd.Context())
				if err != nil {
					return err
				}
				return printInvites(a, list)
			})
		},
	}
}

func printInvites(a *app, list []admin.Invite) error {
	if a.json() {
		return writeJSON(a.stdout, list)
	}
	rows := make([][]string, 0, len(list))
	for _, i := range list {
		rows = append(rows, []string{
			i.ID.String(), i.Name, i.Policy, i.Owner, fmt.Sprintf("%d of %d", i.Used, i.Uses), i.State, a.moment(i.ExpiresAt), strings.Join(i.From, " "),
		})
	}
	return table(a.stdout, []string{"ID", "NAME", "POLICY", "OWNER", "USED", "STATE", "EXPIRES", "FROM"}, rows)
}

func newAgentInviteRevokeCommand(a *app) *cobra.Command {
	var r admin.StatusRequest
	cmd := &cobra.Command{
		Use:     "revoke ID",
		Short:   "Keep an invite from being used any more",
		Long:    "Ends an invite that is open. Agents that came by it stay: sallyport agent revoke stops one.",
		Example: "  sallyport agent invite revoke 0b6f1c1e-6f0e-4d1c-9d0a-3f6f0c8f2a11 --reason lost",
		Args:    oneArg("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			r.ID = args[0]
			return a.administer(cmd.Context(), func(agents server.Administration) error {
				ended, err := agents.Inviter().End(cmd.Context(), r)
				if err != nil {
					return err
				}
				if a.json() {
					return writeJSON(a.stdout, ended)
				}
				return fields(a.stdout, "invite", ended.ID.String()+" ended", "used", fmt.Sprintf("%d of %d", ended.Used, ended.Uses), "reason", text(ended.Reason))
			})
		},
	}
	cmd.Flags().StringVar(&r.Reason, "reason", "", "why, for the trail")
	return cmd
}
