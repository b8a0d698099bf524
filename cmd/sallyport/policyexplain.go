package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"sallyport/admin"
	"sallyport/policy"
)

func newPolicyExplainCommand(a *app) *cobra.Command {
	var name, method string
	cmd := &cobra.Command{
		Use:   "explain --policy P [--method M] URL | GRAPHQL | git push URL REF... | aws:SERVICE/OPERATION [ARN...] [REGION] [HOST]",
		Short: "Say which rule decides about a request, and why each other rule does not",
		Long: `Asks a policy of HOME about a request, without sending anything. A ws:// or wss:// URL
asks about a WebSocket. For GitHub, a GraphQL document or a git push line can stand in the
place of the URL; a push is asked about as one that creates its refs and as one that
updates them, unless --create, --update or --delete stands before its URL, behind a --
that ends the flags of this command. For AWS, an operation can be asked about by its name
and what it touches. Exit code 0 whatever the decision.`,
		Example: "  sallyport policy explain --policy example --method POST https://api.anthropic.com/v1/messages\n" +
			"  sallyport policy explain --policy example git push https://github.com/acme/web agent/fix\n" +
			"  sallyport policy explain --policy example aws:s3/GetObject arn:aws:s3:::acme-artifacts/a eu-west-1",
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			q, err := parseQuestion(method, args)
			if err != nil {
				return err
			}
			set, err := a.loadHome()
			if err != nil {
				return err
			}
			p, ok := set.Policies[name]
			if !ok {
				return admin.UnknownName("policy", name, slices.Sorted(maps.Keys(set.Policies)), "HOME/policies has none")
			}
			if err := q.classify(p); err != nil {
				return err
			}
			return explainAll(a, p, q)
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

func parseQuestion(method string, args []string) (question, error) {
	raw := strings.Join(args, " ")
	q := question{method: method, url: raw}
	if _, ours, _ := policy.ParseQuestion(raw, languages()...); ours {
		return q, nil // read once its policy is known, and with it the servers
	}
	if verb, url, ok := strings.Cut(raw, " "); ok && verb == strings.ToUpper(verb) && strings.Contains(url, "://") {
		return q, usagef("the method is a flag of its own; write --method %s %s", verb, url)
	}
	if len(args) > 1 {
		return q, usagef("one URL is asked about at a time")
	}
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

// classify asks what the request means to the services that the policy speaks of.
func (q *question) classify(p *policy.Policy) error {
	asked, ours, err := p.ParseQuestion(q.url, languages()...)
	switch {
	case err != nil:
		return usagef("%v", err)
	case ours:
		q.query, q.method = asked, asked.Method
	case q.refused == "":
		q.query = p.Classify(q.query, languages()...)
	}
	return nil
}

// operations are what the request was found to do.
func (q *question) operations() []string {
	names := []string{}
	if q.query.Meaning != nil {
		for i := range q.query.Meaning.Calls {
			names = append(names, q.query.Meaning.Service+":"+q.query.Meaning.Calls[i].String())
		}
	}
	return names
}

// explained is the JSON of `policy explain`.
type explained struct {
	Policy     string          `json:"policy"`
	Method     string          `json:"method"`
	URL        string          `json:"url"` // or the question, as it was asked
	Operations []string        `json:"operations"`
	Decision   string          `json:"decision"` // allow | deny | ask
	Rule       *string         `json:"rule"`
	Credential *string         `json:"credential"`
	AgentAuth  bool            `json:"agent_auth"`
	Cookies    bool            `json:"cookies"`
	Record     *recorded       `json:"record"` // what the trail keeps beside the usual
	Reason     string          `json:"reason"`
	Rules      []explainedRule `json:"rules"`
}

type recorded struct {
	Query   []string `json:"query"`
	Headers []string `json:"headers"`
}

type explainedRule struct {
	Rule    string `json:"rule"`
	Effect  string `json:"effect"`
	Line    int    `json:"line"`
	Matched bool   `json:"matched"`
	Decides bool   `json:"decides"`
	Why     string `json:"why"`
}

func explainAll(a *app, p *policy.Policy, q question) error {
	x := explained{Policy: p.Name(), Method: q.method, URL: q.url, Operations: q.operations(), Decision: policy.Deny.String(), Rules: []explainedRule{}}
	if q.refused != "" {
		x.Reason = "refused before any rule is asked: " + q.refused
		return printExplained(a, x)
	}
	e := p.Explain(q.query)
	d := e.Decision
	x.Decision, x.Reason = d.Effect.String(), d.Reason
	x.AgentAuth, x.Cookies = d.AgentAuth, d.Cookies
	if d.Record != nil {
		x.Record = &recorded{Query: append([]string{}, d.Record.Query...), Headers: append([]string{}, d.Record.Headers...)}
	}
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
	return printExplained(a, x)
}

func printExplained(a *app, x explained) error {
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
	if x.Record != nil {
		fmt.Fprintln(a.stdout, printable("records "+strings.Join(slices.Concat(x.Record.Query, x.Record.Headers), ", ")))
	}
	for _, o := range x.Operations {
		fmt.Fprintln(a.stdout, printable("operation "+o))
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
	return table(a.stdout, []string{"LINE", "RULE", "EFFECT", "VERDICT", "WHY"}, rows)
}
