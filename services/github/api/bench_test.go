package api_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	github "sallyport/services/github/api"
)

func BenchmarkResolve(b *testing.B) {
	for name, r := range map[string]github.Request{
		"repo":     {Method: "GET", Host: "api.github.com", Path: "/repos/acme/web/pulls/17/reviews", Query: "per_page=100"},
		"contents": {Method: "GET", Host: "api.github.com", Path: "/repos/acme/web/contents/src/app/main.go", Query: "ref=main"},
		"branch":   {Method: "GET", Host: "api.github.com", Path: "/repos/acme/web/branches/feature/a/protection/required_status_checks/contexts"},
		"folded":   {Method: "POST", Host: "api.github.com", Path: "/repos/Acme/Web/issues/17/comments"},
		"git":      {Method: "GET", Host: "github.com", Path: "/acme/web.git/info/refs", Query: "service=git-upload-pack"},
		"unknown":  {Method: "GET", Host: "api.github.com", Path: "/repositories/1296269/pulls"},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			s := github.DotCom()
			for b.Loop() {
				_, _ = s.Resolve(r)
			}
		})
	}
}

func BenchmarkReadTable(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if err := github.ReadTable(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadGraphQL(b *testing.B) {
	b.ReportAllocs()
	h := http.Header{"Content-Type": {"application/json"}}
	body := []byte(`{"query":"query Pulls($o:String!,$n:String!){repository(owner:$o,name:$n){pullRequests(first:30){nodes{number title author{login} labels(first:10){nodes{name}}}}}}","variables":{"o":"acme","n":"web"}}`)
	for b.Loop() {
		if _, _, err := github.ReadGraphQL(h, bytes.NewReader(body)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadPush(b *testing.B) {
	b.ReportAllocs()
	body := pushBody("report-status", create("refs/heads/agent/x")) + "PACK" + strings.Repeat("x", 8192)
	for b.Loop() {
		if _, err := github.ReadPush(strings.NewReader(body), "", nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPatternMatches(b *testing.B) {
	p, err := github.ParsePattern("*/delete*")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		p.Catches("pulls/delete-review-comment")
		p.Catches("graphql/mutation.createIssue")
	}
}
