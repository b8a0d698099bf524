package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"sallyport/admin"
	"sallyport/identity/owners"
	"sallyport/internal/hint"
	"sallyport/server"
)

// defaultTTL is the lifetime of an agent whose creator does not say.
const defaultTTL = 24 * time.Hour

func newAgentCommand(a *app) *cobra.Command {
	group := withUsage(&cobra.Command{
		Use:   "agent",
		Short: "Create, list, suspend and revoke agents",
		Long: `An agent is a UUID with a policy, an accountable owner and an expiry. Its client
certificate carries the UUID and nothing else, so that a change of policy, owner or
status applies to its very next request.`,
		Example: "  sallyport agent create --policy example --owner person:dana --name builder",
	})
	group.AddCommand(
		newAgentCreateCommand(a),
		newAgentRenewCommand(a),
		newAgentListCommand(a),
		newAgentShowCommand(a),
		newAgentSuspendCommand(a),
		newAgentResumeCommand(a),
		newAgentRevokeCommand(a),
		newAgentRevokeCertificateCommand(a),
		newAgentInviteCommand(a),
	)
	return group
}

func newAgentCreateCommand(a *app) *cobra.Command {
	var r admin.CreateRequest
	var ttl time.Duration
	var out string
	var force bool
	cmd := &cobra.Command{
		Use:   "create --policy P --owner O",
		Short: "Register an agent and write its identity folder",
		Long: `Registers an agent and writes its identity into a folder: agent.crt and agent.key,
ca.crt (to verify the proxy), bundle.crt and truststore.p12 (for the agent's clients),
files that lead some of them there (wgetrc, apt.conf, php.ini, node.crt), agent.json. The key exists nowhere else.`,
		Example: "  sallyport agent create --policy example --owner team:platform --name builder --ttl 8h --out ./builder",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r.TTL = admin.Duration(ttl)
			return createAgent(cmd.Context(), a, r, out, force)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&r.Policy, "policy", "", "policy that the agent is under (required)")
	flags.StringVar(&r.Owner, "owner", "", "who answers for it: person:NAME or team:NAME (required)")
	flags.StringVar(&r.Name, "name", "", "name for people (default the policy and a random part)")
	spanVar(cmd, &ttl, "ttl", defaultTTL, "lifetime of the agent and its certificate, as 8h or 7d")
	flags.StringVar(&out, "out", "", "identity folder to write (default ./NAME)")
	flags.BoolVar(&force, "force", false, "replace an identity that the folder already holds")
	require(cmd, "policy", "owner")
	return cmd
}

func createAgent(ctx context.Context, a *app, r admin.CreateRequest, out string, force bool) error {
	if r.Name == "" {
		suffix := make([]byte, 4)
		_, _ = rand.Read(suffix) // never fails (crypto/rand.Read)
		r.Name = r.Policy + "-" + hex.EncodeToString(suffix)
	} else if err := owners.CheckName(r.Name); err != nil { // before its folder is looked at
		return fmt.Errorf("create agent: name %w", err)
	}
	if out == "" {
		out = r.Name
	}
	folder, err := stageIdentity(out, func(id string) error {
		if force {
			return nil
		}
		return hint.With(occupiedBy(out, id), "choose another --out, or replace it with --force")
	})
	if err != nil {
		return err
	}
	defer folder.discard()
	return a.administer(ctx, func(agents server.Administration) error {
		e, err := agents.CreateAgent(ctx, r)
		if err != nil {
			return err
		}
		if err := folder.publish(e); err != nil {
			revoke := admin.StatusRequest{ID: e.Agent.ID.String(), Reason: "its identity folder could not be written"}
			_, undo := agents.RevokeAgent(context.WithoutCancel(ctx), revoke)
			return errors.Join(err, undo)
		}
		return printEnrolment(a, e, folder, "created")
	})
}

func newAgentRenewCommand(a *app) *cobra.Command {
	var ttl time.Duration
	var out string
	var replace bool
	cmd := &cobra.Command{
		Use:   "renew ID --out DIR",
		Short: "Issue a new certificate to an agent and move its expiry",
		Long: `Issues a new certificate, with a new key, to an agent that exists, moves its expiry
and writes the folder's files anew. The folder is the agent's own, or a new one.

Connections that are open go on. With --replace the agent's earlier certificates are revoked
once the folder is written, and what was opened with them is cut within a second: a sidecar
that reads the folder connects anew by itself, and whoever holds a copy of the old one is out.`,
		Example: "  sallyport agent renew builder --out ./builder --ttl 8h",
		Args:    oneArg("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return renewAgent(cmd.Context(), a, admin.RenewRequest{ID: args[0], TTL: admin.Duration(ttl)}, out, replace)
		},
	}
	spanVar(cmd, &ttl, "ttl", defaultTTL, "lifetime from now on, as 8h or 7d")
	cmd.Flags().StringVar(&out, "out", "", "identity folder to write (required)")
	cmd.Flags().BoolVar(&replace, "replace", false, "revoke the agent's earlier certificates and cut what was opened with them")
	require(cmd, "out")
	return cmd
}

