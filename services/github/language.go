package github

import (
	"errors"
	"strings"

	"sallyport/credentials"
	"sallyport/policy"
	"sallyport/services/github/api"
	"sallyport/services/github/app"
)

// language is GitHub's key in the rules of policies.
type language struct {
	// lookup finds the credentials that rules name; nil if they are not known.
	lookup func(name string) *credentials.Credential
}

// Language implements [services.Service].
func (*Service) Language(lookup func(name string) *credentials.Credential) policy.Language {
	return &language{lookup}
}

const example = "{repos: [OWNER/*], access: read}"

// Words implements [policy.Language].
func (*language) Words() policy.Words {
	return policy.Words{
		Key: Key, Title: "GitHub", Default: api.DotCom().Host(), Example: example,
		Keys:     []string{"host", "repos", "operations", "access", "refs", "updates"},
		Limiting: []string{"access", "operations", "refs"},
	}
}

// narrows reports whether tokens of a credential are narrowed to the repositories of the rule.
// Such a rule can allow calls that hide their repository. If the credentials are not known,
// the answer is yes, and the exchange refuses later what cannot be narrowed.
func (l *language) narrows(credential string) bool {
	return l.lookup == nil || l.lookup(credential).Kind() == app.Minted
}

// resolve names a request as far as its line tells.
func resolve(s api.Service, q policy.Query) (api.Operation, error) {
	if err := checkPlace(q); err != nil {
		return api.Operation{}, err
	}
	return s.Resolve(requestOf(q))
}

func checkPlace(q policy.Query) error {
	if q.Scheme != "https" || q.Authority.Port != 443 {
		return errors.New("GitHub is spoken to over https, on port 443 only")
	}
	return nil
}

func requestOf(q policy.Query) api.Request {
	return api.Request{Method: q.Method, Host: q.Authority.Name.String(), Path: q.Path.String(), Query: q.RawQuery}
}

// meaningOf puts operations into the words of policies.
func meaningOf(s api.Service, operations []api.Operation, push *api.Push) policy.Meaning {
	m := policy.Meaning{Service: Key, Server: s.Host()}
	if push != nil && len(push.Updates) > 0 {
		call, f := callOf(operations[0])
		m.Calls = make([]policy.Call, len(push.Updates))
		all := make([]facts, len(push.Updates)) // in one piece, for a push has thousands
		for i, u := range push.Updates {
			all[i] = f
			all[i].Ref, all[i].Update = u.Ref, string(u.Update)
			m.Calls[i] = call
			m.Calls[i].Facts = &all[i]
		}
		return m
	}
	for i := range operations {
		call, f := callOf(operations[i])
		f.Probe = call.Operation == pushOperation
		call.Facts = &f
		m.Calls = append(m.Calls, call)
	}
	if len(m.Calls) == 0 {
		m.Unclassified = "it does nothing that has a name"
	}
	return m
}

// callOf is an operation in the words of a policy: the call, and the facts that belong to it.
func callOf(o api.Operation) (policy.Call, facts) {
	return policy.Call{Operation: o.Name, Resource: o.Repo, Access: o.Access, Credential: o.CredentialAnswer},
		facts{Account: o.Owner, Hidden: strings.HasPrefix(o.Name, "graphql/"), WritesRef: o.WritesRefs, General: o.IsGeneral()}
}

func unclassified(s api.Service, err error) policy.Meaning {
	return policy.Meaning{Service: Key, Server: s.Host(), Unclassified: err.Error()}
}

// Meaning implements [policy.Language], for questions, which have no body.
func (*language) Meaning(q policy.Query, servers []string) *policy.Meaning {
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
