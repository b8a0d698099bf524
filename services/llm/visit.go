package llm

import (
	"errors"
	"net/http"
	"strings"

	"sallyport/policy"
	"sallyport/services"
)

// maxBody is the longest request that is read: what fits into an agent's share of memory
// beside others.
const maxBody = 12 << 20

// visit is one request to a provider, or to a host that speaks as one.
type visit struct {
	line      *services.Line
	provider  *provider
	operation *operation // by the line; nil if it is none
	model     string     // that the line names
	request   *request   // once it was read
}

// Read implements [services.Visit].
func (v *visit) Read(b services.Body) policy.Meaning {
	if err := v.read(b); err != nil {
		return v.provider.unknown(err.Error())
	}
	return v.provider.meaning(v.request)
}

func (p *provider) unknown(why string) policy.Meaning {
	return policy.Meaning{Service: Key, Server: p.name, Unclassified: why}
}

var errTooLong = errors.New("its body is longer than what is read to find its model, 12 MiB")

func (v *visit) read(b services.Body) (err error) {
	o := v.operation
	switch {
	case o == nil:
		return errors.New("it is none of the operations of " + v.provider.name + " that are known")
	case o.model == nowhere, o.model == unseen:
		v.request = &request{operation: o, most: unbounded}
		return nil
	case isCoded(v.line.Request.Header):
		return errors.New("its body is compressed, and only plain JSON is read; have the client send it without Content-Encoding")
	}
	if v.line.Request.ContentLength > maxBody {
		return errTooLong
	}
	call := v.provider.call(o)
	if b.Denied(v.provider.unknown(services.Unread), policy.Outline{Call: call}) {
		return errors.New(services.Unread)
	}
	body, more, err := b.Peek(maxBody, services.Scanned)
	switch {
	case err != nil:
		return errors.New("its body cannot be read")
	case more:
		return errTooLong
	}
	if v.request, err = v.provider.readBody(o, v.model, body); err != nil {
		return err
	}
	for name := range v.line.Request.Header {
		if steering(name) {
			v.request.doubt = name
		}
	}
	return nil
}

// isCoded reports whether a body may not be read as it is (RFC 9110 section 8.4).
func isCoded(h http.Header) bool {
	for _, coding := range h["Content-Encoding"] {
		if !strings.EqualFold(strings.TrimSpace(coding), "identity") {
			return true
		}
	}
	return false
}

// Describe implements [services.Describer].
func (v *visit) Describe() services.Description {
	d := services.Description{Details: map[string]any{}, Whole: true}
	r := v.request
	if r == nil {
		return d
	}
	d.Operation, d.Resource = v.provider.name+"/"+r.operation.name, r.model
	if r.most != unbounded {
		d.Details["max_output_tokens"] = r.most
	}
	if len(r.tools) > 0 {
		d.Details["tools"] = strings.Join(r.tools, ", ")
	}
	return d
}

// Shape implements [services.Shaper]: an answer that tells what it cost comes as it is read here.
func (v *visit) Shape(h http.Header, _ bool) {
	if v.tells() {
		h["Accept-Encoding"] = []string{"identity"}
	}
}

// tells reports whether the answer says what it cost.
func (v *visit) tells() bool {
	return v.operation != nil && v.operation.method == http.MethodPost && v.operation.model != nowhere
}

// Watch implements [services.Watcher].
func (v *visit) Watch(response *http.Response, _ bool) services.Watch {
	if !v.tells() || isCoded(response.Header) {
		return nil
	}
	return newMeter(v.provider.usage, response.Header.Get("Content-Type"))
}
