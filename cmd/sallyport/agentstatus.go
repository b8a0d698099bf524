package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"sallyport/internal/admin"
)

func newAgentSuspendCommand(a *app) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:     "suspend ID",
		Short:   "Stop an agent at once, until it is resumed",
		Long:    "Stops an agent: new requests are refused, and what it has open is cut within a second.",
		Example: "  sallyport agent suspend builder --reason 'talks to strange hosts'",
		Args:    oneArg("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.changeStatus(cmd.Context(), administration.SuspendAgent, args[0], reason)
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the trail and whoever looks at the agent")
	return cmd
}

func newAgentResumeCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "resume ID",
		Short:   "Let a suspended agent work again",
		Example: "  sallyport agent resume builder",
		Args:    oneArg("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.changeStatus(cmd.Context(), administration.ResumeAgent, args[0], "")
		},
	}
}

func newAgentRevokeCommand(a *app) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:     "revoke ID",
		Short:   "Stop an agent at once, for good",
		Long:    "Stops an agent and revokes its certificates. There is no way back; create a new agent instead.",
		Example: "  sallyport agent revoke builder --reason 'job done'",
		Args:    oneArg("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.changeStatus(cmd.Context(), administration.RevokeAgent, args[0], reason)
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the trail and whoever looks at the agent")
	return cmd
}

type statusChange func(administration, context.Context, admin.StatusRequest) (admin.Agent, error)

func (a *app) changeStatus(ctx context.Context, change statusChange, id, reason string) error {
	return a.administer(ctx, func(agents administration) error {
		agent, err := change(agents, ctx, admin.StatusRequest{ID: id, Reason: reason})
		if err != nil {
			return err
		}
		if a.json() {
			return writeJSON(a.stdout, agent)
		}
		_, err = fmt.Fprintf(a.stdout, "agent %s (%s) is %s\n", printable(agent.Name), agent.ID, agent.Status)
		return err
	})
}
