package proxy

import (
	"errors"
	"fmt"
	"strings"

	"sallyport/internal/host"
	"sallyport/policy"
	github "sallyport/services/github/api"
)

// gitHubKey is what policies and the trail call GitHub.
const gitHubKey = "github"

// Services are the services that policies can speak of.
func Services() []policy.Service { return []policy.Service{gitHubService(), awsService()} }

func gitHubService() policy.Service {
	return policy.Service{
		Key: gitHubKey, Title: "GitHub", Default: github.DotCom().Host(),
		Keys:    []string{"host", "repos", "operations", "access", "refs", "updates"},
		Example: "{repos: [OWNER/*], access: read}",
		Server: func(text string) (string, error) {
			s, err := gitHubAt(text)
			if err != nil {
				return "", fmt.Errorf("%q is not a GitHub server; write its web host, as in github.example.com", text)
			}
			return s.Host(), nil
		},
		Operations: func(pattern string) (policy.Operations, error) { return github.ParsePattern(pattern) },
		Reach:      gitHubReach,
		Bare:       func(o policy.Operations) bool { return strings.HasPrefix(o.String(), "download/") }, // links that are signed
		// Whoever knows the credentials says more; the exchange makes sure.
		Narrows:  func(string) bool { return true },
		Meaning:  gitHubMeaning,
		Question: gitHubQuestion,
	}
}

func gitHubReach(o policy.Operations) policy.Reach {
	p, ok := o.(github.Pattern)
	if !ok {
		return policy.Reach{Least: policy.Read, Greatest: policy.Admin, Named: true}
	}
	r := p.Reach()
	return policy.Reach{Least: policy.Access(r.Least), Greatest: policy.Access(r.Greatest), Named: r.Repo, Hidden: r.GraphQL, WritesRefs: r.WritesRefs, Pushes: r.Pushes}
}

func gitHubAt(server string) (github.Service, error) {
	name, err := host.ParseName(server)
	if err != nil {
		return github.Service{}, err
	}
	return github.ParseService("https://" + name.String())
}

// gitHubs are the servers, github.com always among them.
func gitHubs(servers []string) []github.Service {
	all := []github.Service{github.DotCom()}
	for _, server := range servers {
		if s, err := gitHubAt(server); err == nil && s != all[0] {
			all = append(all, s)
		}
	}
	return all
}

// surface finds the server that a request goes to, and the part of it.
func gitHubSurface(all []github.Service, name, path string) (github.Service, github.Surface) {
	for _, s := range all {
		if surface := s.Surface(name, path); surface != github.NotGitHub {
			return s, surface
		}
	}
	return github.Service{}, github.NotGitHub
}

// resolveGitHub names a request as far as its line tells.
func resolveGitHub(s github.Service, q policy.Query) (github.Operation, error) {
	if q.Scheme != "https" || q.Authority.Port != 443 {
		return github.Operation{}, errors.New("GitHub is spoken to over https, on port 443 only")
	}
	return s.Resolve(github.Request{Method: q.Method, Host: q.Authority.Name.String(), Path: q.Path.String(), Query: q.RawQuery})
}

// meaningOf puts operations into the words of policies.
func meaningOf(s github.Service, operations []github.Operation, push *github.Push) policy.Meaning {
	m := policy.Meaning{Service: gitHubKey, Server: s.Host()}
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

func callOf(o github.Operation) policy.Call {
	return policy.Call{
		Operation: o.Name, Resource: o.Repo, Account: o.Owner, Access: policy.Access(o.Access),
		Hidden: strings.HasPrefix(o.Name, "graphql/"), Credential: o.CredentialAnswer, WritesRef: o.WritesRefs,
	}
}

func unclassified(s github.Service, err error) policy.Meaning {
	return policy.Meaning{Service: gitHubKey, Server: s.Host(), Unclassified: err.Error()}
}

// gitHubMeaning is for questions, which have no body.
func gitHubMeaning(q policy.Query, servers []string) *policy.Meaning {
	s, surface := gitHubSurface(gitHubs(servers), q.Authority.Name.String(), q.Path.String())
	if surface == github.NotGitHub {
		return nil
	}
	var m policy.Meaning
	o, err := resolveGitHub(s, q)
	if err == nil && o.Body != github.NoBody {
		err = errors.New(bodyHint(o.Body))
	}
	if err != nil {
		m = unclassified(s, err)
	} else {
		m = meaningOf(s, []github.Operation{o}, nil)
	}
	return &m
}

func bodyHint(b github.Body) string {
	switch b {
	case github.GraphQLBody:
		return "what it does is in its body; ask about the GraphQL document instead"
	case github.PushBody:
		return `what it does is in its body; ask "git push URL REF" instead`
	case github.LFSBody, github.NoBody:
	}
	return "what it does is in its body; whether it downloads or uploads cannot be told from the line"
}
