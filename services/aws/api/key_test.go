package api_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	aws "sallyport/services/aws/api"
)

// atStore is the request at a server of somebody else's.
func atStore(r aws.Request) aws.Request {
	r.Store = true
	return r
}

func oddKeys() map[string]string {
	return map[string]string{
		"a parent":              "agents/../prod/k",
		"a parent of a bucket":  "agents/../../secrets/k",
		"a parent at the start": "../k",
		"a parent at the end":   "agents/..",
		"a dot":                 "agents/./k",
		"dots and a space":      "agents/.. /k",
		"three dots":            "agents/.../k",
		"a backslash":           `agents\..\k`,
		"a line feed":           "agents/\nk",
		"a space at the start":  " agents/k",
		"a space at the end":    "agents/k\u00a0",
		"a long key":            strings.Repeat("k", 1025),
	}
}

func escaped(key string) string {
	var b strings.Builder
	for _, c := range []byte(key) {
		b.WriteString("%" + string("0123456789ABCDEF"[c>>4]) + string("0123456789ABCDEF"[c&15]))
	}
	return strings.ReplaceAll(b.String(), "%2F", "/")
}

// TestOddKeysAreKnownNowhere: a key that some server reads as another has no name, in
// whichever place it stands.
func TestOddKeysAreKnownNowhere(t *testing.T) {
	t.Parallel()
	places := map[string]func(key string) aws.Request{
		"path": func(key string) aws.Request { return request("s3", "acme.s3", "GET /"+escaped(key)) },
		"prefix": func(key string) aws.Request {
			return request("s3", "acme.s3", "GET /?list-type=2&prefix="+escaped(key))
		},
		"start": func(key string) aws.Request {
			return request("s3", "acme.s3", "GET /?list-type=2&start-after="+escaped(key))
		},
		"marker": func(key string) aws.Request { return request("s3", "acme.s3", "GET /?marker="+escaped(key)) },
		"versions": func(key string) aws.Request {
			return request("s3", "acme.s3", "GET /?versions&key-marker="+escaped(key))
		},
		"uploads": func(key string) aws.Request { return request("s3", "acme.s3", "GET /?uploads&prefix="+escaped(key)) },
		"tags":    func(key string) aws.Request { return request("s3", "acme.s3", "PUT /"+escaped(key)+"?tagging") },
		"select": func(key string) aws.Request {
			return request("s3", "acme.s3", "POST /"+escaped(key)+"?select&select-type=2")
		},
		"copy": func(key string) aws.Request {
			return request("s3", "acme.s3", "PUT /k", "X-Amz-Copy-Source: acme/"+escaped(key))
		},
		"part": func(key string) aws.Request {
			return request("s3", "acme.s3", "PUT /k?partNumber=1&uploadId=u", "X-Amz-Copy-Source: /acme/"+escaped(key))
		},
		"presigned": func(key string) aws.Request {
			return request("s3", "acme.s3", "PUT /k?x-amz-copy-source=acme/"+strings.ReplaceAll(escaped(key), "%", "%25"))
		},
		"list": func(key string) aws.Request {
			return request("s3", "acme.s3", "POST /?delete", "<Delete><Object><Key>fine</Key></Object><Object><Key>"+key+"</Key></Object></Delete>")
		},
	}
	for place, build := range places {
		o, err := aws.Resolve(build("agents/a b/k..k.json"))
		require.NoError(t, err, place)
		for _, c := range o.Calls {
			assert.Empty(t, c.Unknown, place)
		}
		for name, key := range oddKeys() {
			o, err := aws.Resolve(build(key))
			require.NoError(t, err, "%s in %s", name, place)
			last := o.Calls[len(o.Calls)-1]
			assert.NotEmpty(t, last.Unknown, "%s in %s: %s", name, place, last.Resource)
			assert.Empty(t, last.Resource, "%s in %s", name, place)
			assert.True(t, last.Elsewhere, "%s in %s: a path says nothing of it", name, place)
		}
	}
}

// TestStoresMergeSlashes: AWS keeps empty segments, and a store with files does not.
func TestStoresMergeSlashes(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"GET /acme/agents//k", "GET /acme//k", "GET /acme?prefix=agents//k"} {
		o, err := aws.Resolve(request("s3", "s3", line))
		require.NoError(t, err, line)
		assert.Empty(t, o.Calls[0].Unknown, line)
		o, err = aws.Resolve(atStore(request("s3", "", line)))
		if err == nil { // a listing has a name, but not what it touches
			assert.Contains(t, o.Calls[0].Unknown, "empty segment", line)
			continue
		}
		assert.ErrorContains(t, err, "empty segment", line)
	}
	o, err := aws.Resolve(atStore(request("s3", "", "PUT /acme/folder/")))
	require.NoError(t, err)
	assert.Equal(t, "arn:aws:s3:::acme/folder/", o.Calls[0].Resource)
}