func renewAgent(ctx context.Context, a *app, r admin.RenewRequest, out string, replace bool) error {
	return a.administer(ctx, func(agents server.Administration) error {
		agent, err := agents.Agent(ctx, r.ID)
		if err != nil {
			return err
		}
		r.ID = agent.ID.String()
		folder, err := stageIdentity(out, func(id string) error {
			if id == r.ID {
				return nil
			}
			return hint.With(occupiedBy(out, id), "choose another --out")
		})
		if err != nil {
			return err
		}
		defer folder.discard()
		e, err := agents.RenewAgent(ctx, r)
		if err != nil {
			return err
		}
		if err := folder.publish(e); err != nil {
			return err
		}
		if replace { // only now: the agent is never without a certificate that it can find
			_, err := agents.RevokeCertificate(ctx, admin.CertificateRequest{Serial: e.Serial, Older: true, Reason: "replaced by a renewal"})
			if err != nil {
				return fmt.Errorf("%s holds a new certificate, but the earlier ones are not revoked: %w", folder.shown, err)
			}
		}
		return printEnrolment(a, e, folder, "renewed")
	})
}

func occupiedBy(folder, id string) error {
	if id == "" {
		return fmt.Errorf("%s already holds files of an identity", folder)
	}
	return fmt.Errorf("%s already holds the identity of agent %s", folder, id)
}

// created is the JSON of create and renew.
type created struct {
	ID        string        `json:"id"`
	Name      string        `json:"name"`
	Policy    string        `json:"policy"`
	Owner     string        `json:"owner"`
	Status    string        `json:"status"`
	ExpiresAt time.Time     `json:"expires_at"`
	SPIFFEID  string        `json:"spiffe_id"`
	Files     identityFiles `json:"files"`
}

func printEnrolment(a *app, e admin.Enrolment, folder *identityFolder, done string) error {
	agent := e.Agent
	if a.json() {
		return writeJSON(a.stdout, created{
			ID: agent.ID.String(), Name: agent.Name, Policy: agent.Policy, Owner: agent.Owner, Status: agent.Status,
			ExpiresAt: agent.ExpiresAt, SPIFFEID: agent.SPIFFEID, Files: folder.files(),
		})
	}
	return fields(a.stdout,
		"agent", agent.Name+" "+done,
		"id", agent.ID.String(),
		"policy", agent.Policy,
		"owner", agent.Owner,
		"expires", a.moment(agent.ExpiresAt),
		"identity", folder.shown,
	)
}

func newAgentListCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List all agents, oldest first",
		Example: "  sallyport agent list -o json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.administer(cmd.Context(), func(agents server.Administration) error {
				list, err := agents.Agents(cmd.Context())
				if err != nil {
					return err
				}
				return printAgents(a, list)
			})
		},
	}
}

func printAgents(a *app, list []admin.Agent) error {
	if a.json() {
		return writeJSON(a.stdout, list)
	}
	rows := make([][]string, 0, len(list))
	for _, g := range list {
		rows = append(rows, []string{g.ID.String(), g.Name, g.Policy, g.Owner, g.Status, a.moment(g.ExpiresAt)})
	}
	return table(a.stdout, []string{"ID", "NAME", "POLICY", "OWNER", "STATUS", "EXPIRES"}, rows)
}

func newAgentShowCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "show ID",
		Short:   "Show one agent and its certificates",
		Long:    "Shows one agent, by UUID or name, and the certificates that were issued to it.",
		Example: "  sallyport agent show builder",
		Args:    oneArg("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.administer(cmd.Context(), func(agents server.Administration) error {
				agent, err := agents.Agent(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				if a.json() {
					return writeJSON(a.stdout, agent)
				}
				return printAgent(a, agent)
			})
		},
	}
}

func printAgent(a *app, g admin.AgentDetail) error {
	err := fields(a.stdout,
		"id", g.ID.String(),
		"name", g.Name,
		"policy", g.Policy,
		"owner", g.Owner,
		"accountable", text(g.Accountable),
		"status", g.Status,
		"reason", text(g.Reason),
		"created", a.moment(g.CreatedAt),
		"changed", a.moment(g.ChangedAt),
		"expires", a.moment(g.ExpiresAt),
		"spiffe id", g.SPIFFEID,
	)
	if err != nil || len(g.Certificates) == 0 {
		return err
	}
	rows := make([][]string, 0, len(g.Certificates))
	for _, c := range g.Certificates {
		state := "valid"
		switch {
		case c.Revoked:
			state = "revoked"
		case !a.now().Before(c.NotAfter):
			state = "expired"
		}
		rows = append(rows, []string{strconv.Itoa(c.Generation), c.Serial, a.moment(c.NotAfter), state})
	}
	fmt.Fprintln(a.stdout)
	return table(a.stdout, []string{"CERTIFICATE", "SERIAL", "NOT AFTER", "STATE"}, rows)
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
