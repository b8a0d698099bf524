package proxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"os"
	"strings"
	"sync"
	"time"

	"sallyport/audit"
	"sallyport/credentials"
	"sallyport/internal/host"
)

// maxErrandAnswer is far above an answer that lists the 500 repositories which one
// token can be narrowed to.
const maxErrandAnswer = 8 << 20

// Why an errand was not run.
var (
	errUnrecorded = errors.New("the intent of the request could not be recorded")
	errInactive   = errors.New("the agent is not active any more")
)

// errand carries the requests that Sallyport makes itself, on behalf of an agent: to
// mint what an exchange needs, and to revoke it. Each is an exchange of its own, whose
// intent is committed before a name is looked up for it. What it does and what its
// answer tells, the request says itself (credentials.Call); an errand knows no service.
type errand struct {
	by         *errands
	generation *Generation
	bound      bool         // refused once the agent of the intent is not active
	agent      *agent       // whose budget of the trail its rows are taken from; nil for nobody's
	intent     audit.Intent // what all of its exchanges have in common
}

// unbound is an errand that revokes what is not kept, which has nothing to do with the
// agent's state.
type unbound struct{ *errand }

// RoundTrip is that of the errand.
func (u unbound) RoundTrip(r *http.Request) (*http.Response, error) {
	e := *u.errand
	e.bound = false
	return e.RoundTrip(r)
}

// RoundTrip reads the whole answer, so that its row is complete when it returns.
func (e *errand) RoundTrip(r *http.Request) (*http.Response, error) {
	in, err := e.begin(r)
	if err != nil {
		return nil, err
	}
	run := &run{started: time.Now(), call: credentials.CallOf(r), clean: credentials.RequestScrubber(r)}
	ctx, cancel := context.WithCancel(httptrace.WithClientTrace(r.Context(), run.trace()))
	defer cancel()
	defer context.AfterFunc(e.by.life, cancel)()
	response, body, err := e.send(r.WithContext(ctx))
	outcome := run.outcome(response, body, err)
	if response != nil {
		outcome.UpstreamRequestID = e.generation.requestID(serviceOf(run.call.Operation), response.Header)
	}
	outcome.EndedAt = e.by.now()
	outcome.BytesSent = max(r.ContentLength, 0)
	e.wrote(in.StartedAt, outcomeWeight(outcome))
	e.by.clerk.trail.End(in.ID, outcome)
	e.by.clerk.metrics.Exchange(in.Decision, outcome.Outcome, time.Since(run.started))
	if err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	return response, nil
}

// begin commits the intent.
func (e *errand) begin(r *http.Request) (*audit.Intent, error) {
	if e.bound {
		record, found := e.by.registry.Lookup(e.intent.Agent)
		if !found || inactive(record.State(e.by.now())) != nil {
			return nil, errInactive
		}
	}
	authority, err := host.ParseAuthority(r.URL.Host, 443)
	if err != nil || r.URL.Scheme != "https" {
		return nil, fmt.Errorf("%s is not an address over https", r.URL.Redacted())
	}
	in := e.intent
	in.ID, in.StartedAt = audit.NewID(), e.by.now()
	in.Method, in.Scheme, in.Host, in.Port, in.Path = r.Method, "https", authority.Name.String(), authority.Port, r.URL.EscapedPath()
	in.HTTPVersion = "1.1"
	call := credentials.CallOf(r)
	in.Operation, in.Resource = call.Operation, call.Resource
	e.wrote(in.StartedAt, rowWeight(&in, nil))
	if err := e.by.clerk.trail.Begin(context.WithoutCancel(r.Context()), &in); err != nil {
		_ = e.by.clerk.unrecorded(in.ID, err)
		return nil, errUnrecorded
	}
	return &in, nil
}

// wrote takes what the errand's row takes from the budget of the agent that it is for.
func (e *errand) wrote(now time.Time, n int) {
	if e.agent != nil {
		e.agent.wrote(now, n, false)
	}
}

func (e *errand) send(r *http.Request) (*http.Response, []byte, error) {
	response, err := e.by.ways.Errands(e.generation.Upstream).RoundTrip(r)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxErrandAnswer+1))
	if err == nil && len(body) > maxErrandAnswer {
		err = errors.New("the answer is too long")
	}
	if err != nil {
		return response, nil, fmt.Errorf("read the answer: %w", err)
	}
	return response, body, nil
}

// run is what the transport tells of one errand, possibly after it has given up.
type run struct {
	started time.Time
	call    credentials.Call
	clean   func(http.Header) int // takes what the request was authenticated by out of a text

	mu        sync.Mutex
	connect   float64
	firstByte float64
	address   string
}

func (r *run) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.connect, r.address = milliseconds(time.Since(r.started)), info.Conn.RemoteAddr().String()
		},
		GotFirstResponseByte: func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.firstByte = milliseconds(time.Since(r.started))
		},
	}
}

func (r *run) outcome(response *http.Response, body []byte, err error) *audit.Outcome {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := &audit.Outcome{
		Outcome: audit.OutcomeCompleted, UpstreamAddr: r.address, BytesReceived: int64(len(body)),
		Timings: audit.Timings{Connect: r.connect, FirstByte: r.firstByte, Total: milliseconds(time.Since(r.started))},
	}
	if response != nil {
		r.clean(response.Header)
		out.Status = response.StatusCode
		if r.call.Describe != nil {
			out.Details = r.call.Describe(response.StatusCode, body)
		}
	}
	if err == nil {
		return out
	}
	out.Error, out.Outcome = credentials.CleanError(err, r.clean).Error(), audit.OutcomeUpstreamFailed
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
		out.Outcome = audit.OutcomeTimedOut
	}
	return out
}

// serviceOf is the service of an operation: what stands before the colon.
func serviceOf(operation string) string {
	service, _, _ := strings.Cut(operation, ":")
	return service
}
