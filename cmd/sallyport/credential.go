package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

func newCredentialCommand(a *app) *cobra.Command {
	group := withUsage(&cobra.Command{
		Use:     "credential",
		Short:   "List credentials and try one",
		Example: "  sallyport credential check anthropic",
	})
	group.AddCommand(newCredentialListCommand(a), newCredentialCheckCommand(a))
	return group
}

func newCredentialListCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List what may be injected, where, and which policies use it; never a value",
		Example: "  sallyport credential list",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.administer(cmd.Context(), func(admin administration) error {
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
				return table(a.stdout, []string{"NAME", "KIND", "HOSTS", "POLICIES"}, rows)
			})
		},
	}
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
			return a.administer(cmd.Context(), func(admin administration) error {
				return a.checkCredential(cmd.Context(), admin, args[0])
			})
		},
	}
}

func (a *app) checkCredential(ctx context.Context, admin administration, name string) error {
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
		return fmt.Errorf("credential %s does not work: %s", name, text(check.Error))
	}
	if err == nil && !check.OK {
		return exitCode(exitFailed)
	}
	return err
}
