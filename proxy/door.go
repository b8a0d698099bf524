package proxy

import (
	"context"
	_ "embed" // the page for agents
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/google/uuid"

	"sallyport/audit"
	"sallyport/identity"
	"sallyport/internal/host"
	"sallyport/policy"
)

// doorName is a host that is Sallyport itself, for the agent that asks: who it is, what it may
// do, why something was refused. No name server is asked for it (.internal is for private use),
// and no policy: what an agent may know of itself, it may always know.
const doorName = "sallyport.internal"

// isDoor reports whether the request is to Sallyport itself.
func (t *target) isDoor() bool {
	return t.authority.Port != 0 && t.authority.Name.String() == doorName
}

// DoorConfig is what the door needs beside what decides about requests.
type DoorConfig struct {
	Authority []byte // PEM: by whom intercepted hosts are certified
	// Exchange looks for a row; where there is none, the error is [audit.ErrNotFound].
	Exchange func(ctx context.Context, id uuid.UUID) (audit.Exchange, error)
}

// door answers agents about themselves. Nothing leaves for such a request, so that it has no
// row; it counts against the agent's limits as any other.
type door struct {
	standing
	config DoorConfig
	log    *slog.Logger
}

//go:embed skill.md
var skill []byte

// visitor is the agent that asks, and what was in force as it did.
type visitor struct {
	sender     *sender
	generation *Generation
	r          *http.Request
	at         time.Time
}

// serve answers one request.
func (d *door) serve(x *exchange) {
	if x.r.ContentLength != 0 {
		x.flow.CloseAfter() // nobody reads what comes
	}
	v := &visitor{sender: &x.sender, generation: x.generation, r: x.r, at: x.row.started}
	if x.r.Method != http.MethodGet && x.r.Method != http.MethodHead {
		x.w.Header().Set("Allow", "GET, HEAD")
		d.fail(x.w, v, http.StatusMethodNotAllowed, "The door is only read.")
		return
	}
	switch x.target.rawPath {
	case "/", "/skill.md":
		d.write(x.w, v, "text/markdown; charset=utf-8", skill)
	case "/ca.pem":
		d.write(x.w, v, "application/x-pem-file", d.config.Authority)
	case "/v1/whoami":
		d.tell(x.w, v, d.whoami(v))
	case "/v1/policy":
		d.tell(x.w, v, v.policy())
	case "/v1/owner":
		d.tell(x.w, v, v.owner())
	case "/v1/why":
		d.why(x.w, v)
	default:
		d.fail(x.w, v, http.StatusNotFound, "There are /, /v1/whoami, /v1/policy, /v1/owner, /v1/why?exchange=ID and /ca.pem.")
	}
}

func (d *door) write(w http.ResponseWriter, v *visitor, media string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", media)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store")
	if v.r.Method != http.MethodHead {
		_, _ = w.Write(body) // the agent may be gone
	}
}

func (d *door) tell(w http.ResponseWriter, v *visitor, answer any) {
	body, err := json.MarshalIndent(answer, "", "  ")
	if err != nil { // strings, times and what a YAML file can say
		d.log.Error("the door cannot tell", "path", v.r.URL.Path, "error", err)
		d.fail(w, v, http.StatusInternalServerError, "The answer cannot be written.")
		return
	}
	d.write(w, v, "application/json", append(body, '\n'))
}

