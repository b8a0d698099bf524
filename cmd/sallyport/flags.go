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

// refuseEmpty refuses flags that were given an empty value, which is a variable or a
// file that was empty more often than a wish for the default.
func refuseEmpty(cmd *cobra.Command, names ...string) error {
	for _, name := range names {
		if f := cmd.Flags().Lookup(name); f.Changed && f.Value.String() == "" {
			return usagef("--%s is empty: give it a value, or leave it out", name)
		}
	}
	return nil
}
