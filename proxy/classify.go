package proxy

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/google/uuid"

	"sallyport/audit"
	"sallyport/policy"
	github "sallyport/services/github/api"
)

// classified is what a request means to the service that it goes to.
type classified struct {
	meaning policy.Meaning
	aws     *awsRequest // nil if it goes to GitHub, as is the rest

	service    github.Service
	surface    github.Surface
	operations []github.Operation // empty if the request has no name
	push       *github.Push       // the command list of a push
	batch      bool               // of LFS, whose answer authorizes transfers

	refusedPush bool // a push whose list was not read, for it is refused whatever that says
}

// classify names what the request does, in its service's own words. It reads no
// more of the body than tells, and puts that back in front of the rest. The refusal is
// for a body that need not be read, or cannot be.
func (x *exchange) classify() *refusal {
	t := &x.target
	x.policy = x.generation.Policies[x.record.Policy]
	if service, surface := gitHubSurface(x.generation.gitHubs(), t.authority.Name.String(), t.rawPath); surface != github.NotGitHub {
		x.classifyGitHub(service, surface)
	} else if h := findAWS(t.authority, x.generation.stores()); h != nil {
		x.classifyAWS(h)
	}
	return x.unread
}

func (x *exchange) classifyGitHub(service github.Service, surface github.Surface) {
	t := &x.target
	c := &classified{service: service, surface: surface}
	x.classified = c
	o, err := resolveGitHub(service, t.query())
	if err == nil {
		err = x.classifyBody(o)
	}
	if err != nil {
		c.operations, c.push = nil, nil
		c.meaning = unclassified(service, err)
		return
	}
	c.meaning = meaningOf(service, c.operations, c.push)
}

// classifyBody completes an operation by what the body says.
func (x *exchange) classifyBody(o github.Operation) error {
	c := x.classified
	c.operations = []github.Operation{o}
	if o.Body == github.NoBody {
		return nil
	}
	c.meaning = policy.Meaning{Service: gitHubKey, Server: c.service.Host(), Unclassified: errUnread.Error()}
	if x.deniedUnread(outlineAtGitHub(o)) {
		c.refusedPush = o.Body == github.PushBody
		return c.unread()
	}
	weight := int64(parsed)
	if o.Body == github.PushBody {
		weight = 1 // ReadPush counts the rest
	}
	var taken bytes.Buffer
	from, reading := x.r.Body, x.read(weight)
	beside := int64(0)
	defer func() { reading.done(beside) }()
	body := io.TeeReader(reading, &taken)
	x.r.Body = &restored{Reader: io.MultiReader(&taken, from), Closer: from}
	var err error
	switch o.Body {
	case github.GraphQLBody:
		var printed []byte
		if c.operations, printed, err = github.ReadGraphQL(x.r.Header, body); err == nil {
			x.sendAnew(printed, github.GraphQLMedia)
			beside = int64(len(printed))
		}
	case github.PushBody:
		if encodings := x.r.Header["Content-Encoding"]; len(encodings) > 1 {
			return fmt.Errorf("the push is compressed in %d ways", len(encodings))
		}
		c.push, err = github.ReadPush(body, x.r.Header.Get("Content-Encoding"), func(n int64) bool {
			beside += n
			return x.room(n)
		})
	case github.LFSBody:
		c.batch = true
		c.operations[0], _, err = github.ReadLFSBatch(o, x.r.Header, body)
	case github.NoBody:
	}
	return err
}

// unread names what can be named of a request that is denied without its body.
func (c *classified) unread() error {
	if c.operations[0].Name == "" {
		return errUnread
	}
	return nil
}

// restored is a body whose beginning was read already.
type restored struct {
	io.Reader
	io.Closer
}

// query is the request as its policy is asked about it.
func (x *exchange) query() policy.Query {
	q := x.target.query()
	if x.classified != nil {
		q.Meaning = &x.classified.meaning
	}
	return q
}