func TestCopySourcesThatServersReadInTwoWays(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		"other/a%20b":                        "arn:aws:s3:::other/a b",
		"/other/a b?versionId=3sL4kqtJlcpX.": "arn:aws:s3:::other/a b",
		"other/100%25":                       "arn:aws:s3:::other/100%",
		"other/a%2Fb":                        "arn:aws:s3:::other/a/b",
		"other/k;x":                          "", // urllib ends the path there
		"other/k#x":                          "", // and net/url there
		"other/k?x":                          "",
		"other/k?versionId=1#x":              "",
		"other/k%3FversionId=2":              "",
		"other%2Fa/b":                        "",
		"%2Fother/k":                         "",
		"x://other/k":                        "",
		"//other/k":                          "",
		"../other/k":                         "",
		"other":                              "",
		"other/":                             "",
		"other/\u00fc":                       "",
		"other/100%":                         "",
		"arn:aws:s3:::other/k":               "",
	} {
		o, err := aws.Resolve(request("s3", "acme.s3", "PUT /k", "X-Amz-Copy-Source: "+source))
		require.NoError(t, err, source)
		require.Len(t, o.Calls, 2, source)
		assert.Equal(t, want, o.Calls[1].Resource, source)
		assert.Equal(t, want == "", o.Calls[1].Unknown != "", source)
	}
}

func TestListsOfKeysHaveOneForm(t *testing.T) {
	t.Parallel()
	const ns = `xmlns="http://s3.amazonaws.com/doc/2006-03-01/"`
	for list, ok := range map[string]bool{
		`<Delete><Object><Key>a</Key></Object></Delete>`: true,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Delete " + ns + ">\r\n <Object>\n<Key>a</Key> </Object><Quiet>true</Quiet></Delete>\n": true,
		`<Delete><Object><Key>a</Key><VersionId>1</VersionId><ETag>"x"</ETag><Size>1</Size><LastModifiedTime/></Object></Delete>`:            true,
		`<Delete><Object><Key>&#97;</Key></Object></Delete>`:                                                                                 true,
		`<Delete><Object><Key>a</Key><Key>b</Key></Object></Delete>`:                                                                         false,
		`<Delete><Object><Key>a</Key><Prefix>b</Prefix></Object></Delete>`:                                                                   false,
		`<Delete><Object><Key>a</Key></Object><Bucket>b</Bucket></Delete>`:                                                                   false,
		`<Delete><Object><key>a</key></Object></Delete>`:                                                                                     false,
		`<Delete><Object><Key>a<!-- -->b</Key></Object></Delete>`:                                                                            false,
		`<Delete><Object><Key><![CDATA[a]]></Key></Object></Delete>`:                                                                         false,
		`<!DOCTYPE Delete [<!ENTITY k "b">]><Delete><Object><Key>a</Key></Object></Delete>`:                                                  false,
		`<Delete><Object><x:Key xmlns:x="x">a</x:Key></Object></Delete>`:                                                                     false,
		`<s3:Delete xmlns:s3="x"><Object><Key>a</Key></Object></s3:Delete>`:                                                                  false,
		`<Delete><Object Key="b"><Key>a</Key></Object></Delete>`:                                                                             false,
		`<Delete><Object><Key>a<Key>b</Key></Key></Object></Delete>`:                                                                         false,
		`<Delete><Object><Key>a<?x?>b</Key></Object></Delete>`:                                                                               false,
		`<Delete>text<Object><Key>a</Key></Object></Delete>`:                                                                                 false,
		`<Delete><Object><Key>a</Key></Object></Delete><Delete/>`:                                                                            false,
		`<Delete><Object><Key>a</Key></Object>`:                                                                                              false,
		`<Delete><Object><Key>a</Key></Delete></Object>`:                                                                                     false,
		`<Delete><Object><Key/></Object></Delete>`:                                                                                           false,
		`<Delete><Object/></Delete>`:                                                                                                         false,
		`<Delete/>`:                                                                                                                          false,
		"5f\r\n<Delete><Object><Key>a</Key></Object></Delete>":                                                                               false,
		"\ufeff<Delete><Object><Key>a</Key></Object></Delete>":                                                                               false,
		`<?xml version="1.0" encoding="ISO-8859-1"?><Delete><Object><Key>a</Key></Object></Delete>`:                                          false,
	} {
		r := request("s3", "acme.s3", "POST /?delete")
		r.Body = func() ([]byte, bool, error) { return []byte(list), false, nil }
		o, err := aws.Resolve(r)
		require.NoError(t, err, list)
		if ok {
			assert.Equal(t, []string{"s3/DeleteObjects arn:aws:s3:::acme/a"}, calls(o), list)
		} else {
			assert.NotEmpty(t, o.Calls[0].Unknown, list)
		}
	}
}

