package llm

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"sallyport/credentials"
	"sallyport/internal/glob"
	"sallyport/internal/nearest"
	"sallyport/policy"
)

// language is the key of models in the rules of policies.
type language struct{ service *Service }

// Language implements [services.Service].
func (s *Service) Language(func(name string) *credentials.Credential) policy.Language {
	return &language{s}
}

// Words implements [policy.Language].
func (*language) Words() policy.Words {
	return policy.Words{
		Key: Key, Title: "a model", Example: `{provider: anthropic, models: ["claude-*"]}`,
		Keys: []string{"provider", "hosts", "base", "operations", "models", "max_output_tokens", "tools"},
	}
}

func (l *language) names() string {
	var names []string
	for _, p := range l.service.providers {
		names = append(names, p.name)
	}
	return strings.Join(names, ", ")
}

// pattern of operations, the provider's name in front.
type pattern struct {
	provider string
	text     string
}

// pattern reads one that a rule writes without the provider's name.
func (p *provider) pattern(text string) (policy.Pattern, error) {
	var names []string
	for i := range p.operations {
		if glob.Match(text, p.operations[i].name) {
			return pattern{p.name, text}, nil
		}
		names = append(names, p.operations[i].name)
	}
	if meant, slip := nearest.Slip(text, names); slip {
		return nil, fmt.Errorf("%q names no operation of %s; did you mean %s?", text, p.name, meant)
	}
	return nil, fmt.Errorf("%q names no operation of %s; there are %s", text, p.name, strings.Join(names, ", "))
}

func (p pattern) String() string { return p.text }

// Matches implements [policy.Pattern].
func (p pattern) Matches(operation string) bool {
	name, below := strings.CutPrefix(operation, p.provider+"/")
	return below && glob.Match(p.text, name)
}

// Catches implements [policy.Pattern].
func (pattern) Catches(string) bool { return false }

// Exact implements [policy.Pattern].
func (p pattern) Exact() bool { return !strings.Contains(p.text, "*") }

// Meaning implements [policy.Language], for questions by URL, which have no body.
func (l *language) Meaning(q policy.Query, servers []string) *policy.Meaning {
	for _, s := range l.service.sitesAt(servers) {
		if !s.has(q.Authority) {
			continue
		}
		o, model := s.find(q.Method, q.Path.String())
		m := s.provider.unknown("it is none of the operations of " + s.provider.name + " that are known")
		switch {
		case o == nil:
		case o.model == inBody:
			m.Unclassified = fmt.Sprintf("its model is in its body; ask about %s:%s/%s MODEL instead", Key, s.provider.name, o.name)
		default:
			m = s.provider.meaning(&request{operation: o, model: model, most: unbounded})
		}
		return &m
	}
	return nil
}

// sitesAt reads what rules say of servers ([clause.Place]): a provider's name, and the hosts at which
// its protocol is spoken.
func (s *Service) sitesAt(servers []string) (list []site) {
	hosts := patternsOf(servers)
	for _, name := range servers {
		if p := s.lookup(name); p != nil {
			list = append(list, site{provider: p, hosts: hosts, bases: p.bases})
		}
	}
	return list
}

const form = "write " + Key + ":PROVIDER/OPERATION MODEL [max_output_tokens=N] [tools=NAME,NAME] [HOST]"

// Question implements [policy.Language]: it reads
// "llm:anthropic/messages claude-sonnet-4-5 max_output_tokens=8000 tools=web_search models.example.com".
func (l *language) Question(text string, _ []string) (policy.Query, bool, error) {
	words := strings.Fields(text)
	if len(words) == 0 {
		return policy.Query{}, false, nil
	}
	name, ours := strings.CutPrefix(words[0], Key+":")
	if !ours {
		return policy.Query{}, false, nil
	}
	providerName, operationName, _ := strings.Cut(name, "/")
	p := l.service.lookup(providerName)
	if p == nil {
		return policy.Query{}, true, fmt.Errorf("%q is no provider; there are %s; %s", providerName, l.names(), form)
	}
	o := p.named(operationName)
	if o == nil {
		_, err := p.pattern(operationName)
		if err == nil {
			err = fmt.Errorf("%q is not the name of one operation", operationName)
		}
		return policy.Query{}, true, err
	}
	q, err := p.question(o, words[1:])
	return q, true, err
}

func (p *provider) question(o *operation, words []string) (policy.Query, error) {
	r := &request{operation: o, most: unbounded}
	authority := p.hosts[0]
	named := false
	for _, word := range words {
		key, value, set := strings.Cut(word, "=")
		switch {
		case set && key == "max_output_tokens":
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil || n < 0 {
				return policy.Query{}, errors.New("max_output_tokens is a whole number; " + form)
			}
			r.most = n
		case set && key == "tools":
			for tool := range strings.SplitSeq(value, ",") {
				r.uses(tool)
			}
		case !named && o.model != nowhere:
			r.model, named = word, true
		default:
			authority = strings.TrimPrefix(word, "https://")
		}
	}
	q, err := policy.ParseRequest(o.method, "https://"+authority+p.bases[0]+"/"+strings.ReplaceAll(o.path, "{}", "x"))
	m := p.meaning(r)
	q.Meaning = &m
	return q, err
}
