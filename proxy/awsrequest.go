package proxy

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"

	"sallyport/audit"
	"sallyport/credentials"
	"sallyport/credentials/sigv4"
	"sallyport/policy"
	aws "sallyport/services/aws/api"
)

// Kinds of credentials for what speaks AWS's protocols.
const (
	keysKind = "aws_keys"
	roleKind = "aws_role"
)

// SignsAnew reports whether a credential of this kind signs what leaves.
func SignsAnew(kind string) bool { return kind == keysKind || kind == roleKind }

// awsRequest is what is known of a request that speaks one of AWS's protocols.
type awsRequest struct {
	host      *awsHost
	inbound   *sigv4.Inbound // nil if it is not signed
	service   string         // that it is for, by its signature or else by its host
	region    string
	operation aws.Operation // without a name if it has none
}

// classifyAWS names what the request does. Service and region are those that it is
// signed for, once they agree with its host.
func (x *exchange) classifyAWS(h *awsHost) {
	a := &awsRequest{host: h}
	x.classified = &classified{aws: a}
	if err := x.resolveAWS(a); err != nil {
		x.classified.meaning = unknownAtAWS(detailOf(err))
		return
	}
	x.classified.meaning = meaningAtAWS(&a.operation, a.region)
}

// detailOf is what the agent is told of an error.
func detailOf(err error) string {
	if refused, ok := errors.AsType[*sigv4.Refusal](err); ok {
		return refused.Detail
	}
	return err.Error()
}

func (x *exchange) resolveAWS(a *awsRequest) error {
	h := a.host
	switch {
	case x.target.scheme != "https":
		return errors.New("AWS is spoken to over https only")
	case h.unknown != "":
		return errors.New(h.unknown)
	}
	if err := x.readScope(a); err != nil {
		return err
	}
	r := h.request(x.r.Method, x.target.rawPath, x.target.rawQuery, a.service, a.region)
	r.Header = x.r.Header
	r.Body = func() ([]byte, bool, error) { return x.peek(outlinesAtAWS(&r)) }
	var err error
	a.operation, err = aws.Resolve(r)
	return err
}

// readScope reads what the request is for. One without a signature is for what its host
// says; it cannot be signed, but it can be named.
func (x *exchange) readScope(a *awsRequest) error {
	in, err := sigv4.Read(x.r)
	if refused, ok := errors.AsType[*sigv4.Refusal](err); ok && refused.Reason == sigv4.Unsigned && x.r.Header.Get("Authorization") == "" {
		a.service, a.region, err = a.host.scope()
		return err
	}
	if err != nil {
		return err
	}
	a.inbound, a.service, a.region = in, in.Service, in.Region
	if a.host.own {
		return sigv4.AWS(a.host.name, in.Service, in.Region)
	}
	return nil
}

// outlinesAtAWS are what a request may be about whose body tells the rest: operations of one
// of these services.
func outlinesAtAWS(r *aws.Request) []policy.Outline {
	var outlines []policy.Outline
	for _, service := range aws.Services(r) {
		outlines = append(outlines, policy.Outline{Call: policy.Call{Operation: service + "/*", Region: r.Region}})
	}
	return outlines
}

// peek reads a body that is short enough, and puts it back.
func (x *exchange) peek(outlines []policy.Outline) (body []byte, more bool, err error) {
	switch {
	case x.r.Body == http.NoBody:
		return nil, false, nil
	case x.r.ContentLength > aws.MaxBody:
		return nil, true, nil
	}
	x.classified.meaning = unknownAtAWS(errUnread.Error())
	if len(outlines) > 0 && x.deniedUnread(outlines...) {
		return nil, false, errUnread
	}
	var taken bytes.Buffer
	from, reading := x.r.Body, x.read(parsed)
	defer reading.done(0)
	_, err = io.Copy(&taken, io.LimitReader(reading, aws.MaxBody+1))
	body = taken.Bytes()
	x.r.Body = &restored{Reader: io.MultiReader(bytes.NewReader(body), from), Closer: from}
	return body, len(body) > aws.MaxBody, err
}

// describe puts what the request does into its intent.
func (a *awsRequest) describe(x *exchange) {
	o := &a.operation
	x.intent.Operation, x.intent.Resource = awsKey+":"+o.Name, o.Calls[0].Resource
	if a.region != "" {
		x.detail("region", a.region)
	}
	if o.Event != "" {
		x.detail("event_name", o.Event)
	}
	a.describeActions(x)
	if len(o.Calls) > 1 {
		x.classified.describeCalls(x)
	}
}

// describeKey marks a request that was not signed with the placeholder that its agent was
// given: the agent may hold keys that it should not.
func (a *awsRequest) describeKey(x *exchange) {
	if a.inbound != nil && !credentials.IsAWSPlaceholder(a.inbound.AccessKeyID, x.agent.id.String()) {
		x.detail("foreign_access_key_id", audit.Cut(a.inbound.AccessKeyID))
	}
}

// describeActions lists IAM's actions where they are not called as the operation.
func (a *awsRequest) describeActions(x *exchange) {
	var actions []any
	differ := false
	for i := range a.operation.Calls {
		c := &a.operation.Calls[i]
		_, name, _ := strings.Cut(c.Operation, "/")
		for _, action := range c.Actions {
			_, called, _ := strings.Cut(action, ":")
			differ = differ || called != name
			if !slices.Contains(actions, any(action)) {
				actions = append(actions, action)
			}
		}
	}
	if differ {
		x.detail("iam_actions", actions)
	}
}
