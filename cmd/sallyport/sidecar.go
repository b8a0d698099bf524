package main

import (
	"errors"

	"github.com/spf13/cobra"
)

func newSidecarCommand(*app) *cobra.Command {
	return &cobra.Command{Use: "sidecar", Hidden: true, RunE: func(*cobra.Command, []string) error {
		return errors.New("sidecar: not in this build")
	}}
}
