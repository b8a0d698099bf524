package github_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/policy"
	"sallyport/services"
	"sallyport/services/github"
)

const (
	web   = "https://api.github.com/repos/acme/web"
	mine  = "11111111-1111-4111-8111-111111111111"
	yours = "22222222-2222-4222-8222-222222222222"
)

// told is GitHub as agents ask it: what answers tell stays.
type told struct {
	*testing.T
	sites services.Sites
}

func newTold(t *testing.T) *told {
	t.Helper()
	s := github.New()
	return &told{t, s.Sites(files(t, s))}
}

// asks is one request of an agent, read.
func (w *told) asks(agent, method, url string) (services.Visit, policy.Meaning) {
	w.Helper()
	q, err := policy.ParseRequest(method, url)
	require.NoError(w, err)
	r, err := http.NewRequestWithContext(w.Context(), method, url, http.NoBody)
	require.NoError(w, err)
	v := w.sites.Find(&services.Line{Query: q, Request: r, Agent: agent})
	if v == nil {
		return nil, policy.Meaning{}
	}
	return v, v.Read(&body{})
}

// is what a request does, or why that is not known.
func (w *told) is(agent, method, url string) string {
	w.Helper()
	_, m := w.asks(agent, method, url)
	if m.Service == "" {
		return "nobody's"
	}
	if len(m.Calls) == 0 {
		return m.Unclassified
	}
	return strings.TrimSpace(m.Calls[0].Operation + " " + m.Calls[0].Resource)
}

// answer is one to a GET of mine.
func (w *told) answer(url string, status int, header http.Header, text string) {
	w.Helper()
	v, _ := w.asks(mine, http.MethodGet, url)
	require.NotNil(w, v)
	if header == nil {
		header = http.Header{}
	}
	if header["Content-Type"] == nil {
		header["Content-Type"] = []string{"application/json; charset=utf-8"}
	}
	response := &http.Response{StatusCode: status, Header: header, Body: http.NoBody}
	v.(services.Learner).Learn(response)
	if watch := v.(services.Watcher).Watch(response, false); watch != nil {
		for piece := range strings.SplitSeq(text, "\n") {
			_, _ = io.WriteString(watch, piece)
		}
		watch.Close(func([]string) {})
	}
}

func links(url string) http.Header {
	return http.Header{"Link": {"<" + url + "?page=2>; rel=\"next\", <" + url + "?page=9>; rel=\"last\""}}
}

func moved(url string) http.Header { return http.Header{"Location": {url}} }

const (
	page2   = "https://api.github.com/repositories/7/issues?page=2"
	unnamed = "hides which repository is meant"
)

func TestANumberThatALinkTellsIsItsRepository(t *testing.T) {
	t.Parallel()
	w := newTold(t)
	assert.Contains(t, w.is(mine, http.MethodGet, page2), unnamed)
	w.answer(web+"/issues", http.StatusOK, links("https://api.github.com/repositories/7/issues"), "[]")
	assert.Equal(t, "issues/list-for-repo acme/web", w.is(mine, http.MethodGet, page2))
	assert.Equal(t, "repos/get acme/web", w.is(mine, http.MethodGet, "https://api.github.com/repositories/7"))
	assert.Equal(t, "actions/create-registration-token-for-repo acme/web",
		w.is(mine, http.MethodPost, "https://api.github.com/repositories/7/actions/runners/registration-token"), "and all that is done to it has its name")

	assert.Contains(t, w.is(yours, http.MethodGet, page2), unnamed, "another agent was not told")
	assert.Contains(t, w.is(mine, http.MethodGet, "https://api.github.com/repositories/8/issues"), unnamed)
	assert.NotContains(t, w.is(mine, http.MethodGet, "https://"+enterprise+"/api/v3/repositories/7/issues"), "acme/web", "another server has numbers of its own")
	for _, odd := range []string{
		"http://api.github.com/repositories/7/issues", "https://api.github.com:444/repositories/7/issues", "https://api.github.com/repositories/07/issues",
		"https://api.github.com/repositories/7//issues", "https://api.github.com/repositories/%37/issues", "https://api.github.com/Repositories/7/issues",
		"https://api.github.com/repositories/7%2fissues", "https://api.github.com/repositories/7/issues/",
		"https://uploads.github.com/repositories/7/releases/1/assets", "https://api.github.com/repositories/7/issues?_method=DELETE",
	} {
		assert.NotContains(t, w.is(mine, http.MethodGet, odd), "acme/web", odd)
	}
}

func TestAccountsAndTeamsAreLinkedByNumberToo(t *testing.T) {
	t.Parallel()
	const api = "https://api.github.com"
	w := newTold(t)
	for _, c := range [][3]string{
		{"/orgs/Acme/repos", "/organizations/51/repos", "repos/list-for-org"},
		{"/users/dana/repos", "/user/9/repos", "repos/list-for-user"},
		{"/orgs/acme/teams/core/members", "/organizations/51/team/3/members", "teams/list-members-in-org"},
	} {
		assert.Contains(t, w.is(mine, http.MethodGet, api+c[1]+"?page=2"), "the number hides which account", c[1])
		w.answer(api+c[0], http.StatusOK, links(api+c[1]), "[]")
		assert.Contains(t, w.is(mine, http.MethodGet, api+c[1]+"?page=2"), c[2], c[1])
	}
	assert.Equal(t, "users/get-by-id", w.is(mine, http.MethodGet, api+"/user/9"), "which GitHub's descriptions have")
}

