package github

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"sallyport/credentials/budget"
	"sallyport/policy"
	"sallyport/services"
	"sallyport/services/github/api"
)

// request is a request to GitHub, as far as it has been read.
type request struct {
	line       *services.Line
	server     api.Service
	surface    api.Surface
	operations []api.Operation // empty if it has no name
	led        string          // what GitHub answered with a redirect to this link, which tells; "" if it did not
}

// speaksGit reports whether the answer is git's own protocol.
func (r *request) speaksGit() bool {
	return len(r.operations) == 1 && (r.operations[0].Name == "git/fetch" || r.operations[0].Name == "git/push")
}

// isDocument reports whether the request is a GraphQL document, whose answer says in its
// body what went wrong.
func (r *request) isDocument() bool {
	return r.surface == api.API && len(r.operations) > 0 && strings.HasPrefix(r.operations[0].Name, "graphql/")
}

// visit is one request to GitHub, from its line to its answer.
type visit struct {
	answered
	service *Service
	meaning policy.Meaning
	push    pushed
	told    budget.Answer // what the answer's header says of the account
}

// Read implements [services.Visit].
func (v *visit) Read(b services.Body) policy.Meaning {
	o, err := v.resolve()
	if err == nil {
		err = v.readBody(o, b)
	}
	if err != nil {
		v.operations, v.push.Push = nil, nil
		v.meaning = unclassified(v.server, err)
	} else {
		v.meaning = meaningOf(v.server, v.operations, v.push.Push)
	}
	return v.meaning
}

// readBody completes an operation by what the body says.
func (v *visit) readBody(o api.Operation, b services.Body) (err error) {
	v.operations = []api.Operation{o}
	if o.Body == api.NoBody && !o.MayAssign() {
		return nil
	}
	if b.Denied(policy.Meaning{Service: Key, Server: v.server.Host(), Unclassified: services.Unread}, outlineOf(o)) {
		v.push.unread = o.Body == api.PushBody
		if o.Name == "" {
			return errors.New(services.Unread)
		}
		return nil
	}
	header := v.line.Request.Header
	switch o.Body {
	case api.GraphQLBody:
		err = v.readDocument(header, b)
	case api.PushBody:
		if encodings := header["Content-Encoding"]; len(encodings) > 1 {
			return fmt.Errorf("the push is compressed in %d ways", len(encodings))
		}
		b.Stream(1, func(body io.Reader) (beside int64) { // ReadPush counts the rest
			v.push.Push, err = api.ReadPush(body, header.Get("Content-Encoding"), func(n int64) bool {
				beside += n
				return b.Room(n)
			})
			return beside
		})
	case api.LFSBody:
		v.batch = true
		b.Stream(services.Parsed, func(body io.Reader) int64 {
			v.operations[0], _, err = api.ReadLFSBatch(o, header, body)
			return 0
		})
	case api.NoBody:
		err = v.readAssignment(header, b)
	}
	return err
}

// readAssignment finds out whether an issue is assigned to GitHub's own agent, which then
// writes a branch. It assumes so if the body is too long to be read, or if there are
// parameters in the query as well.
func (v *visit) readAssignment(header http.Header, b services.Body) error {
	if v.line.RawQuery != "" { // these operations have none, and a server may read it like the body
		v.operations[0].WritesRefs = true
		return nil
	}
	if v.line.Request.Body == http.NoBody {
		return nil
	}
	more := v.line.Request.ContentLength > api.MaxAssignment
	var body []byte
	if !more {
		var err error
		if body, more, err = b.Peek(api.MaxAssignment, services.Parsed); err != nil {
			return fmt.Errorf("the body could not be read: %w", err)
		}
	}
	v.operations[0].WritesRefs = more || api.AssignsAgent(header, body)
	return nil
}

// readDocument reads a GraphQL document, and replaces it by the form in which it was
// understood.
func (v *visit) readDocument(header http.Header, b services.Body) (err error) {
	b.Stream(services.Parsed, func(body io.Reader) int64 {
		var printed []byte
		if v.operations, printed, err = api.ReadGraphQL(header, body); err == nil {
			b.Replace(printed, api.GraphQLMedia)
		}
		return int64(len(printed))
	})
	return err
}

// outlineOf is what is known of a request before its body is read.
func outlineOf(o api.Operation) policy.Outline {
	call, f := callOf(o)
	switch o.Body {
	case api.GraphQLBody:
		call.Operation, call.Access, f.Hidden = "graphql/*", 0, true
	case api.LFSBody:
		call.Operation, call.Access = "git/lfs-*", 0
	case api.PushBody:
		f.Unread = true
	case api.NoBody:
	}
	call.Facts = &f
	return policy.Outline{Call: call}
}

// Describe implements [services.Describer].
func (v *visit) Describe() services.Description {
	if len(v.meaning.Calls) == 0 {
		return services.Description{}
	}
	greatest := &v.operations[0]
	for i := range v.operations {
		o := &v.operations[i]
		if o.Access > greatest.Access || o.Access == greatest.Access && o.CredentialAnswer && !greatest.CredentialAnswer {
			greatest = o
		}
	}
	d := services.Description{Operation: greatest.Name, Resource: greatest.Resource(), Whole: len(v.operations) == 1}
	if v.push.Push != nil {
		d.Details = v.push.describe()
	}
	if v.led != "" {
		d.Details = map[string]any{"redirected_by": v.led}
	}
	return d
}

func (v *visit) hidesRepository() bool {
	return len(v.meaning.Calls) > 0 && factsOf(&v.meaning.Calls[0]).Hidden
}

// Learn implements [services.Learner]: where GitHub's published description leaves open which
// permissions an operation needs, its answers say so, and what its numbers stand for. GitHub answers 401 to a valid token, too,
// for some GraphQL documents and for operations that take no installation token.
func (v *visit) Learn(response *http.Response) (tellsOfCredential bool) {
	v.learnNumbers(response)
	v.learnLink(response)
	if len(v.operations) != 1 {
		return false
	}
	o := &v.operations[0]
	accepted := response.Header.Get("X-Accepted-Github-Permissions")
	if v.surface == api.API && !o.Settled && accepted != "" {
		if sets, ok := api.ParseAccepted(accepted); ok {
			v.service.learned.Store(learnt{v.server.Host(), o.Name}, sets) // of the table's names only, so that the map stays small
		}
	}
	return o.InstallationToken && !v.hidesRepository()
}
