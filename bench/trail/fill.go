package main

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"sallyport/audit"
	"sallyport/audit/trail"
)

const (
	fillers = 256 // calls that wait for a commit at a time
	// span is the time that the exchanges are spread over.
	span = 90 * 24 * time.Hour
	// perAgent exchanges belong to one agent: an identity is one context window.
	perAgent = 1000
	// rareEvery exchanges is one that a few filters pick out.
	rareEvery = 1_000_000
)

// fill begins and ends n exchanges as the proxy does, and says what that cost.
func fill(ctx context.Context, path string, n int) error {
	writer, err := trail.Open(ctx, trail.Config{Path: path, Instance: "bench", Log: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	if err != nil {
		return err
	}
	began := time.Now()
	start := began.Add(-span)
	before := cpuTime()
	var next atomic.Int64
	var wg sync.WaitGroup
	var failed atomic.Pointer[error]
	for range fillers {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && failed.Load() == nil; i = int(next.Add(1)) - 1 {
				x := made(i, start.Add(time.Duration(i)*(span/time.Duration(n))))
				if err := x.write(ctx, writer); err != nil {
					failed.Store(&err)
				}
				if i%250_000 == 0 {
					fmt.Fprintf(os.Stderr, "%d of %d exchanges\n", i, n)
				}
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	if err := writer.Close(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	took := time.Since(began)
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	fmt.Printf("filled %d exchanges in %s: %.0f/s, %.1f ms CPU and %.2f MB on disk for 1,000, making them included\n",
		n, took.Round(time.Second), float64(n)/took.Seconds(), ms(cpuTime()-before)/float64(n)*1000, float64(info.Size())/1e6/float64(n)*1000)
	return nil
}

// exchange is one made up, to be written.
type exchange struct {
	in  audit.Intent
	out audit.Outcome
}

func (x *exchange) write(ctx context.Context, writer *trail.Writer) error {
	if x.in.Refusal != "" {
		return writer.Refused(ctx, &x.in, &x.out)
	}
	if err := writer.Begin(ctx, &x.in); err != nil {
		return err
	}
	writer.End(x.in.ID, &x.out)
	return nil
}

// made is exchange i: always the same but for its id and time.
func made(i int, at time.Time) *exchange {
	rng := rand.New(rand.NewPCG(uint64(i), 1))
	// Some 200 agents are at work at any time.
	agent := i/(200*perAgent)*200 + rng.IntN(200)
	x := &exchange{
		in: audit.Intent{
			ID: audit.NewID(), StartedAt: at, Who: audit.Who{
				Agent: agentID(agent), AgentName: fmt.Sprintf("agent-%d", agent),
				Owner: fmt.Sprintf("team:t%d", agent%12), Accountable: fmt.Sprintf("person:p%d", agent%30), Policy: fmt.Sprintf("policy-%d", agent%5),
			},
			PolicyHash: hash("policy", agent%5), Decision: audit.DecisionAllow,
			Scheme: "https", Port: 443, CertSerial: hash("cert", agent)[:32], ClientAddr: "10.1.2.3:45678", HTTPVersion: "1.1",
			AuthorizeMS: 0.2, CredentialMS: 0.05,
		},
		out: audit.Outcome{
			EndedAt: at.Add(80 * time.Millisecond), UpstreamAddr: "192.0.2.1:443", Status: 200, Outcome: audit.OutcomeCompleted,
			BytesSent: 900, BytesReceived: int64(rng.IntN(20000)), UpstreamRequestID: requestID(i),
			Timings: audit.Timings{Authorize: 0.2, Credential: 0.05, Audit: 0.4, FirstByte: 70, Total: 80},
		},
	}
	switch p := rng.IntN(100); {
	case p < 40:
		x.model(rng)
	case p < 75:
		x.gitHub(rng, i, agent)
	case p < 90:
		x.aws(rng, i, agent)
	default:
		x.web(rng, i)
	}
	x.end(rng)
	if i%rareEvery == rareEvery/10 {
		x.rare(i)
	}
	return x
}

func (x *exchange) model(rng *rand.Rand) {
	in := &x.in
	in.Rule, in.Method, in.Host, in.Path, in.Credential = "model", "POST", "api.anthropic.com", "/v1/messages", "anthropic"
	in.CredentialFingerprint = "hmac:" + hash("anthropic", 1)[:32]
	if rng.IntN(20) == 0 {
		in.Path = "/v1/messages/count_tokens"
	}
}

func (x *exchange) gitHub(rng *rand.Rand, i, agent int) {
	in := &x.in
	repository := fmt.Sprintf("acme/repo-%d", int(rng.ExpFloat64()*60)%2000)
	in.Rule, in.Credential, in.Host, in.Resource = "github", "acme-github", "api.github.com", repository
	token := hash("token", agent*100+i/5000%100)
	in.CredentialFingerprint = token
	raw, _ := hex.DecodeString(token)
	in.Details = map[string]any{
		"app_id": 12345, "installation_id": 678, "permissions": "contents=read", "hashed_token": base64.StdEncoding.EncodeToString(raw),
		"repository_ids": []any{rng.IntN(5000)},
	}
	switch rng.IntN(20) {
	case 0:
		in.Method, in.Host, in.Operation, in.Path = "POST", "github.com", "github:git/push", "/"+repository+".git/git-receive-pack"
		in.Details["refs"] = []any{map[string]any{"ref": "refs/heads/agent/x", "old": commit(i - 1), "new": commit(i), "update": "change"}}
	case 1:
		in.Method, in.Operation, in.Path = "POST", "github:pulls/create", "/repos/"+repository+"/pulls"
	case 2, 3, 4:
		in.Method, in.Operation, in.Path = "GET", "github:git/get-commit", "/repos/"+repository+"/git/commits/"+commit(i)
	default:
		operation := []string{"issues/get", "pulls/get", "pulls/list-files", "issues/list-comments"}[rng.IntN(4)]
		in.Method, in.Operation = "GET", "github:"+operation
		in.Path = fmt.Sprintf("/repos/%s/%s/%d", repository, operation[:6], rng.IntN(3000))
	}
}

func (x *exchange) aws(rng *rand.Rand, i, agent int) {
	in := &x.in
	operation := []string{"GetObject", "PutObject", "ListObjectsV2", "HeadObject"}[rng.IntN(4)]
	key := fmt.Sprintf("builds/%s/%d.tar.gz", commit(i)[:12], rng.IntN(100))
	in.Rule, in.Credential, in.Host, in.Method = "artifacts", "acme-aws", "acme-artifacts.s3.eu-west-1.amazonaws.com", "GET"
	in.Operation, in.Path, in.Resource = "aws:s3/"+operation, "/"+key, "arn:aws:s3:::acme-artifacts/"+key
	in.CredentialFingerprint = hash("session", agent*10+i/20000%10)
	in.Details = map[string]any{
		"access_key_id": accessKey(agent*10 + i/20000%10), "source_identity": "agent-" + in.Agent.String(),
		"session_name": "agent-" + in.Agent.String(), "role_arn": "arn:aws:iam::123456789012:role/agents", "region": "eu-west-1",
	}
}

func (x *exchange) web(rng *rand.Rand, i int) {
	in := &x.in
	in.Rule, in.Method, in.Host = "docs", "GET", fmt.Sprintf("h%d.example.org", rng.IntN(40))
	in.Path = fmt.Sprintf("/docs/%s/%s.html", []string{"guide", "reference", "howto"}[rng.IntN(3)], commit(rng.IntN(100000))[:10])
}

// end varies what came of it.
func (x *exchange) end(rng *rand.Rand) {
	switch p := rng.IntN(1000); {
	case p < 20:
		x.in.Decision, x.in.Rule, x.in.Refusal, x.in.Credential, x.in.CredentialFingerprint = audit.DecisionDeny, "", "policy", "", ""
		x.out = audit.Outcome{EndedAt: x.out.EndedAt, Outcome: audit.OutcomeRefused, Refusal: "policy", Status: 403, Error: "no rule allows " + x.in.Method + " " + x.in.Host}
	case p < 25:
		x.out.Outcome, x.out.Status, x.out.Error = audit.OutcomeUpstreamFailed, 502, "dial tcp 192.0.2.1:443: connection refused"
	case p < 27:
		x.out.Outcome, x.out.Error = audit.OutcomeClientGone, "context canceled"
	case p < 60:
		x.out.Status = 404
	case p < 70:
		x.out.Status = 429
	}
}

// rare makes x one of the few that its filters pick out.
func (x *exchange) rare(i int) {
	x.in.Agent, x.in.AgentName, x.in.Owner, x.in.Accountable = agentID(-1), "rare-agent", "team:rare", "person:rare"
	x.in.Host, x.in.Operation, x.in.Resource, x.in.Credential = "rare.example.org", "github:rare/one", "acme/rare", "rare"
	x.in.Path = fmt.Sprintf("/rare/needle-%d", i)
	x.out.Status, x.out.Outcome, x.out.Error = 418, audit.OutcomeTimedOut, "a rare failure"
}

func seeded(kind string, n int) [20]byte {
	rng := rand.New(rand.NewPCG(uint64(n), uint64(len(kind))<<8+uint64(kind[0])))
	var b [20]byte
	binary.LittleEndian.PutUint64(b[:], rng.Uint64())
	binary.LittleEndian.PutUint64(b[8:], rng.Uint64())
	binary.LittleEndian.PutUint32(b[16:], rng.Uint32())
	return b
}

func agentID(n int) uuid.UUID {
	b := seeded("agent", n)
	b[6], b[8] = b[6]&0x0f|0x70, b[8]&0x3f|0x80
	return uuid.UUID(b[:16])
}

func commit(n int) string { b := seeded("commit", n); return hex.EncodeToString(b[:]) }

func hash(kind string, n int) string {
	a, b := seeded(kind, n), seeded(kind+"more", n)
	return hex.EncodeToString(append(a[:], b[:12]...))
}

func requestID(i int) string {
	b := seeded("request", i)
	return fmt.Sprintf("%X:%X:%X", b[:2], b[2:6], b[6:12])
}

func accessKey(n int) string {
	b := seeded("key", n)
	return "ASIA" + fmt.Sprintf("%X", b[:8])
}
