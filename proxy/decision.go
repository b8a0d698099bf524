package proxy

import (
	"net/http"

	"sallyport/policy"
)

// decision is what the agent's policy says of a request.
type decision struct {
	policy *policy.Policy // nil if there is none by its name, which denies
	policy.Decision
	made bool // else the policy was not asked
}

// nameOf is what people call the protocol of an upgrade.
var nameOf = map[string]string{methodWebSocket: "WebSocket", methodSPDY: "SPDY"}

// refusal is that of a decision which does not allow the request.
func (d *decision) refusal(t *target) *refusal {
	why := deniedByPolicy
	if d.Effect == policy.Ask {
		why = needsApproval
	}
	refusal := why.because(d.Reason)
	refusal.rule = d.Rule
	if t.isUpgrade() && d.Rule == "" {
		refusal.hint = "This is an upgrade to " + nameOf[t.method] + ", which a rule allows by methods: [" + t.method + "]. " + why.hint
	}
	return refusal
}

// reason is why one call of a request is refused, as asked about in its calls' own words.
func (d *decision) reason(f *refusal, asked policy.Query, call int) string {
	if f.word != deniedByPolicy.word && f.word != needsApproval.word || !d.made || d.Effect == policy.Allow {
		return f.detail
	}
	if one := d.policy.DecideCall(asked, call); one.Effect != policy.Allow {
		return one.Reason
	}
	return "refused together with the others: a push goes out whole or not at all"
}

// tell says in the row what the policy has decided.
func (d *decision) tell(row *row, r *http.Request) {
	if d.policy != nil {
		row.intent.PolicyHash = d.policy.Hash()
	}
	if d.made {
		row.intent.Rule, row.intent.Decision = d.Rule, d.Effect.String()
	}
	if d.Effect != policy.Allow {
		return
	}
	if d.AgentAuth {
		row.detail("agent_auth", "pass")
	}
	if d.Cookies && len(r.Header["Cookie"]) > 0 {
		row.detail("cookies", "pass")
	}
}
