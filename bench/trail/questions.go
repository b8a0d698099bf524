package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"sallyport/audit"
	"sallyport/audit/trail"
)

// question is one that is asked of the trail, and how many rows answer it.
type question struct {
	name string
	ask  func(context.Context, *trail.Reader) (int, error)
}

// questions asks every filter for what is common, rare and not there, and some
// of them together, on the first page and on one that is far back.
func questions(ctx context.Context, r *trail.Reader, only string) ([]question, error) {
	newest, err := r.List(ctx, audit.Filter{Limit: 1})
	if err != nil {
		return nil, err
	}
	head := newest[0]
	at := func(days int) time.Time { return head.StartedAt.AddDate(0, 0, -days) }
	var list []question
	for _, q := range slices.Concat(single(head.Agent), texts(), paged(at, head.Seq), together(at)) {
		if strings.Contains(q.name, only) {
			q.f.Limit = limit
			list = append(list, question{q.name, func(ctx context.Context, r *trail.Reader) (int, error) {
				found, err := r.List(ctx, q.f)
				return len(found), err
			}})
		}
	}
	return list, nil
}

type named struct {
	name string
	f    audit.Filter
}

func single(newest uuid.UUID) []named {
	return []named{
		{"none", audit.Filter{}},
		{"agent, new", audit.Filter{Agent: newest}},
		{"agent, old", audit.Filter{Agent: agentID(3)}},
		{"agent, rare", audit.Filter{Agent: agentID(-1)}},
		{"agent, none", audit.Filter{Agent: agentID(-2)}},
		{"name, old", audit.Filter{AgentName: "agent-3"}},
		{"name, none", audit.Filter{AgentName: "nobody"}},
		{"owner, common", audit.Filter{Owner: "team:t1"}},
		{"owner, rare", audit.Filter{Owner: "team:rare"}},
		{"owner, none", audit.Filter{Owner: "team:none"}},
		{"accountable, common", audit.Filter{Accountable: "person:p1"}},
		{"accountable, rare", audit.Filter{Accountable: "person:rare"}},
		{"accountable, none", audit.Filter{Accountable: "person:none"}},
		{"host, common", audit.Filter{Host: "api.github.com"}},
		{"host, rare", audit.Filter{Host: "rare.example.org"}},
		{"host, none", audit.Filter{Host: "none.example.org"}},
		{"operation, common", audit.Filter{Operation: "github:git/push"}},
		{"operation, rare", audit.Filter{Operation: "github:rare/one"}},
		{"operation, none", audit.Filter{Operation: "github:none"}},
		{"operation, pattern", audit.Filter{Operation: "aws:s3/*"}},
		{"operation, pattern by suffix", audit.Filter{Operation: "*/push"}},
		{"operation, pattern, none", audit.Filter{Operation: "*:none/*"}},
		{"resource, common", audit.Filter{Resource: "acme/repo-1"}},
		{"resource, rare", audit.Filter{Resource: "acme/rare"}},
		{"resource, none", audit.Filter{Resource: "acme/none"}},
		{"credential, common", audit.Filter{Credential: "acme-aws"}},
		{"credential, rare", audit.Filter{Credential: "rare"}},
		{"credential, none", audit.Filter{Credential: "none"}},
		{"decision, deny", audit.Filter{Decision: "deny"}},
		{"decision, none", audit.Filter{Decision: "ask"}},
		{"outcome, common", audit.Filter{Outcome: audit.OutcomeCompleted}},
		{"outcome, failed", audit.Filter{Outcome: audit.OutcomeUpstreamFailed}},
		{"outcome, rare", audit.Filter{Outcome: audit.OutcomeTimedOut}},
		{"outcome, none", audit.Filter{Outcome: audit.OutcomeRevoked}},
		{"status, common", audit.Filter{Status: 200}},
		{"status, 429", audit.Filter{Status: 429}},
		{"status, rare", audit.Filter{Status: 418}},
		{"status, none", audit.Filter{Status: 599}},
	}
}

func texts() []named {
	return []named{
		{"text, common", audit.Filter{Text: "/pulls"}},
		{"text, everywhere", audit.Filter{Text: "messages"}},
		{"text, error", audit.Filter{Text: "connection refused"}},
		{"text, rare", audit.Filter{Text: "needle-"}},
		{"text, commit", audit.Filter{Text: commit(1_000_001)}},
		{"text, none", audit.Filter{Text: "quite absent"}},
		{"text, hex, none", audit.Filter{Text: "0123456789abcdef0123"}},
		{"text, common parts, none", audit.Filter{Text: "messagespulls"}},
		{"mark, request id", audit.Filter{Mark: requestID(1_000_001)}},
		{"mark, commit or none", audit.Filter{Mark: commit(1_000_001)}},
		{"mark, token", audit.Filter{Mark: hash("token", 3*100)}},
		{"mark, access key", audit.Filter{Mark: accessKey(30)}},
		{"mark, none", audit.Filter{Mark: "absent"}},
		{"text, short hex, none", audit.Filter{Text: "/v1/messages/0"}},
	}
}

func paged(at func(days int) time.Time, head uint64) []named {
	return []named{
		{"since", audit.Filter{Since: at(1)}},
		{"until, old", audit.Filter{Until: at(89)}},
		{"between", audit.Filter{Since: at(45), Until: at(44)}},
		{"between, none", audit.Filter{Since: at(200), Until: at(199)}},
		{"page far back", audit.Filter{Before: head / 2}},
		{"agent, page far back", audit.Filter{Agent: agentID(3), Before: 100_000}},
		{"owner, page far back", audit.Filter{Owner: "team:t1", Before: head / 2}},
	}
}

func together(at func(days int) time.Time) []named {
	return []named{
		{"owner and outcome", audit.Filter{Owner: "team:t1", Outcome: audit.OutcomeUpstreamFailed}},
		{"owner and rare status", audit.Filter{Owner: "team:t1", Status: 418}},
		{"host and decision", audit.Filter{Host: "api.github.com", Decision: "deny"}},
		{"host and status, none", audit.Filter{Host: "api.anthropic.com", Status: 418}},
		{"operation and status", audit.Filter{Operation: "github:git/push", Status: 429}},
		{"old agent and deny", audit.Filter{Agent: agentID(3), Decision: "deny"}},
		{"old agent and status, none", audit.Filter{Agent: agentID(3), Status: 418}},
		{"denied and completed, none", audit.Filter{Decision: "deny", Outcome: audit.OutcomeCompleted}},
		{"owner and text", audit.Filter{Owner: "team:t1", Text: "/pulls"}},
		{"owner and rare text", audit.Filter{Owner: "team:t1", Text: "needle-"}},
		{"resource and operation", audit.Filter{Resource: "acme/repo-1", Operation: "github:git/push"}},
		{"resource and status, none", audit.Filter{Resource: "acme/repo-1", Status: 418}},
		{"credential and text, none", audit.Filter{Credential: "anthropic", Text: "/pulls"}},
		{"host and time", audit.Filter{Host: "api.github.com", Since: at(45), Until: at(44)}},
		{"text and time", audit.Filter{Text: "/pulls", Since: at(45), Until: at(44)}},
	}
}
