package aws

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"sallyport/audit"
	"sallyport/credentials"
	"sallyport/policy"
	"sallyport/services"
	"sallyport/services/aws/api"
	"sallyport/services/aws/sigv4"
)

// visit is one request that speaks one of AWS's protocols.
type visit struct {
	line      *services.Line
	site      *site
	inbound   *sigv4.Inbound // nil if it is not signed
	service   string         // as the signature says, or without one the host
	region    string
	operation api.Operation // without a name if it has none
}

// Read implements [services.Visit]. Service and region are those that the request is signed
// for, once they agree with its host.
func (v *visit) Read(b services.Body) policy.Meaning {
	if err := v.resolve(b); err != nil {
		v.operation = api.Operation{}
		return unknown(detailOf(err))
	}
	return meaningOf(&v.operation, v.region)
}

// NamesSource implements [services.Sourcer]: the meaning of a request that has a name has a
// call about the object that is copied.
func (v *visit) NamesSource(field string) bool {
	return len(v.operation.Calls) > 0 && strings.HasPrefix(field, "X-Amz-")
}

// AnswersItself implements [services.Named].
func (v *visit) AnswersItself() bool { return v.site.answersItself() }

// detailOf is what the agent is told of an error.
func detailOf(err error) string {
	if refused, ok := errors.AsType[*sigv4.Refusal](err); ok {
		return refused.Detail
	}
	return err.Error()
}

func (v *visit) resolve(b services.Body) (err error) {
	h := v.site
	switch {
	case v.line.Scheme != "https":
		return errors.New("AWS is spoken to over https only")
	case h.unknown != "":
		return errors.New(h.unknown)
	}
	if err := v.readScope(); err != nil {
		return err
	}
	r := h.request(v.line.Request.Method, v.line.Path.String(), v.line.RawQuery, v.service, v.region)
	r.Header = v.line.Request.Header
	r.Body = func() ([]byte, bool, error) { return v.peek(b, &r) }
	v.operation, err = api.Resolve(r)
	return err
}

// readScope reads which service and region the request is for. Without a signature its host
// says so: no credential can be put on such a request, but it can be named and judged.
func (v *visit) readScope() error {
	in, err := sigv4.Read(v.line.Request)
	if refused, ok := errors.AsType[*sigv4.Refusal](err); ok && refused.Reason == sigv4.Unsigned && v.line.Request.Header.Get("Authorization") == "" {
		v.service, v.region, err = v.site.scope()
		return err
	}
	if err != nil {
		return err
	}
	v.inbound, v.service, v.region = in, in.Service, in.Region
	if v.site.own {
		return sigv4.AWS(v.site.name, in.Service, in.Region)
	}
	return nil
}

// outlinesOf are what a request may turn out to be once its body is read: any operation of one
// of the services that it may be for.
func outlinesOf(r *api.Request) []policy.Outline {
	var outlines []policy.Outline
	for _, service := range api.Services(r) {
		outlines = append(outlines, policy.Outline{Call: policy.Call{Operation: service + "/*", Facts: &facts{Region: r.Region}}})
	}
	return outlines
}

// peek reads a body that is short enough, unless it is denied whatever that says.
func (v *visit) peek(b services.Body, r *api.Request) (body []byte, more bool, err error) {
	switch request := v.line.Request; {
	case request.Body == http.NoBody:
		return nil, false, nil
	case request.ContentLength > api.MaxBody:
		return nil, true, nil
	}
	if outlines := outlinesOf(r); len(outlines) > 0 && b.Denied(unknown(services.Unread), outlines...) {
		return nil, false, errors.New(services.Unread)
	}
	return b.Peek(api.MaxBody, services.Parsed)
}

// Describe implements [services.Describer].
func (v *visit) Describe() services.Description {
	d := services.Description{Details: map[string]any{}}
	if v.inbound != nil && !credentials.IsPlaceholder(v.inbound.AccessKeyID, v.line.Agent) {
		// It was not signed with the placeholder that its agent was given: the agent may hold
		// keys that it should not.
		d.Details["foreign_access_key_id"] = audit.Cut(v.inbound.AccessKeyID)
	}
	o := &v.operation
	if len(o.Calls) == 0 {
		return d
	}
	d.Operation, d.Resource = o.Name, o.Calls[0].Resource
	d.Resources, d.Whole = true, len(o.Calls) == 1
	if v.region != "" {
		d.Details["region"] = v.region
	}
	if o.Event != "" {
		d.Details["event_name"] = o.Event
	}
	if actions, differ := v.actions(); differ {
		d.Details["iam_actions"] = actions
	}
	return d
}

// actions lists IAM's actions. differ: one of them has another name than the operation.
func (v *visit) actions() (actions []any, differ bool) {
	for i := range v.operation.Calls {
		c := &v.operation.Calls[i]
		_, name, _ := strings.Cut(c.Operation, "/")
		for _, action := range c.Actions {
			_, called, _ := strings.Cut(action, ":")
			differ = differ || called != name
			if !slices.Contains(actions, any(action)) {
				actions = append(actions, action)
			}
		}
	}
	return actions, differ
}
