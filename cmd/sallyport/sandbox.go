package main

import (
	"fmt"
	"net"
	"path/filepath"

	"github.com/spf13/cobra"

	"sallyport/sandbox/probe"
)

func newSandboxCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sandbox",
		Short: "Look at the sandbox that this runs in",
	}
	cmd.AddCommand(newProbeCommand(a))
	withUsage(cmd)
	return cmd
}

func newProbeCommand(a *app) *cobra.Command {
	var targets []string
	cmd := &cobra.Command{
		Use:   "probe [--target HOST:PORT]...",
		Short: "Try to get out past the proxy, and name what leads out",
		Long: `Run it in the sandbox, as the agent is run: in a jail, a container or a pod. It tries what leads
past a proxy: TCP and UDP to addresses that answer everybody, IPv6, QUIC, name servers, the
metadata services of clouds, the machine that a container runs on, sockets of programs
outside (docker, ssh-agent, D-Bus), raw sockets, descriptors that were left open, and the keys
in HOME. Each --target is tried, too: name what must not be reached and would answer.

Exit code 1 if anything got out. That nothing did is no proof that there is no way: a target
that is down looks like one that cannot be reached. In a jail of run --jail the trail has the
tries as blocked.`,
		Example: `  sallyport run --jail --policy example --owner person:dana -- sallyport sandbox probe
  sallyport sandbox probe --target db.internal:5432 -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, target := range targets {
				if _, _, err := net.SplitHostPort(target); err != nil {
					return usagef("--target %q: write it as HOST:PORT", target)
				}
			}
			keys, _ := filepath.Glob(filepath.Join(a.home, "state", "ca", "*.key")) // the pattern is right
			return printProbe(a, probe.Run(cmd.Context(), probe.Config{
				Targets: targets, Secrets: append(keys, filepath.Join(a.home, "credentials.yaml"), fileKey),
			}))
		},
	}
	cmd.Flags().StringArrayVar(&targets, "target", nil, "what must not be reached, as HOST:PORT; may be repeated")
	return cmd
}

func printProbe(a *app, r probe.Report) error {
	if a.json() {
		if err := writeJSON(a.stdout, r); err != nil {
			return err
		}
	} else {
		for _, t := range r.Tried {
			mark := "closed"
			if t.Hole {
				mark = "HOLE"
			}
			fmt.Fprintf(a.stdout, "%-7s %-10s %s: %s\n", mark, t.What, printable(t.Target), printable(t.Result))
		}
		fmt.Fprintf(a.stdout, "%d tried, %d got out\n", len(r.Tried), len(r.Holes))
	}
	if !r.Confined {
		return exitCode(1)
	}
	return nil
}