// describe puts what the request does into its intent.
func (c *classified) describe(x *exchange) {
	if c.aws != nil {
		c.aws.describeKey(x)
	}
	switch {
	case len(c.meaning.Calls) == 0:
		x.detail("unclassified", audit.CutResource(c.meaning.Unclassified))
		return
	case c.aws != nil:
		c.aws.describe(x)
		return
	}
	greatest := &c.operations[0]
	for i := range c.operations {
		o := &c.operations[i]
		if o.Access > greatest.Access || o.Access == greatest.Access && o.CredentialAnswer && !greatest.CredentialAnswer {
			greatest = o
		}
	}
	x.intent.Operation, x.intent.Resource = gitHubKey+":"+greatest.Name, greatest.Resource()
	if len(c.operations) > 1 {
		c.describeCalls(x)
	}
	if c.push != nil {
		c.describePush(x)
	}
}

func (c *classified) describePush(x *exchange) {
	refs, rest := listRefs(c.push.Updates, rowBytes)
	x.detail("refs", refs)
	if len(rest) > 0 {
		x.detail("refs_total", int64(len(c.push.Updates)))
	}
	if len(c.push.Options) > 0 {
		x.detail("push_options", int64(len(c.push.Options)))
	}
}

// listRefs lists updates for the trail, as many as fit into size.
func listRefs(updates []github.RefUpdate, size int) (list []any, rest []github.RefUpdate) {
	for i, u := range updates {
		if size -= len(u.Ref) + len(u.Old) + len(u.New) + 40; size < 0 {
			return list, updates[i:]
		}
		list = append(list, map[string]any{"ref": u.Ref, "old": u.Old, "new": u.New, "update": string(u.Update)})
	}
	return list, nil
}

// recordRefs records what the row of a large push has no room for, each ref with
// what it was and what it becomes, as events of the exchange.
func (x *exchange) recordRefs() *refusal {
	if x.classified == nil || x.classified.push == nil {
		return nil
	}
	_, rest := listRefs(x.classified.push.Updates, rowBytes)
	for len(rest) > 0 {
		var refs []any
		refs, rest = listRefs(rest, eventBytes)
		if refusal := x.recordEvent("push.refs", "refs", refs); refusal != nil {
			return refusal
		}
	}
	return nil
}

// rejects reports whether the refusal of this exchange is to be told in git's own
// protocol, because git shows a person nothing else.
func (c *classified) rejects() bool { return c != nil && c.push != nil && c.push.CanReport() }

// reject answers a push with a report that refuses each of its refs. git reads no
// answer before it has sent its pack, so the rest of that is read and dropped.
func (x *exchange) reject(f *refusal, id uuid.UUID) {
	rest := &requestBody{x: x, from: x.r.Body}
	if _, err := io.Copy(io.Discard, rest); err != nil {
		// To return would be an empty answer of 200, for the rest of which git waits
		// for ever.
		panic(http.ErrAbortHandler)
	}
	push := x.classified.push
	reasons := make(map[string]string, len(push.Updates))
	for i, u := range push.Updates {
		reasons[u.Ref] = x.rejection(f, i)
	}
	var report bytes.Buffer
	message := "sallyport: " + f.title + " (exchange " + id.String() + ")"
	_ = push.WriteRefusal(&report, message, func(u github.RefUpdate) string { return reasons[u.Ref] }) // a buffer takes everything
	x.w.Header().Set("Content-Type", github.PushResultType)
	x.w.Header().Set("Content-Length", strconv.Itoa(report.Len()))
	x.w.WriteHeader(http.StatusOK)
	_, _ = x.w.Write(report.Bytes()) // the agent may be gone; the row is written either way
}

// rejection is why one ref of a push is refused.
func (x *exchange) rejection(f *refusal, i int) string {
	if f.word != deniedByPolicy.word && f.word != needsApproval.word || !x.decided || x.decision.Effect == policy.Allow {
		return f.detail
	}
	if d := x.policy.DecideCall(x.query(), i); d.Effect != policy.Allow {
		return d.Reason
	}
	return "refused together with the others: a push goes out whole or not at all"
}
