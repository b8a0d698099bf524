package github

import (
	"net/http"
	"strconv"
	"time"

	"sallyport/services/github/api"
)

// resolve names the request, by what a number in its path stands for too if GitHub has told
// this agent.
func (v *visit) resolve() (api.Operation, error) {
	if v.led != "" {
		return api.Link(v.line.Request.Method)
	}
	o, err := resolve(v.server, v.line.Query)
	if err == nil || checkPlace(v.line.Query) != nil {
		return o, err
	}
	r := requestOf(v.line.Query)
	number, ok := v.server.Numbered(r)
	if !ok {
		return o, err
	}
	name, known := v.service.told.Name(v.line.Agent, v.server.Host(), number)
	switch {
	case name != "":
		return v.server.Resolve(v.server.Named(r, name))
	case known:
		return o, errMoved
	}
	return o, err
}

// errMoved is why a number has no name that had one.
var errMoved = &api.Unresolved{
	Reason: api.ReasonNumericAlias,
	Detail: "what was asked for has moved at GitHub and has another name now, which its number does not tell; ask for it by that name",
}

// learnNumbers takes from an answer what the numbers in its links stand for. A name that leads
// to a number is no longer that number's.
func (v *visit) learnNumbers(response *http.Response) {
	r := requestOf(v.line.Query)
	switch status := response.StatusCode; {
	case v.surface != api.API:
	case status >= 200 && status < 300:
		for _, t := range v.server.Links(r, response.Header) {
			v.tell(v.server.Host(), t, time.Time{})
		}
	case status >= 300 && status < 400:
		if t, ok := v.server.Moved(r, response.Header); ok {
			v.tell(v.server.Host(), api.Told{Number: t.Number}, time.Time{})
		}
	}
}

// tell notes what a server has said of its own numbers.
func (v *visit) tell(server string, t api.Told, until time.Time) {
	v.service.told.Tell(v.line.Agent, server, t.Number, t.Name, until)
}

// tellRepository notes the number of a repository that a server has named.
func (v *visit) tellRepository(server, full string, id int64, until time.Time) {
	number, ok := api.RepositoryNumber(strconv.FormatInt(id, 10))
	name, named := api.RepositoryName(full)
	if ok && named {
		v.tell(server, api.Told{Number: number, Name: name}, until)
	}
}

// Remember implements [services.Rememberer].
func (s *Service) Remember() ([]byte, error) { return s.told.Snapshot() }

// Recall implements [services.Rememberer].
func (s *Service) Recall(kept []byte) error { return s.told.Restore(kept) }
