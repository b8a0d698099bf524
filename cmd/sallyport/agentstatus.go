package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"sallyport/admin"
	"sallyport/server"
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
			return changeStatus(cmd.Context(), a, server.Administration.SuspendAgent, args[0], reason)
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
			return changeStatus(cmd.Context(), a, server.Administration.ResumeAgent, args[0], "")
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
			return changeStatus(cmd.Context(), a, server.Administration.RevokeAgent, args[0], reason)
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the trail and whoever looks at the agent")
	return cmd
}

func newAgentRevokeCertificateCommand(a *app) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "revoke-certificate SERIAL",
		Short: "Revoke one certificate at once; its agent stays what it is",
		Long: `Revokes one certificate, by its serial in hexadecimal, and cuts within a second what was
opened with it. The agent's other certificates stay valid. There is no way back; a new one is
issued by agent renew.`,
		Example: "  sallyport agent revoke-certificate 2cd6ccdb887214f25c1d5fcabad3262a --reason 'found in an image'",
		Args:    oneArg("SERIAL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return revokeCertificate(cmd.Context(), a, admin.CertificateRequest{Serial: args[0], Reason: reason})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the trail")
	return cmd
}

func revokeCertificate(ctx context.Context, a *app, r admin.CertificateRequest) error {
	return a.administer(ctx, func(agents server.Administration) error {
		done, err := agents.RevokeCertificate(ctx, r)
		if err != nil {
			return err
		}
		if a.json() {
			return writeJSON(a.stdout, done)
		}
		for _, c := range done.Revoked {
			fmt.Fprintf(a.stdout, "certificate %s of agent %s (%s) is revoked\n", c.Serial, printable(done.Agent.Name), done.Agent.ID)
		}
		if done.Valid == 0 && done.Agent.Status == "active" {
			fmt.Fprintf(a.stdout, "next: it has no valid certificate left; `sallyport agent renew %s --out DIR` issues one\n", done.Agent.ID)
		}
		return nil
	})
}

type statusChange func(server.Administration, context.Context, admin.StatusRequest) (admin.Agent, error)

func changeStatus(ctx context.Context, a *app, change statusChange, id, reason string) error {
	return a.administer(ctx, func(agents server.Administration) error {
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