// Only what a server says about its own numbers counts, where it says it to a request by name.
func TestWhatTellsNothingOfANumber(t *testing.T) {
	t.Parallel()
	const number = "https://api.github.com/repositories/7"
	for name, tell := range map[string]func(*told){
		"another server's link": func(w *told) {
			w.answer("https://"+enterprise+"/api/v3/repos/acme/web/issues", http.StatusOK, links(number+"/issues"), "[]")
		},
		"a link elsewhere": func(w *told) {
			w.answer(web+"/issues", http.StatusOK, links("https://example.com/repositories/7/issues"), "[]")
		},
		"a link to something else": func(w *told) { w.answer(web+"/issues", http.StatusOK, links(number+"/pulls"), "[]") },
		"a link in clear text": func(w *told) {
			w.answer(web+"/issues", http.StatusOK, links("http://api.github.com/repositories/7/issues"), "[]")
		},
		"a link to a port": func(w *told) {
			w.answer(web+"/issues", http.StatusOK, links("https://api.github.com:8443/repositories/7/issues"), "[]")
		},
		"a failure's link": func(w *told) { w.answer(web+"/issues", http.StatusNotFound, links(number+"/issues"), "[]") },
		"the site's link": func(w *told) {
			w.answer("https://github.com/repos/acme/issues", http.StatusOK, links(number+"/issues"), "[]")
		},
		"a number by a number": func(w *told) {
			w.answer("https://api.github.com/repositories/8/issues", http.StatusOK, links(number+"/issues"), "[]")
		},
		"a file of a repository": func(w *told) {
			w.answer(web+"/contents/x", http.StatusOK, nil, `{"id": 7, "full_name": "acme/web"}`)
		},
		"what somebody made of a deployment": func(w *told) {
			w.answer(web+"/deployments", http.StatusOK, nil, `[{"id": 1, "payload": {"id": 7, "full_name": "acme/web"}}]`)
		},
		"what stands deeper in a description": func(w *told) {
			w.answer(web, http.StatusOK, nil, `{"id": 8, "custom_properties": {"id": 7, "full_name": "acme/web"}, "full_name": "acme/api", "repositories": 3}`)
		},
		"what is no JSON": func(w *told) {
			w.answer(web, http.StatusOK, http.Header{"Content-Type": {"text/html"}}, `{"id": 7, "full_name": "acme/web"}`)
		},
		"what is compressed": func(w *told) {
			w.answer(web, http.StatusOK, http.Header{"Content-Encoding": {"gzip"}}, `{"id": 7, "full_name": "acme/web"}`)
		},
		"a name that is none": func(w *told) { w.answer(web, http.StatusOK, nil, `{"id": 7, "full_name": "acme/../web"}`) },
	} {
		w := newTold(t)
		tell(w)
		assert.Contains(t, w.is(mine, http.MethodGet, page2), unnamed, name)
	}
}

func TestADescriptionTellsANumber(t *testing.T) {
	t.Parallel()
	for name, one := range map[string][2]string{
		"of one":          {web, `{"id": 7, "owner": {"id": 1, "login": "acme"}, "topics": ["a", {"b": []}], "full_name": "Acme/Web"}`},
		"in a list":       {"https://api.github.com/orgs/acme/repos", "[{\"id\": 6, \"full_name\": \"acme/api\"},\n {\"full_name\": \"acme/web\", \"id\": 7}]"},
		"in a named list": {"https://api.github.com/installation/repositories", `{"total_count": 1, "repositories": [{"id": 7, "full_name": "acme/web"}]}`},
		"that is cut off": {"https://api.github.com/search/repositories?q=x", `{"items": [{"id": 7, "full_name": "acme/web"}, {"id": 9, "full_na`},
	} {
		w := newTold(t)
		w.answer(one[0], http.StatusOK, nil, one[1])
		assert.Equal(t, "issues/list-for-repo acme/web", w.is(mine, http.MethodGet, page2), name)
	}
}

// Whoever has another name now is not judged by the old one.
func TestARenamedRepositoryIsNotItsOldName(t *testing.T) {
	t.Parallel()
	w := newTold(t)
	w.answer(web, http.StatusOK, nil, `{"id": 7, "full_name": "acme/web"}`)
	w.answer(web+"/issues?page=1", http.StatusMovedPermanently, moved("https://api.github.com/repositories/7/issues?page=1"), "{}")
	assert.Contains(t, w.is(mine, http.MethodGet, page2), "has another name now")
	w.answer("https://api.github.com/repos/acme/secret", http.StatusOK, nil, `{"id": 7, "full_name": "acme/secret"}`)
	assert.Equal(t, "issues/list-for-repo acme/secret", w.is(mine, http.MethodGet, page2))

	w = newTold(t)
	w.answer(web, http.StatusOK, nil, `{"id": 7, "full_name": "acme/web"}`)
	w.answer("https://api.github.com/repositories/7", http.StatusOK, nil, `{"id": 7, "full_name": "acme/secret"}`)
	assert.Equal(t, "issues/list-for-repo acme/secret", w.is(mine, http.MethodGet, page2))
	w.answer(web+"/issues", http.StatusMovedPermanently, moved("https://example.com/repositories/7/issues"), "{}")
	assert.Equal(t, "issues/list-for-repo acme/secret", w.is(mine, http.MethodGet, page2), "GitHub's own address alone tells")
}
