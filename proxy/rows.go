package proxy

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/google/uuid"

	"sallyport/audit"
)

// row is what the trail is told of one exchange: its intent before anything leaves, its
// outcome on every way out. What it takes of the trail counts against its agent's budget.
type row struct {
	clerk   *clerk
	agent   *agent
	id      uuid.UUID
	started time.Time
	intent  audit.Intent
	outcome audit.Outcome
}

// newRow begins the row of an exchange that begins now.
func newRow(c *clerk) row { return row{clerk: c, id: audit.NewID(), started: c.now()} }

func (r *row) sinceStart() float64 { return milliseconds(time.Since(r.started)) }

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// detail puts something into the intent's details.
func (r *row) detail(key string, value any) {
	if r.intent.Details == nil {
		r.intent.Details = map[string]any{}
	}
	r.intent.Details[key] = value
}

// found puts something into the outcome's details.
func (r *row) found(key string, value any) {
	if r.outcome.Details == nil {
		r.outcome.Details = map[string]any{}
	}
	r.outcome.Details[key] = value
}

// begin commits the intent.
func (r *row) begin(ctx context.Context) *refusal {
	start := time.Now()
	r.agent.wrote(r.started, rowWeight(&r.intent, nil), false)
	err := r.clerk.trail.Begin(context.WithoutCancel(ctx), &r.intent)
	r.outcome.Timings.Audit = milliseconds(time.Since(start))
	if err != nil {
		r.clerk.metrics.Exchange(r.intent.Decision, audit.OutcomeRefused, time.Since(r.started))
		return r.clerk.unrecorded(r.id, err)
	}
	return nil
}

// record records a list that the row has no room for as an event of the exchange. It
// counts against the agent's budget of the trail as the row does: how long such lists are
// together, the agent decides.
func (r *row) record(ctx context.Context, kind, key string, list []any) *refusal {
	payload := map[string]any{key: list}
	r.agent.wrote(r.started, eventBase+weightOf(payload), false)
	event := audit.Event{Type: kind, Exchange: r.id, Payload: payload}
	if err := r.clerk.trail.Record(context.WithoutCancel(ctx), event); err != nil {
		return r.clerk.unrecorded(r.id, err)
	}
	return nil
}

// refused commits the row of a refusal, both events in one: nothing has left. fill completes
// the intent. It returns what to answer, and which row that names: one that the agent's
// refusals share while it is over a bound.
func (r *row) refused(ctx context.Context, f *refusal, fill func()) (*refusal, uuid.UUID) {
	for key, value := range f.details {
		r.detail(key, value)
	}
	if limit, ok := f.details["limit"].(string); ok && f.word == overLimit.word {
		r.agent.meets(limit, r.started)
	}
	if r.agent.sums(f, r.started, func(limit string) { r.detail("limit", limit) }) {
		own, id := r.agent.summarise(r.id, r.started, func() audit.Intent {
			fill()
			return r.intent
		})
		if !own {
			r.clerk.metrics.Exchange("", audit.OutcomeRefused, time.Since(r.started))
			return f, id
		}
	}
	fill()
	r.intent.Refusal = f.word
	r.outcome = refusedOutcome(f, r.clerk.now())
	r.outcome.Timings.Total = r.sinceStart()
	r.agent.wrote(r.started, rowWeight(&r.intent, &r.outcome), true)
	// The row does not depend on the agent waiting for it.
	if err := r.clerk.trail.Refused(context.WithoutCancel(ctx), &r.intent, &r.outcome); err != nil {
		f = r.clerk.unrecorded(r.id, err)
	}
	r.clerk.metrics.Exchange(r.intent.Decision, audit.OutcomeRefused, time.Since(r.started))
	return f, r.id
}

func refusedOutcome(f *refusal, now time.Time) audit.Outcome {
	return audit.Outcome{EndedAt: now, Refusal: f.word, Status: f.status, Outcome: audit.OutcomeRefused, Error: f.errText()}
}

// answered notes a refusal after the intent was committed, or could not be.
func (r *row) answered(f *refusal, outcome string) {
	out := &r.outcome
	out.Refusal, out.Status, out.Error, out.Outcome = f.word, f.status, f.errText(), outcome
}

// ended notes that the exchange is done, unless the answer itself has said otherwise.
func (r *row) ended() {
	if r.outcome.Outcome == "" {
		r.outcome.Outcome = audit.OutcomeCompleted
	}
}

// end records the outcome, whatever way out was taken; cause is why the exchange was cut, nil
// if it was not. It does not wait.
func (r *row) end(cause error, sent, received int64) {
	out := &r.outcome
	r.settle(cause)
	out.EndedAt = r.clerk.now()
	out.BytesSent, out.BytesReceived = sent, received
	out.Timings.Authorize, out.Timings.Credential = r.intent.AuthorizeMS, r.intent.CredentialMS
	out.Timings.Total = r.sinceStart()
	r.agent.wrote(r.started, outcomeWeight(out), false)
	r.clerk.trail.End(r.id, out)
	r.clerk.metrics.Exchange(r.intent.Decision, out.Outcome, time.Since(r.started))
}

// settle names what came of an exchange that was cut: why it was cut tells more
// than where it was noticed.
func (r *row) settle(cause error) {
	out := &r.outcome
	var cut *cutError
	switch {
	case out.Outcome == audit.OutcomeCompleted || out.Outcome == audit.OutcomeRejected || out.Outcome == audit.OutcomeRefused || cause == nil:
	case errors.As(cause, &cut):
		out.Outcome, out.Refusal, out.Error = audit.OutcomeRevoked, cut.refusal.word, cut.refusal.detail
	case errors.Is(cause, errStopping):
		out.Outcome, out.Error = audit.OutcomeInterrupted, errStopping.Error()
	case errors.Is(cause, errStalled):
		out.Outcome, out.Error = audit.OutcomeTimedOut, errStalled.Error()
	case out.Outcome == "" || out.Outcome == audit.OutcomeUpstreamFailed:
		out.Outcome = audit.OutcomeClientGone
	}
	if out.Outcome == "" { // a way out that forgot to say; never leave the row open
		out.Outcome = audit.OutcomeUpstreamFailed
	}
}

func httpVersion(r *http.Request) string {
	switch {
	case r.ProtoMajor == 2:
		return "2"
	case r.ProtoMinor == 0:
		return "1.0"
	}
	return "1.1"
}
