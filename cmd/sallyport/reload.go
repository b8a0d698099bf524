package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"sallyport/admin"
	"sallyport/internal/hint"
)

func newReloadCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "reload",
		Short: "Make the running server read its files again",
		Long: `Makes the running server parse all files and put them in force, if all are right. If
not, it says what is wrong and keeps what it has. The server does the same by itself when
files change, and on SIGHUP.`,
		Example: "  sallyport reload",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := a.env().Connect(cmd.Context())
			if errors.Is(err, admin.ErrNoServer) {
				return hint.With(err, "`sallyport policy check` checks the files without one")
			}
			if err != nil {
				return err
			}
			defer client.Close()
			c, err := client.Reload(cmd.Context())
			if err != nil {
				return err
			}
			return printConfiguration(a, c)
		},
	}
}

// takeOver has a running server read the files that this command wrote, so that the next command
// finds them in force. Without a server the next start reads them.
func (a *app) takeOver(ctx context.Context) {
	client, err := a.env().Connect(ctx)
	if errors.Is(err, admin.ErrNoServer) {
		return
	}
	if err == nil {
		defer client.Close()
		_, err = client.Reload(ctx)
	}
	if err != nil {
		fmt.Fprintf(a.stderr, "warning: the running server has not taken it over: %s\n", printable(err.Error()))
	}
}

func printConfiguration(a *app, c admin.Configuration) error {
	if a.json() {
		return writeJSON(a.stdout, c)
	}
	for _, w := range c.Warnings {
		fmt.Fprintf(a.stderr, "warning: %s\n", printable(w))
	}
	what := "was in force already"
	if c.Changed {
		what = "is now in force"
	}
	_, err := fmt.Fprintf(a.stdout, "generation %d (%d files) %s\n", c.Generation, len(c.Files), what)
	return err
}
