package llm

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"sallyport/internal/ijson"
)

// request is what a body asks for.
type request struct {
	operation *operation
	model     string
	most      int64    // tokens that the answer may have; unbounded if the request does not say
	tools     []string // that run on the provider's side, each once
	doubt     string   // why more models, or tools, may be meant than are named here; "" for none
	unknown   string   // a tool of which it is not known where it runs; "" for none
}

// unbounded is the bound of a request that names none: it is the model's own.
const unbounded int64 = -1

const maxModel = 256 // bytes of a model's name, far more than any has

// members are those of an object that was read.
type members []ijson.Member

// get returns the value of a member, by any of its names; nil if it is not there or null. A name
// that some reader takes for it, in another case or with other underscores, is an error, and so
// are two of its names.
func (m members) get(names ...string) ([]byte, error) {
	var value []byte
	found := ""
	for i := range m {
		name := m[i].Name
		for _, want := range names {
			if !sameName(name, want) {
				continue
			}
			switch {
			case name != want && !slices.Contains(names, name):
				return nil, fmt.Errorf("the request has %s, which some servers read as %s; write %s", strconv.QuoteToASCII(name), want, want)
			case found != "" && found != name:
				return nil, fmt.Errorf("the request has both %s and %s; write one", found, name)
			}
			found, value = name, m[i].Value
		}
	}
	if string(value) == "null" {
		return nil, nil
	}
	return value, nil
}

func sameName(a, b string) bool {
	return strings.EqualFold(strings.ReplaceAll(a, "_", ""), strings.ReplaceAll(b, "_", ""))
}

// text returns a member that is a string; "" if it is not there.
func (m members) text(names ...string) (string, error) {
	value, err := m.get(names...)
	if value == nil || err != nil {
		return "", err
	}
	text, ok := ijson.String(value)
	if !ok {
		return "", fmt.Errorf("its %s is no string", names[0])
	}
	return text, nil
}

// number returns a member that is a whole number; unbounded if it is not there.
func (m members) number(names ...string) (int64, error) {
	value, err := m.get(names...)
	if value == nil || err != nil {
		return unbounded, err
	}
	n, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil || n < 0 {
		return unbounded, fmt.Errorf("its %s is no whole number", names[0])
	}
	return n, nil
}

// object returns the members of a member that is an object; none if it is not there.
func (m members) object(names ...string) (members, error) {
	value, err := m.get(names...)
	if value == nil || err != nil {
		return nil, err
	}
	inner, err := ijson.Object(value)
	if err != nil {
		return nil, fmt.Errorf("its %s is no object", names[0])
	}
	return inner, nil
}

// list returns the elements of a member that is a list of objects; none if it is not there.
func (m members) list(names ...string) ([]members, error) {
	value, err := m.get(names...)
	if value == nil || err != nil {
		return nil, err
	}
	elements, ok := ijson.Elements(value)
	if !ok {
		return nil, fmt.Errorf("its %s is no list", names[0])
	}
	all := make([]members, len(elements))
	for i, element := range elements {
		if all[i], err = ijson.Object(element); err != nil {
			return nil, fmt.Errorf("its %s holds what is no object", names[0])
		}
	}
	return all, nil
}

// readBody reads what a body asks for. What has two readings is an error, which says so in
// words that follow "the request".
func (p *provider) readBody(o *operation, model string, body []byte) (*request, error) {
	read, err := ijson.Object(body)
	if err != nil {
		return nil, fmt.Errorf("its body %w", err)
	}
	r := &request{operation: o, model: model, most: unbounded}
	named, err := members(read).text("model")
	switch {
	case err != nil:
		return nil, err
	case o.model == inPath && named != "" && strings.TrimPrefix(named, "models/") != model:
		return nil, errors.New("it names one model in its path and another in its body")
	case o.model == inBody:
		r.model = named
	}
	if !isModel(r.model) {
		return nil, errors.New("its model is not written as a name")
	}
	if err := p.body(r, read); err != nil {
		return nil, err
	}
	return r, nil
}

// isModel reports whether a text can be the name of a model; none is one that is not named.
func isModel(name string) bool {
	odd := func(c rune) bool { return c <= ' ' || c > '~' || c == '*' || c == '"' || c == '\\' }
	return len(name) <= maxModel && !strings.ContainsFunc(name, odd)
}

// times has the answer come in so many forms, each as long.
func (r *request) times(n int64) {
	switch {
	case n <= 1 || r.most <= 0:
	case r.most > math.MaxInt64/n:
		r.most = math.MaxInt64
	default:
		r.most *= n
	}
}

// uses adds a tool that runs on the provider's side.
func (r *request) uses(tool string) {
	if !slices.Contains(r.tools, tool) {
		r.tools = append(r.tools, tool)
	}
}
