package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"sallyport/admin"
	"sallyport/config"
	"sallyport/policy"
	"sallyport/server"
	"sallyport/services"
)

func newPolicyCommand(a *app) *cobra.Command {
	group := withUsage(&cobra.Command{
		Use:     "policy",
		Short:   "Check policies, explain their decisions, make one",
		Example: "  sallyport policy explain --policy example https://www.python.org/",
	})
	group.AddCommand(newPolicyCheckCommand(a), newPolicyExplainCommand(a), newPolicyNewCommand(a))
	return group
}

func newPolicyCheckCommand(a *app) *cobra.Command {
	var withAgents bool
	cmd := &cobra.Command{
		Use:   "check [FILE...]",
		Short: "Report every error, and run the tests inside the files",
		Long: `Without FILE, checks all of HOME as the server would load it: sallyport.yaml, owners,
credentials, policies, and each against the others. With FILE, checks these policies by
themselves. Then runs the tests inside the policies. Exit code 1 if anything is wrong.

While a server runs, or with --agents, it also warns of live agents whose owner or policy
would not be there any more.`,
		Example: "  sallyport policy check\n  sallyport policy check policies/operator.yaml",
		RunE: func(cmd *cobra.Command, args []string) error {
			if withAgents && len(args) > 0 {
				return usagef("--agents goes with a whole home, not with single files")
			}
			c, err := checkPolicies(cmd.Context(), a, args, withAgents)
			if err != nil {
				c.Errors = strings.Split(err.Error(), "\n")
			}
			c.OK = len(c.Errors)+len(c.Failures) == 0
			return printPolicyCheck(a, c)
		},
	}
	cmd.Flags().BoolVar(&withAgents, "agents", false, "look at the agents too when no server runs")
	return cmd
}

// orphanWarnings are about live agents that these files leave without an owner or
// a policy. Without a server they are asked for only if that is wanted.
func orphanWarnings(ctx context.Context, a *app, set *config.Set, wanted bool) ([]string, error) {
	var agents []admin.Agent
	list := func(is server.Administration) (err error) {
		agents, err = is.Agents(ctx)
		return err
	}
	client, err := a.env().Connect(ctx)
	switch {
	case err == nil:
		defer client.Close()
		err = list(client)
	case wanted:
		err = a.administer(ctx, list)
	default:
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look at the agents: %w", err)
	}
	view := admin.View{Policies: set.Policies, Owners: set.Owners}
	return admin.FindOrphans(view, agents).Warnings(set.Config.OwnersGrace), nil
}

// policyCheck is the JSON of `policy check`.
type policyCheck struct {
	OK       bool            `json:"ok"`
	Errors   []string        `json:"errors"`   // file:line: key: what
	Warnings []string        `json:"warnings"` // likewise
	Failures []testFailure   `json:"failures"`
	Policies []checkedPolicy `json:"policies"` // those that could be read
}

type checkedPolicy struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
	Tests  int    `json:"tests"`  // that the file holds
	Failed int    `json:"failed"` // of them
}

type testFailure struct {
	File     string  `json:"file"`
	Line     int     `json:"line"`
	Request  string  `json:"request"`
	Expected string  `json:"expected"`
	Got      string  `json:"got"` // allow | deny | ask
	Rule     *string `json:"rule"`
	Reason   string  `json:"reason"`
}

func checkPolicies(ctx context.Context, a *app, files []string, withAgents bool) (policyCheck, error) {
	c := policyCheck{Errors: []string{}, Warnings: []string{}, Failures: []testFailure{}, Policies: []checkedPolicy{}}
	if len(files) == 0 {
		set, err := a.loadHome()
		if err != nil {
			return c, err
		}
		c.Warnings = append(c.Warnings, set.Warnings...)
		for _, name := range slices.Sorted(maps.Keys(set.Policies)) {
			c.add(set.Policies[name])
		}
		orphaned, err := orphanWarnings(ctx, a, set, withAgents)
		c.Warnings = append(c.Warnings, orphaned...)
		return c, err
	}
	var errs []error
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		p, err := policy.Parse(file, data, languages()...)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, w := range p.Warnings() {
			c.Warnings = append(c.Warnings, w.Error())
		}
		c.add(p)
	}
	return c, errors.Join(errs...)
}

// add runs the policy's own tests.
func (c *policyCheck) add(p *policy.Policy) {
	failures := p.RunTests()
	c.Policies = append(c.Policies, checkedPolicy{Name: p.Name(), SHA256: p.Hash(), Tests: p.Tests(), Failed: len(failures)})
	for _, f := range failures {
		failure := testFailure{
			File: f.File, Line: f.Line, Request: f.Request, Expected: f.Expected,
			Got: f.Got.Effect.String(), Reason: f.Got.Reason,
		}
		if f.Got.Rule != "" {
			failure.Rule = &f.Got.Rule
		}
		c.Failures = append(c.Failures, failure)
	}
}

func printPolicyCheck(a *app, c policyCheck) error {
	if a.json() {
		if err := writeJSON(a.stdout, c); err != nil {
			return err
		}
	} else {
		for _, line := range c.Errors {
			fmt.Fprintf(a.stderr, "sallyport: %s\n", printable(line))
		}
		for _, w := range c.Warnings {
			fmt.Fprintf(a.stderr, "warning: %s\n", printable(w))
		}
		var lines []string
		for _, f := range c.Failures {
			lines = append(lines, f.String())
		}
		for _, p := range c.Policies {
			lines = append(lines, p.String())
		}
		if err := writeLines(a.stdout, lines); err != nil {
			return err
		}
	}
	if !c.OK {
		return exitCode(exitFailed)
	}
	return nil
}

// String says what was found, so that nobody takes a policy without tests for a tested one.
func (p checkedPolicy) String() string {
	said := "policy " + p.Name + " is well-formed, "
	switch {
	case p.Tests == 0:
		return said + "and has no tests"
	case p.Failed > 0:
		return said + fmt.Sprintf("but %d of %s", p.Failed, counted(p.Tests, "test fails", "tests fail"))
	}
	return said + "and " + counted(p.Tests, "test passes", "tests pass")
}

func (f testFailure) String() string {
	got := f.Got
	if f.Rule != nil {
		got += " by " + *f.Rule
	}
	return f.File + ":" + strconv.Itoa(f.Line) + ": " + f.Request + ": expected " + f.Expected + ", got " + got + " (" + f.Reason + ")"
}

// loadHome reads HOME's files as the server would. A home that was never
// started has no key for fingerprints, and none are made here.
func (a *app) loadHome() (*config.Set, error) {
	l, err := a.env().Layout()
	if err != nil {
		return nil, err
	}
	return config.Load(l, a.env().CheckOptions())
}

// languages are the services that policies can speak of, where credentials are not known.
func languages() []policy.Language { return services.Languages(server.Services(), nil) }
