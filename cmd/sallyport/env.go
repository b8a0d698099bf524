package main

import (
	"errors"

	"github.com/spf13/cobra"
)

func newEnvCommand(*app) *cobra.Command {
	return &cobra.Command{Use: "env", Hidden: true, RunE: func(*cobra.Command, []string) error {
		return errors.New("env: not in this build")
	}}
}
