package github

import (
	"errors"
	"fmt"
	"strings"

	"sallyport/credentials"
	"sallyport/policy"
	"sallyport/services/github/api"
	"sallyport/services/github/app"
)

// Language implements [services.Service].
func (*Service) Language(lookup func(name string) *credentials.Credential) policy.Service {
	return policy.Service{
		Key: Key, Title: "GitHub", Default: api.DotCom().Host(),
		Keys:    []string{"host", "repos", "operations", "access", "refs", "updates"},
		Example: "{repos: [OWNER/*], access: read}",
		Server: func(text string) (string, error) {
			s, err := serverAt(text)
			if err != nil {
				return "", fmt.Errorf("%q is not a GitHub server; write its web host, as in github.example.com", text)
			}
			return s.Host(), nil
		},
		Operations: func(pattern string) (policy.Operations, error) { return api.ParsePattern(pattern) },
		Reach:      reachOf,
		Bare:       func(o policy.Operations) bool { return strings.HasPrefix(o.String(), "download/") }, // links that are signed
		// Where the credentials are not known, the exchange makes sure.
		Narrows:  func(name string) bool { return lookup == nil || lookup(name).Kind() == app.Minted },
		Meaning:  meaningByLine,
		Question: readQuestion,
	}
}

func reachOf(o policy.Operations) policy.Reach {
	p, ok := o.(api.Pattern)
	if !ok {
		return policy.Reach{Least: policy.Read, Greatest: policy.Admin, Named: true}
	}
	r := p.Reach()
	return policy.Reach{Least: policy.Access(r.Least), Greatest: policy.Access(r.Greatest), Named: r.Repo, Hidden: r.GraphQL, WritesRefs: r.WritesRefs, Pushes: r.Pushes}
}

// resolve names a request as far as its line tells.
func resolve(s api.Service, q policy.Query) (api.Operation, error) {
	if q.Scheme != "https" || q.Authority.Port != 443 {
		return api.Operation{}, errors.New("GitHub is spoken to over https, on port 443 only")
	}
	return s.Resolve(api.Request{Method: q.Method, Host: q.Authority.Name.String(), Path: q.Path.String(), Query: q.RawQuery})
}

// meaningOf puts operations into the words of policies.
func meaningOf(s api.Service, operations []api.Operation, push *api.Push) policy.Meaning {
	m := policy.Meaning{Service: Key, Server: s.Host()}
	if push != nil && len(push.Updates) > 0 {
		call := callOf(operations[0])
		m.Calls = make([]policy.Call, len(push.Updates))
		for i, u := range push.Updates {
			m.Calls[i] = call
			m.Calls[i].Ref, m.Calls[i].Update = u.Ref, string(u.Update)
		}
		return m
	}
	for _, o := range operations {
		call := callOf(o)
		call.Probe = o.Name == "git/push"
		m.Calls = append(m.Calls, call)
	}
	if len(m.Calls) == 0 {
		m.Unclassified = "it does nothing that has a name"
	}
	return m
}

func callOf(o api.Operation) policy.Call {
	return policy.Call{
		Operation: o.Name, Resource: o.Repo, Account: o.Owner, Access: policy.Access(o.Access),
		Hidden: strings.HasPrefix(o.Name, "graphql/"), Credential: o.CredentialAnswer, WritesRef: o.WritesRefs,
	}
}

func unclassified(s api.Service, err error) policy.Meaning {
	return policy.Meaning{Service: Key, Server: s.Host(), Unclassified: err.Error()}
}

// meaningByLine is for questions, which have no body.
func meaningByLine(q policy.Query, servers []string) *policy.Meaning {
	s, surface := surfaceOf(serversOf(servers), q.Authority.Name.String(), q.Path.String())
	if surface == api.NotGitHub {
		return nil
	}
	var m policy.Meaning
	o, err := resolve(s, q)
	if err == nil && o.Body != api.NoBody {
		err = errors.New(bodyHint(o.Body))
	}
	if err != nil {
		m = unclassified(s, err)
	} else {
		m = meaningOf(s, []api.Operation{o}, nil)
	}
	return &m
}

func bodyHint(b api.Body) string {
	switch b {
	case api.GraphQLBody:
		return "what it does is in its body; ask about the GraphQL document instead"
	case api.PushBody:
		return `what it does is in its body; ask "git push URL REF" instead`
	case api.LFSBody, api.NoBody:
	}
	return "what it does is in its body; whether it downloads or uploads cannot be told from the line"
}
