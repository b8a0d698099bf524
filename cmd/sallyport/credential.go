package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sallyport/admin"
	"sallyport/server"
)

func newCredentialCommand(a *app) *cobra.Command {
	group := withUsage(&cobra.Command{
		Use:     "credential",
		Short:   "List credentials, try one, add one",
		Example: "  sallyport credential check anthropic",
	})
	group.AddCommand(newCredentialListCommand(a), newCredentialCheckCommand(a), newCredentialAddCommand(a))
	return group
}

func newCredentialListCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List what may be injected, where, which policies use it, and what GitHub still allows; never a value",
		Example: "  sallyport credential list",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.administer(cmd.Context(), func(admin server.Administration) error {
				list, err := admin.Credentials(cmd.Context())
				if err != nil {
					return err
				}
				if a.json() {
					return writeJSON(a.stdout, list)
				}
				rows := make([][]string, 0, len(list))
				for _, c := range list {
					rows = append(rows, []string{c.Name, c.Kind, strings.Join(c.Hosts, " "), strings.Join(c.Policies, " ")})
				}
				if err := table(a.stdout, []string{"NAME", "KIND", "HOSTS", "POLICIES"}, rows); err != nil {
					return err
				}
				return writeRateLimits(a, list)
			})
		},
	}
}

// writeRateLimits writes a second table, if GitHub has said anything yet.
func writeRateLimits(a *app, list []admin.Credential) error {
	var rows [][]string
	for _, c := range list {
		for _, l := range c.RateLimits {
			left, whole := "", ""
			if l.Resource != nil {
				left = fmt.Sprintf("%d of %d", *l.Remaining, *l.Limit)
				whole = l.ResetAt.Local().Format(time.TimeOnly)
			}
			until := ""
			if l.RetryAfter != nil {
				until = l.RetryAfter.Local().Format(time.TimeOnly)
			}
			rows = append(rows, []string{c.Name, l.Owner, strconv.FormatInt(l.Installation, 10), text(l.Resource), left, whole, strconv.Itoa(l.Agents), until})
		}
	}
	if len(rows) == 0 {
		return nil
	}
	if _, err := fmt.Fprintln(a.stdout); err != nil {
		return err
	}
	return table(a.stdout, []string{"NAME", "OWNER", "INSTALLATION", "LIMIT", "LEFT", "WHOLE AT", "AGENTS", "BACKED OFF UNTIL"}, rows)
}

func newCredentialCheckCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "check NAME",
		Short: "Load or mint a credential once and say whether it works",
		Long: `Loads or mints a credential once, in the running server if there is one, because that
is where its environment and files count. Exit code 1 if it does not work. Its value is
never shown.`,
		Example: "  sallyport credential check anthropic",
		Args:    oneArg("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.administer(cmd.Context(), func(admin server.Administration) error {
				return checkCredential(cmd.Context(), a, admin, args[0])
			})
		},
	}
}

func checkCredential(ctx context.Context, a *app, admin server.Administration, name string) error {
	check, err := admin.CheckCredential(ctx, name)
	if err != nil {
		return err
	}
	switch {
	case a.json():
		err = writeJSON(a.stdout, check)
	case check.OK:
		_, err = fmt.Fprintf(a.stdout, "credential %s (%s) works, fingerprint %s\n", name, check.Kind, text(check.Fingerprint))
	default:
		return fmt.Errorf("credential %s does not work: %s", name, strings.TrimPrefix(text(check.Error), "credential "+name+": "))
	}
	if err == nil && !check.OK {
		return exitCode(exitFailed)
	}
	return err
}