// TestChunkedBodiesAreNotRead: what AWS's chunks hold is not what the body begins with.
func TestChunkedBodiesAreNotRead(t *testing.T) {
	t.Parallel()
	const list = "<Delete><Object><Key>a</Key></Object></Delete>"
	for _, r := range []aws.Request{
		request("s3", "acme.s3", "POST /?delete", "X-Amz-Content-Sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER", list),
		request("s3", "acme.s3", "POST /?delete", "X-Amz-Content-Sha256: streaming-AWS4-HMAC-SHA256-PAYLOAD", list),
		request("s3", "acme.s3", "POST /?delete&X-Amz-Content-Sha256=UNSIGNED-PAYLOAD", "X-Amz-Content-Sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER", list),
		request("s3", "acme.s3", "POST /?delete&x-amz-content-sha256=STREAMING-UNSIGNED-PAYLOAD-TRAILER", list),
		request("s3", "acme.s3", "POST /?delete", "X-Amz-Decoded-Content-Length: 1", list),
		request("s3", "acme.s3", "POST /?delete", "X-Amz-Trailer: x-amz-checksum-crc32", list),
	} {
		o, err := aws.Resolve(r)
		require.NoError(t, err)
		assert.Contains(t, o.Calls[0].Unknown, "chunks of AWS's own", "%v", r.Header)
	}
	_, err := aws.Resolve(request("dynamodb", "dynamodb", "POST /", target("DynamoDB_20120810.GetItem"), jsonBody, "X-Amz-Content-Sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER", `{"TableName":"t"}`))
	require.NoError(t, err)
}

// TestWhatIsTouchedBesideThePath: an archive that a store unpacks, a prefix that it
// deletes, a result that it writes elsewhere.
func TestWhatIsTouchedBesideThePath(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]aws.Request{
		"an archive":            atStore(request("s3", "", "PUT /acme/a.tar", "X-Amz-Meta-Snowball-Auto-Extract: true")),
		"an archive, presigned": atStore(request("s3", "", "PUT /acme/a.tar?x-amz-meta-snowball-auto-extract=true")),
		"a prefix":              atStore(request("s3", "", "DELETE /acme/a", "X-Minio-Force-Delete: true")),
		"Google's copy":         atStore(request("s3", "", "PUT /acme/k", "X-Goog-Copy-Source: other/k")),
		"Google's access":       atStore(request("s3", "", "PUT /acme/k", "X-Goog-Acl: public-read")),
		"Alibaba's copy":        atStore(request("s3", "", "PUT /acme/k", "X-Oss-Copy-Source: /other/k")),
		"Alibaba's access":      atStore(request("s3", "", "PUT /acme/k", "X-Oss-Object-Acl: public-read")),
		"Tencent's copy":        atStore(request("s3", "", "PUT /acme/k", "X-Cos-Copy-Source: other.cos.ap-x.myqcloud.com/k")),
		"Huawei's copy":         atStore(request("s3", "", "PUT /acme/k", "X-Obs-Copy-Source: other/k")),
		"somebody's copy":       atStore(request("s3", "", "PUT /acme/k", "X-Jss-Copy-Source: other/k")),
		"somebody's access":     atStore(request("s3", "", "PUT /acme/k", "X-Kss-Acl: public-read")),
		"somebody's grant":      atStore(request("s3", "", "PUT /acme/k", "X-Bce-Grant-Read: id=x")),
		"a result":              request("s3", "acme.s3", "POST /k?restore", "<RestoreRequest><OutputLocation/></RestoreRequest>"),
		"a result, hidden":      request("s3", "acme.s3", "POST /k?restore", "<\x00R\x00"),
		"a rename":              request("s3", "acme.s3", "PUT /k?renameObject", "X-Amz-Rename-Source: other/k"),
	} {
		o, err := aws.Resolve(r)
		require.NoError(t, err, name)
		last := o.Calls[len(o.Calls)-1]
		assert.NotEmpty(t, last.Unknown, name)
		assert.True(t, last.Elsewhere, name)
	}
	o, err := aws.Resolve(request("s3", "acme.s3", "POST /k?restore", "<RestoreRequest><Days>1</Days></RestoreRequest>"))
	require.NoError(t, err)
	assert.Equal(t, []string{"s3/RestoreObject arn:aws:s3:::acme/k"}, calls(o))
	o, err = aws.Resolve(atStore(request("s3", "", "PUT /acme/k", "X-Request-Id: 1", "X-Amz-Acl: private")))
	require.NoError(t, err)
	assert.Equal(t, []string{"s3/PutObject arn:aws:s3:::acme/k", "s3/PutObjectAcl arn:aws:s3:::acme/k"}, calls(o))
}