// fail answers in the form of refusals, without a row.
func (d *door) fail(w http.ResponseWriter, v *visitor, status int, detail string) {
	body, _ := json.MarshalIndent(map[string]any{ // an int and strings
		"type": "about:blank", "title": http.StatusText(status), "status": status, "detail": detail,
	}, "", "  ")
	h := w.Header()
	h.Set("Content-Type", problemType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if v.r.Method != http.MethodHead {
		_, _ = w.Write(body)
	}
}

type whoami struct {
	ID          string      `json:"id"`
	Name        string      `json:"name"`
	SPIFFEID    string      `json:"spiffe_id"`
	Policy      string      `json:"policy"`
	Owner       string      `json:"owner"`
	Accountable *string     `json:"accountable"`
	Status      string      `json:"status"`
	CreatedAt   time.Time   `json:"created_at"`
	ExpiresAt   time.Time   `json:"expires_at"`
	Certificate certificate `json:"certificate"`
}

type certificate struct {
	Serial   string     `json:"serial"`
	NotAfter *time.Time `json:"not_after"`
}

func (d *door) whoami(v *visitor) whoami {
	a := v.sender.record
	who := whoami{
		ID: a.ID.String(), Name: a.Name, SPIFFEID: identity.AgentURI(v.generation.TrustDomain, a.ID), Policy: a.Policy,
		Owner: a.Owner, Accountable: v.accountable(), Status: string(a.Status), CreatedAt: a.CreatedAt.UTC(), ExpiresAt: a.ExpiresAt.UTC(),
		Certificate: certificate{Serial: v.sender.peer.Serial},
	}
	if c, known := d.registry.Certificate(v.sender.peer.Serial); known {
		end := c.NotAfter.UTC()
		who.Certificate.NotAfter = &end
	}
	return who
}

func (v *visitor) accountable() *string {
	if answers := v.generation.who(v.sender.peer.Agent, v.sender.record, v.at).Accountable; answers != "" {
		return &answers
	}
	return nil
}

type doorPolicy struct {
	Policy      string           `json:"policy"`
	Description string           `json:"description,omitempty"`
	Order       string           `json:"order"`
	Rules       []map[string]any `json:"rules"`
}

// policy is what the agent may do, as the file says it.
func (v *visitor) policy() doorPolicy {
	told := doorPolicy{
		Policy: v.sender.record.Policy, Rules: []map[string]any{},
		Order: "deny goes before ask, ask before allow; what no rule matches is denied",
	}
	if p := v.generation.Policies[v.sender.record.Policy]; p != nil {
		told.Description, told.Rules = p.Description(), append(told.Rules, p.Rules()...)
	}
	return told
}

type doorOwner struct {
	Owner       string  `json:"owner"`
	Accountable *string `json:"accountable"`
	Name        *string `json:"name"` // of the accountable person
}

// owner is who answers for the agent now. How to reach them is for their files to say, not for
// an agent to try.
func (v *visitor) owner() doorOwner {
	told := doorOwner{Owner: v.sender.record.Owner, Accountable: v.accountable()}
	if told.Accountable != nil {
		if name := v.generation.Owners.Name(*told.Accountable); name != "" {
			told.Name = &name
		}
	}
	return told
}

type doorWhy struct {
	Exchange string     `json:"exchange"`
	At       time.Time  `json:"at"`
	Method   string     `json:"method"`
	URL      string     `json:"url"`
	Call     *string    `json:"operation"` // what the request does, in its service's words
	Resource *string    `json:"resource"`
	Decision string     `json:"decision"`
	Rule     *string    `json:"rule"`
	Refusal  *string    `json:"refusal"`
	Title    *string    `json:"title"`
	Hint     *string    `json:"hint"`
	Rules    []whyRules `json:"rules"` // what each rule says now of such a request to the host
}

type whyRules struct {
	Rule    string `json:"rule"`
	Effect  string `json:"effect"`
	Matches bool   `json:"matches"`
	Why     string `json:"why"`
}

// why tells of one of the agent's own requests. Of another's it says no more than of one that
// never was.
func (d *door) why(w http.ResponseWriter, v *visitor) {
	query, err := url.ParseQuery(v.r.URL.RawQuery)
	id, err2 := uuid.Parse(query.Get("exchange"))
	if errors.Join(err, err2) != nil {
		d.fail(w, v, http.StatusBadRequest, "Say which: /v1/why?exchange=ID, with the exchange of a refusal.")
		return
	}
	x, err := d.config.Exchange(v.r.Context(), id)
	if err == nil && x.Agent != v.sender.peer.Agent {
		err = audit.ErrNotFound
	}
	switch {
	case errors.Is(err, audit.ErrNotFound):
		d.fail(w, v, http.StatusNotFound, "You made no such request, or its row is a second away.")
	case err != nil:
		d.log.Error("the door cannot read the trail", "error", err)
		d.fail(w, v, http.StatusServiceUnavailable, "The trail cannot be read. Try again later.")
	default:
		d.tell(w, v, v.explain(&x))
	}
}

func (v *visitor) explain(x *audit.Exchange) doorWhy {
	told := doorWhy{
		Exchange: x.ID.String(), At: x.StartedAt.UTC(), Method: x.Method, URL: x.Scheme + "://" + x.Host + x.Path,
		Decision: x.Decision, Call: optional(x.Operation), Resource: optional(x.Resource),
		Rule: optional(x.Rule), Refusal: optional(x.Refusal), Rules: []whyRules{},
	}
	if known, ok := reasonFor(x.Refusal); ok {
		told.Title, told.Hint = optional(known.title), optional(known.hint)
	}
	name, err := host.ParseName(x.Host)
	path, err2 := policy.ParsePath(x.Path)
	p := v.generation.Policies[v.sender.record.Policy]
	if p == nil || errors.Join(err, err2) != nil {
		return told
	}
	query := policy.Query{Method: x.Method, Scheme: x.Scheme, Authority: host.Authority{Name: name, Port: x.Port}, Path: path}
	for _, r := range p.Explain(query).Rules {
		told.Rules = append(told.Rules, whyRules{Rule: r.Rule, Effect: r.Effect.String(), Matches: r.Matched, Why: r.Why})
	}
	return told
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
