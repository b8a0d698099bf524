package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func newManCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "man DIR",
		Short: "Write a manual page for every command into a folder",
		Long: `Writes a manual page for every command into DIR, for packages and for people who would
rather read sallyport-agent-create(1).`,
		Example: "  sallyport man ~/.local/share/man/man1",
		Args:    oneArg("DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil { //nolint:gosec // manual pages are for everybody to read
				return fmt.Errorf("make folder: %w", err)
			}
			root := cmd.Root()
			root.DisableAutoGenTag = true // two runs of one version write the same
			header := &doc.GenManHeader{Title: "SALLYPORT", Section: "1", Source: "Sallyport " + readBuild().Version, Manual: "Sallyport"}
			if err := doc.GenManTree(root, header, args[0]); err != nil {
				return fmt.Errorf("write manual pages: %w", err)
			}
			if a.json() {
				return writeJSON(a.stdout, map[string]string{"dir": args[0]})
			}
			_, err := fmt.Fprintf(a.stdout, "manual pages are in %s\n", args[0])
			return err
		},
	}
}
