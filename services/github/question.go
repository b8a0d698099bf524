package github

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"sallyport/policy"
	"sallyport/services/github/api"
)

// Question implements [policy.Language]. It reads a git push line and a GraphQL document, which
// people cannot ask about by a URL.
func (*language) Question(text string, servers []string) (policy.Query, bool, error) {
	text = strings.TrimSpace(strings.TrimPrefix(text, "\ufeff"))
	if rest, ok := strings.CutPrefix(text, "git push "); ok {
		q, err := pushQuestion(strings.Fields(rest), servers)
		return q, true, err
	}
	for _, start := range []string{"{", "#", "query", "mutation", "fragment"} {
		rest, ok := strings.CutPrefix(text, start)
		if ok && (start == "{" || start == "#" || rest != "" && strings.ContainsAny(rest[:1], " \t\n({@")) {
			q, err := documentQuestion(text)
			return q, true, err
		}
	}
	return policy.Query{}, false, nil
}

// pushQuestion reads "[--create|--update|--delete] URL REF...". If none of the three is given,
// each ref is asked about twice: to be created, and to be updated.
func pushQuestion(words []string, servers []string) (policy.Query, error) {
	const form = "write git push https://github.com/OWNER/REPO REF, and --create, --update or --delete before it if that matters"
	updates := []api.Update{api.Create, api.Change}
	var plain []string
	for _, word := range words {
		switch word {
		case "--create":
			updates = []api.Update{api.Create}
		case "--update":
			updates = []api.Update{api.Change}
		case "--delete", "-d":
			updates = []api.Update{api.Delete}
		case "--force", "-f", "--force-with-lease", "--atomic":
		default:
			if strings.HasPrefix(word, "-") {
				return policy.Query{}, fmt.Errorf("%s is not understood here; %s", word, form)
			}
			plain = append(plain, word)
		}
	}
	if len(plain) < 2 {
		return policy.Query{}, errors.New(form)
	}
	q, err := policy.ParseRequest(http.MethodPost, strings.TrimSuffix(plain[0], "/")+"/git-receive-pack")
	if err != nil {
		return q, err
	}
	s, _ := surfaceOf(serversOf(servers), q.Authority.Name.String(), q.Path.String())
	o, err := resolve(s, q)
	if err != nil {
		return q, fmt.Errorf("%w; %s", err, form)
	}
	push := &api.Push{}
	for _, refspec := range plain[1:] {
		push.Updates = append(push.Updates, refUpdates(refspec, updates)...)
	}
	m := meaningOf(s, []api.Operation{o}, push)
	q.Meaning = &m
	return q, nil
}

// refUpdates reads one refspec: "main", "HEAD:refs/heads/main", "+a:b", ":old".
func refUpdates(refspec string, updates []api.Update) []api.RefUpdate {
	source, ref, both := strings.Cut(strings.TrimPrefix(refspec, "+"), ":")
	if !both {
		ref = source
	} else if source == "" {
		updates = []api.Update{api.Delete}
	}
	if !strings.HasPrefix(ref, "refs/") {
		ref = "refs/heads/" + ref
	}
	var all []api.RefUpdate
	for _, update := range updates {
		all = append(all, api.RefUpdate{Ref: ref, Update: update})
	}
	return all
}

func documentQuestion(document string) (policy.Query, error) {
	q, err := policy.ParseRequest(http.MethodPost, "https://api.github.com/graphql")
	if err != nil {
		return q, err
	}
	body, err := json.Marshal(map[string]string{"query": document})
	if err != nil {
		return q, err
	}
	m := policy.Meaning{}
	operations, _, err := api.ReadGraphQL(http.Header{"Content-Type": {api.GraphQLMedia}}, bytes.NewReader(body))
	if err != nil {
		m = unclassified(api.DotCom(), err) // as a request is judged that holds it
	} else {
		m = meaningOf(api.DotCom(), operations, nil)
	}
	q.Meaning = &m
	return q, nil
}
