package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/policy"
	github "sallyport/services/github/api"
)

func TestReadLFSBatch(t *testing.T) {
	t.Parallel()
	batch, err := github.DotCom().Resolve(github.Request{Method: "POST", Host: "github.com", Path: "/Acme/Web.git/info/lfs/objects/batch"})
	require.NoError(t, err)
	header := http.Header{"Content-Type": {"application/vnd.git-lfs+json; charset=utf-8"}}
	for direction, want := range map[string]github.Operation{
		"download": {Name: "git/lfs-download", Access: policy.Read, Permissions: []github.PermissionSet{{{Name: "contents", Access: policy.Read}}}},
		"upload":   {Name: "git/lfs-upload", Access: policy.Write, Permissions: []github.PermissionSet{{{Name: "contents", Access: policy.Write}}}},
	} {
		sent := `{"operation":"` + direction + `","transfers":["basic"],"ref":{"name":"refs/heads/main"},"objects":[{"oid":"12","size":1}],"hash_algo":"sha256"}`
		o, body, err := github.ReadLFSBatch(batch, header, strings.NewReader(sent))
		require.NoError(t, err)
		assert.Equal(t, sent, string(body))
		want.Repo, want.Owner, want.Settled, want.InstallationToken = "acme/web", "acme", true, true
		assert.Equal(t, want, o)
	}
	for name, c := range map[string]struct {
		body   string
		reason github.Reason
	}{
		"no operation":   {`{"objects":[]}`, github.ReasonSyntax},
		"unknown":        {`{"operation":"verify"}`, github.ReasonSyntax},
		"no string":      {`{"operation":1}`, github.ReasonSyntax},
		"twice":          {`{"operation":"download","operation":"upload"}`, github.ReasonSyntax},
		"in other case":  {`{"operation":"download","Operation":"upload"}`, github.ReasonSyntax},
		"list":           {`[{"operation":"download"}]`, github.ReasonBatch},
		"twice, escaped": {`{"operation":"download","op\u0065ration":"upload"}`, github.ReasonSyntax},
		"twice, below":   {`{"operation":"download","ref":{"name":"a","name":"b"}}`, github.ReasonSyntax},
		"ended by NUL":   {`{"operation":"download","operation\u0000":"upload"}`, github.ReasonSyntax},
		"half a pair":    {`{"operation":"download","ref":{"name":"\ud800"}}`, github.ReasonSyntax},
		"odd number":     {`{"operation":"download","objects":[{"oid":"1","size":1e999}]}`, github.ReasonSyntax},
		"comment":        {`{"operation":"download"/*,"operation":"upload"*/}`, github.ReasonSyntax},
		"mark":           {"\ufeff" + `{"operation":"download"}`, github.ReasonSyntax},
		"not UTF-8":      {"{\"operation\":\"download\",\"x\":\"\xff\"}", github.ReasonSyntax},
		"data after":     {`{"operation":"download"}{"operation":"upload"}`, github.ReasonSyntax},
		"too large":      {`{"operation":"download"` + strings.Repeat(" ", github.MaxLFSBatch) + `}`, github.ReasonTooLarge},
		"nothing at all": {``, github.ReasonSyntax},
	} {
		_, _, err := github.ReadLFSBatch(batch, header, strings.NewReader(c.body))
		assert.Equal(t, c.reason, reasonOf(t, err), name)
	}
	_, _, err = github.ReadLFSBatch(batch, http.Header{"Content-Type": {"text/plain"}}, strings.NewReader(`{"operation":"download"}`))
	assert.Equal(t, github.ReasonEncoding, reasonOf(t, err))
}
