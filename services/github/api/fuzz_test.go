package api_test

import (
	"bytes"
	"io"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	github "sallyport/services/github/api"
)

// Whatever has a name has it under one reading only: written out with every slash
// decoded, with every escape normalised, or in lower case where GitHub folds case, it is
// the same operation on the same repository, or none.
func FuzzResolve(f *testing.F) {
	for _, seed := range []string{
		"/repos/acme/web/pulls", "/repos/acme/web/contents/a%2Fb", "/repositories/1", "/repos/acme/web/branches/x%2Fprotection",
		"/orgs/Acme/teams/core/repos/a/b", "/repos/a/b/compare/x...y%2Fz", "//", "/%2e", "/gists/public", "/repos/a/b/labels/100%25",
	} {
		f.Add("GET", seed, "")
		f.Add("DELETE", seed, "a=1")
	}
	f.Add("GET", "/acme/web.git/info/refs", "service=git-upload-pack")
	f.Add("GET", "/acme/web/info/refs", "service=git-upload-pack&service=git-receive-pack")
	f.Add("POST", "/acme/web.wiki.git/git-receive-pack", "")
	f.Add("POST", "/acme/web.git/info/lfs/objects/batch", "")
	f.Add("GET", "/repos/acme/web/contents/", "ref=a%26_method=DELETE")
	f.Add("GET", "/repos/acme/web/tarball", "%5Fmethod=DELETE")
	f.Add("GET", "/acme/web/refs/heads/a/b.txt", "")
	f.Fuzz(func(t *testing.T, method, path, query string) {
		for _, h := range []string{"api.github.com", "github.com", "uploads.github.com", "raw.githubusercontent.com"} {
			r := github.Request{Method: method, Host: h, Path: path, Query: query}
			o, err := github.DotCom().Resolve(r)
			if err != nil {
				reasonOf(t, err)
				assert.Zero(t, o)
				continue
			}
			assert.Equal(t, strings.ToLower(o.Repo), o.Repo)
			assert.False(t, strings.ContainsAny(o.Resource(), "%\\ ?#;") || strings.Contains(o.Resource(), ".."))
			decoded, err := url.PathUnescape(path)
			require.NoError(t, err)
			again := r
			again.Path = (&url.URL{Path: decoded}).EscapedPath()
			if other, err := github.DotCom().Resolve(again); err == nil {
				assert.Equal(t, o.Name, other.Name, "%s and %s", path, again.Path)
				assert.Equal(t, o.Resource(), other.Resource(), "%s and %s", path, again.Path)
			}
		}
	})
}

// What ReadPush accepts is, byte for byte, what is sent on, and writing its commands down
// again gives the same list.
func FuzzReadPush(f *testing.F) {
	f.Add([]byte(pushBody("report-status push-options", create("refs/heads/x"))+pkt("o")+"0000PACK"), false)
	f.Add([]byte(pushBody("", remove("refs/heads/x"), remove("refs/tags/v1"))), false)
	f.Add([]byte("0000"), false)
	f.Add([]byte(pkt("shallow "+zero)+pushBody("atomic report-status-v2", create("refs/heads/x"))+"PACK"), false)
	f.Add([]byte(pushBody("", create("refs/heads/x"))+"0001"+pushBody("", create("refs/heads/main"))+"PACK"), false)
	f.Add([]byte(pushBody("", create("refs/heads/x"))+pushBody("", create("refs/heads/main"))), false)
	f.Add([]byte(pkt("push-cert\x00x")+"0000"), false)
	f.Add([]byte("fff1"+strings.Repeat("a", 100)), false)
	f.Add([]byte(zipped(f, pushBody("", remove("refs/heads/x")))+zipped(f, "0000")), true)
	f.Add([]byte(zipped(f, pushBody("", change("refs/heads/x"))+"PACK....")), true)
	f.Fuzz(func(t *testing.T, body []byte, compressed bool) {
		encoding := ""
		if compressed {
			encoding = "gzip"
		}
		rest := strings.NewReader(string(body))
		var taken bytes.Buffer
		p, err := github.ReadPush(io.TeeReader(rest, &taken), encoding, nil)
		if err != nil {
			reasonOf(t, err)
			return
		}
		replayed, err := io.ReadAll(io.MultiReader(&taken, rest))
		require.NoError(t, err)
		assert.Equal(t, string(body), string(replayed))
		var commands []string
		for _, u := range p.Updates {
			assert.True(t, github.IsRef(u.Ref))
			commands = append(commands, u.Old+" "+u.New+" "+u.Ref)
		}
		again, err := github.ReadPush(strings.NewReader(pushBody("", commands...)+pack(p)), "", nil)
		require.NoError(t, err)
		assert.Equal(t, p.Updates, again.Updates)
		require.NoError(t, p.WriteRefusal(io.Discard, "no", func(u github.RefUpdate) string { return u.Ref }))
	})
}

// pack is what has to follow a push's command list.
func pack(p *github.Push) string {
	for _, u := range p.Updates {
		if u.Update != github.Delete {
			return "PACK"
		}
	}
	return ""
}

// No header teaches anything but what it says.
func FuzzParseAccepted(f *testing.F) {
	f.Add("contents=write,workflows=write; contents=write")
	f.Fuzz(func(t *testing.T, header string) {
		all, ok := github.ParseAccepted(header)
		if !ok {
			return
		}
		var parts []string
		for _, s := range all {
			parts = append(parts, s.String())
		}
		again, ok := github.ParseAccepted(strings.Join(parts, ";"))
		assert.True(t, ok)
		assert.Equal(t, all, again)
	})
}
