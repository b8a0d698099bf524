package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

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

// refuseEmpty refuses flags and arguments with an empty value. That is more often a variable or
// a file that was empty than a wish for the default, and nobody would notice that the filter, or
// the checkpoint to compare with, was left out.
func refuseEmpty(cmd *cobra.Command, args []string) (err error) {
	cmd.Flags().Visit(func(f *pflag.Flag) {
		values := []string{f.Value.String()}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			values = list.GetSlice()
		}
		if f.Name != "reason" && slices.Contains(values, "") {
			err = usagef("--%s is empty: give it a value, or leave it out", f.Name)
		}
	})
	// The command of run has arguments of its own, which may be empty.
	if err == nil && cmd.ArgsLenAtDash() < 0 && slices.ContainsFunc(args, blank) {
		return usagef("%s: an argument is empty; give it a value", cmd.CommandPath())
	}
	return err
}

func blank(arg string) bool { return strings.TrimSpace(arg) == "" }
