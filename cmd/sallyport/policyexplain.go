package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"sallyport/policy"
)

func newPolicyExplainCommand(a *app) *cobra.Command {
	var name, method string
	cmd := &cobra.Command{
		Use:   "explain --policy P [--method M] URL",
		Short: "Say which rule decides about a request, and why each other rule does not",
		Long: `Asks a policy of HOME about a request, without sending anything. A ws:// or wss:// URL
asks about a WebSocket. Exit code 0 whatever the decision.`,
		Example: "  sallyport policy explain --policy example --method POST https://api.anthropic.com/v1/messages",
		Args:    oneArg("URL"),
		RunE: func(_ *cobra.Command, args []string) error {
			q, err := parseQuestion(method, args[0])
			if err != nil {
				return err
			}
			set, err := a.loadHome()
			if err != nil {
				return err
			}
			p, ok := set.Policies[name]
			if !ok {
				known := slices.Sorted(maps.Keys(set.Policies))
				return withHint(fmt.Errorf("unknown policy %q", name), "there is %s", strings.Join(known, ", "))
			}
			return a.explain(p, q)
		},
	}
	cmd.Flags().StringVar(&name, "policy", "", "name of the policy (required)")
	cmd.Flags().StringVar(&method, "method", "GET", "method of the request")
	require(cmd, "policy")
	return cmd
}

// question is a request as it was typed. refused says why the proxy would not
// even ask a policy about it; "" if it would.
type question struct {
	method, url, refused string
	query                policy.Query
}

func parseQuestion(method, raw string) (question, error) {
	q := question{method: method, url: raw}
	var err error
	if q.query, err = policy.ParseRequest(method, raw); err == nil {
		return q, nil
	}
	// Wrong usage is a URL that names no host; what is only wrong after the
	// host is a request that the proxy would get, and refuse.
	if end := strings.IndexAny(strings.Replace(raw, "://", "   ", 1), "/?"); end > 0 {
		if _, other := policy.ParseRequest(method, raw[:end]); other == nil {
			q.refused = err.Error()
			return q, nil
		}
	}
	return q, usagef("%v", err)
}

// explained is the JSON of `policy explain`.
type explained struct {
	Policy     string          `json:"policy"`
	Method     string          `json:"method"`
	URL        string          `json:"url"`
	Decision   string          `json:"decision"` // allow | deny | ask
	Rule       *string         `json:"rule"`
	Credential *string         `json:"credential"`
	AgentAuth  bool            `json:"agent_auth"`
	Cookies    bool            `json:"cookies"`
	Reason     string          `json:"reason"`
	Rules      []explainedRule `json:"rules"`
}

type explainedRule struct {
	Rule    string `json:"rule"`
	Effect  string `json:"effect"`
	Line    int    `json:"line"`
	Matched bool   `json:"matched"`
	Decides bool   `json:"decides"`
	Why     string `json:"why"`
}

func (a *app) explain(p *policy.Policy, q question) error {
	x := explained{Policy: p.Name(), Method: q.method, URL: q.url, Decision: policy.Deny.String(), Rules: []explainedRule{}}
	if q.refused != "" {
		x.Reason = "refused before any rule is asked: " + q.refused
		return a.printExplained(x)
	}
	e := p.Explain(q.query)
	d := e.Decision
	x.Decision, x.Reason = d.Effect.String(), d.Reason
	x.AgentAuth, x.Cookies = d.AgentAuth, d.Cookies
	if d.Rule != "" {
		x.Rule = &d.Rule
	}
	if d.Credential != "" {
		x.Credential = &d.Credential
	}
	for _, r := range e.Rules {
		x.Rules = append(x.Rules, explainedRule{
			Rule: r.Rule, Effect: r.Effect.String(), Line: r.Line, Matched: r.Matched, Decides: r.Decides, Why: r.Why,
		})
	}
	return a.printExplained(x)
}

func (a *app) printExplained(x explained) error {
	if a.json() {
		return writeJSON(a.stdout, x)
	}
	verdict := x.Decision
	if x.Rule != nil {
		verdict += " by " + *x.Rule
	}
	if x.Credential != nil {
		verdict += " with credential " + *x.Credential
	}
	fmt.Fprintln(a.stdout, printable(verdict))
	if x.Reason != "" {
		fmt.Fprintln(a.stdout, printable(x.Reason))
	}
	if len(x.Rules) == 0 {
		return nil
	}
	fmt.Fprintln(a.stdout)
	rows := make([][]string, 0, len(x.Rules))
	for _, r := range x.Rules {
		verdict := "no match"
		switch {
		case r.Decides:
			verdict = "decides"
		case r.Matched:
			verdict = "matches"
		}
		rows = append(rows, []string{strconv.Itoa(r.Line), r.Rule, r.Effect, verdict, r.Why})
	}
	return table(a.stdout, []string{"LINE", "RULE", "EFFECT", "", "WHY"}, rows)
}
