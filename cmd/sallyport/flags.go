package main

import "github.com/spf13/cobra"

// oneArg demands exactly one argument and names it when it is missing.
func oneArg(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 1 {
			return nil
		}
		return usagef("%s takes one %s, got %d arguments", cmd.CommandPath(), name, len(args))
	}
}

// require marks flags without which the command means nothing.
func require(cmd *cobra.Command, names ...string) {
	for _, name := range names {
		if err := cmd.MarkFlagRequired(name); err != nil {
			panic("flag is not defined: " + err.Error()) // a typing slip in this package
		}
	}
}
