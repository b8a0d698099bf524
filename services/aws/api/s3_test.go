package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	aws "sallyport/services/aws/api"
)

// S3's operations are told apart by method, query and header, on the service, on a bucket and
// on a key; the same path means another thing with each ("Actions", Amazon S3 API Reference).
func TestS3IsToldByMethodQueryAndHeader(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"GET /": "ListObjects", "GET /?list-type=2": "ListObjectsV2", "HEAD /": "HeadBucket", "PUT /": "CreateBucket", "DELETE /": "DeleteBucket",
		"GET /?versions": "ListObjectVersions", "GET /?uploads": "ListMultipartUploads", "GET /?location": "GetBucketLocation", "POST /?delete": "DeleteObjects",
		"GET /?policy": "GetBucketPolicy", "PUT /?policy": "PutBucketPolicy", "DELETE /?policy": "DeleteBucketPolicy", "GET /?policyStatus": "GetBucketPolicyStatus",
		"GET /?acl": "GetBucketAcl", "PUT /?acl": "PutBucketAcl", "GET /?tagging": "GetBucketTagging", "PUT /?versioning": "PutBucketVersioning",
		"PUT /?lifecycle": "PutBucketLifecycleConfiguration", "PUT /?replication": "PutBucketReplication", "PUT /?encryption": "PutBucketEncryption",
		"PUT /?publicAccessBlock": "PutPublicAccessBlock", "DELETE /?publicAccessBlock": "DeletePublicAccessBlock", "PUT /?notification": "PutBucketNotificationConfiguration",
		"GET /?inventory&id=1": "GetBucketInventoryConfiguration", "GET /?inventory": "ListBucketInventoryConfigurations", "PUT /?logging": "PutBucketLogging",
		"GET /?session": "CreateSession", "PUT /?object-lock": "PutObjectLockConfiguration", "PUT /?cors": "PutBucketCors", "PUT /?website": "PutBucketWebsite",

		"GET /k": "GetObject", "HEAD /k": "HeadObject", "PUT /k": "PutObject", "DELETE /k": "DeleteObject", "GET /k?versionId=1": "GetObject", "GET /k?partNumber=1": "GetObject",
		"GET /k?response-content-type=text%2Fplain": "GetObject", "PUT /k?acl": "PutObjectAcl", "GET /k?acl": "GetObjectAcl", "GET /k?attributes": "GetObjectAttributes",
		"PUT /k?tagging": "PutObjectTagging", "DELETE /k?tagging": "DeleteObjectTagging", "PUT /k?retention": "PutObjectRetention", "PUT /k?legal-hold": "PutObjectLegalHold",
		"POST /k?uploads": "CreateMultipartUpload", "PUT /k?partNumber=1&uploadId=u": "UploadPart", "POST /k?uploadId=u": "CompleteMultipartUpload",
		"DELETE /k?uploadId=u": "AbortMultipartUpload", "GET /k?uploadId=u": "ListParts", "POST /k?restore": "RestoreObject", "POST /k?select&select-type=2": "SelectObjectContent",
		"GET /k?torrent": "GetObjectTorrent",
	} {
		r := request("s3", "acme.s3", line)
		if strings.Contains(line, "attributes") {
			r.Header.Set("X-Amz-Object-Attributes", "ETag")
		}
		o, err := aws.Resolve(r)
		require.NoError(t, err, line)
		assert.Equal(t, "s3/"+want, o.Name, line)

		method, target, _ := strings.Cut(line, " /")
		for _, host := range []string{"s3", "s3-accelerate", ""} { // a bucket in the path is the same bucket
			path := "/acme/" + target
			if target == "" || target[0] == '?' {
				path = "/acme" + target
			}
			byPath := request("s3", host, method+" "+path)
			byPath.Header = r.Header
			other, err := aws.Resolve(byPath)
			require.NoError(t, err, "%s at %q", line, host)
			assert.Equal(t, o.Name, other.Name, "%s at %q", line, host)
			assert.Equal(t, o.Calls[0].Resource, other.Calls[0].Resource, "%s at %q", line, host)
		}
	}
	for want, r := range map[string]aws.Request{
		"s3/CopyObject":     request("s3", "acme.s3", "PUT /k", "X-Amz-Copy-Source: acme/o"),
		"s3/UploadPartCopy": request("s3", "acme.s3", "PUT /k?partNumber=1&uploadId=u", "X-Amz-Copy-Source: acme/o"),
		"s3/PutObject":      request("s3", "acme.s3", "PUT /k", "X-Amz-Meta-Copy-Source: acme/o"),
	} {
		o, err := aws.Resolve(r)
		require.NoError(t, err, want)
		assert.Equal(t, want, o.Name)
	}
}

// IAM has actions of its own for one version of a key ("Actions, resources, and condition keys
// for Amazon S3"), and a request says by its query that it means one.
func TestAVersionNeedsAnActionOfItsOwn(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"GET /k": "s3:GetObject", "GET /k?versionId=1": "s3:GetObjectVersion", "HEAD /k?versionId=1": "s3:GetObjectVersion",
		"DELETE /k": "s3:DeleteObject", "DELETE /k?versionId=1": "s3:DeleteObjectVersion", "DELETE /k?versionId=null": "s3:DeleteObjectVersion",
		"GET /k?acl&versionId=1": "s3:GetObjectVersionAcl", "PUT /k?acl&versionId=1": "s3:PutObjectVersionAcl", "GET /k?tagging&versionId=1": "s3:GetObjectVersionTagging",
		"DELETE /k?tagging&versionId=1": "s3:DeleteObjectVersionTagging", "PUT /k?retention&versionId=1": "s3:PutObjectRetention",
		"GET /?versions": "s3:ListBucketVersions", "GET /?list-type=2": "s3:ListBucket", "HEAD /": "s3:ListBucket",
	} {
		o, err := aws.Resolve(request("s3", "acme.s3", line))
		require.NoError(t, err, line)
		assert.Equal(t, []string{want}, o.Calls[0].Actions, line)
	}
	o, err := aws.Resolve(request("s3", "acme.s3", "PUT /k", "X-Amz-Copy-Source: acme/o?versionId=1"))
	require.NoError(t, err)
	assert.Equal(t, []string{"s3:GetObjectVersion"}, o.Calls[1].Actions, "of what is copied")
	o, err = aws.Resolve(request("s3", "acme.s3", "POST /?delete", "<Delete><Object><Key>a</Key></Object><Object><Key>b</Key><VersionId>1</VersionId></Object></Delete>"))
	require.NoError(t, err)
	assert.Equal(t, []string{"s3:DeleteObject"}, o.Calls[0].Actions)
	assert.Equal(t, []string{"s3:DeleteObjectVersion"}, o.Calls[1].Actions, "each key of a list by itself")
}

// What a write sets beside the object is a call of its own, which a rule must allow as well.
func TestWhatAWriteSetsBesides(t *testing.T) {
	t.Parallel()
	const key, bucket = " arn:aws:s3:::acme/k", " arn:aws:s3:::acme"
	for name, c := range map[string]struct {
		request aws.Request
		want    []string
	}{
		"nothing":          {request("s3", "acme.s3", "PUT /k", "X-Amz-Meta-A: b", "X-Amz-Storage-Class: GLACIER"), []string{"s3/PutObject" + key}},
		"an ACL":           {request("s3", "acme.s3", "PUT /k", "X-Amz-Acl: public-read"), []string{"s3/PutObject" + key, "s3/PutObjectAcl" + key}},
		"grants":           {request("s3", "acme.s3", "PUT /k", "X-Amz-Grant-Read: id=1", "X-Amz-Grant-Full-Control: id=2"), []string{"s3/PutObject" + key, "s3/PutObjectAcl" + key}},
		"presigned":        {request("s3", "acme.s3", "PUT /k?x-amz-acl=public-read"), []string{"s3/PutObject" + key, "s3/PutObjectAcl" + key}},
		"tags":             {request("s3", "acme.s3", "PUT /k", "X-Amz-Tagging: a=b"), []string{"s3/PutObject" + key, "s3/PutObjectTagging" + key}},
		"retention":        {request("s3", "acme.s3", "PUT /k", "X-Amz-Object-Lock-Mode: GOVERNANCE", "X-Amz-Object-Lock-Retain-Until-Date: 2030-01-01T00:00:00Z"), []string{"s3/PutObject" + key, "s3/PutObjectRetention" + key}},
		"a legal hold":     {request("s3", "acme.s3", "PUT /k", "X-Amz-Object-Lock-Legal-Hold: ON"), []string{"s3/PutObject" + key, "s3/PutObjectLegalHold" + key}},
		"past a retention": {request("s3", "acme.s3", "DELETE /k?versionId=1", "X-Amz-Bypass-Governance-Retention: true"), []string{"s3/DeleteObject" + key, "s3/PutObjectRetention" + key}},
		"of an upload":     {request("s3", "acme.s3", "POST /k?uploads", "X-Amz-Acl: private", "X-Amz-Tagging: a=b"), []string{"s3/CreateMultipartUpload" + key, "s3/PutObjectAcl" + key, "s3/PutObjectTagging" + key}},
		"of a copy":        {request("s3", "acme.s3", "PUT /k", "X-Amz-Copy-Source: acme/o", "X-Amz-Acl: private"), []string{"s3/CopyObject" + key, "s3/GetObject arn:aws:s3:::acme/o", "s3/PutObjectAcl" + key}},
		"of a new bucket":  {request("s3", "acme.s3", "PUT /", "X-Amz-Acl: public-read"), []string{"s3/CreateBucket" + bucket, "s3/PutBucketAcl" + bucket}},
		"the ACL itself":   {request("s3", "acme.s3", "PUT /k?acl", "X-Amz-Acl: public-read"), []string{"s3/PutObjectAcl" + key}},
		"of a bucket":      {request("s3", "acme.s3", "PUT /?acl", "X-Amz-Acl: public-read"), []string{"s3/PutBucketAcl" + bucket}},
	} {
		o, err := aws.Resolve(c.request)
		require.NoError(t, err, name)
		assert.Equal(t, c.want, calls(o), name)
	}
	o, err := aws.Resolve(request("s3", "acme.s3", "PUT /k", "X-Amz-Acl: public-read"))
	require.NoError(t, err)
	assert.False(t, o.Calls[0].Secret)
	assert.True(t, o.Calls[1].Secret, "it decides who may read, and is named exactly")
	o, err = aws.Resolve(request("s3", "acme.s3", "DELETE /k", "X-Amz-Bypass-Governance-Retention: true"))
	require.NoError(t, err)
	assert.Equal(t, []string{"s3:BypassGovernanceRetention"}, o.Calls[1].Actions)
}

// What is touched elsewhere than in the path is said in the host's own terms, so that a rule
// about hosts and paths can be asked about it.
func TestWhereElseSomethingIsTouched(t *testing.T) {
	t.Parallel()
	const list = "<Delete><Object><Key>a b/c</Key></Object></Delete>"
	for name, c := range map[string]struct {
		request   aws.Request
		path      string
		elsewhere bool
		other     bool
	}{
		"a list, bucket in the host":      {request("s3", "acme.s3", "POST /?delete", list), "/a%20b/c", false, false},
		"a list, bucket in the path":      {request("s3", "s3", "POST /acme?delete", list), "/acme/a%20b/c", false, false},
		"a copy within a bucket":          {request("s3", "acme.s3", "PUT /k", "X-Amz-Copy-Source: acme/a%20b/c"), "/a%20b/c", false, false},
		"a copy from another, by host":    {request("s3", "acme.s3", "PUT /k", "X-Amz-Copy-Source: other/a"), "", true, true},
		"a copy from another, by path":    {request("s3", "s3", "PUT /acme/k", "X-Amz-Copy-Source: other/a"), "/other/a", false, false},
		"a copy that cannot be read":      {request("s3", "acme.s3", "PUT /k", "X-Amz-Copy-Source: acme/a?b"), "", true, true},
		"such a copy, bucket in the path": {request("s3", "s3", "PUT /acme/k", "X-Amz-Copy-Source: acme/a?b"), "", true, false},
		"a list that cannot be read":      {request("s3", "acme.s3", "POST /?delete", "<Delete/>"), "", true, false},
	} {
		o, err := aws.Resolve(c.request)
		require.NoError(t, err, name)
		last := o.Calls[len(o.Calls)-1]
		assert.Equal(t, c.path, last.Path, name)
		assert.Equal(t, c.elsewhere, last.Elsewhere, name)
		assert.Equal(t, c.other, last.OtherHost, name)
	}
}

// Where a bucket, a key and an account stand in hosts and paths, and how ARNs say it.
func TestBucketsAndKeysInTheirForms(t *testing.T) {
	t.Parallel()
	in := func(partition, region string, r aws.Request) aws.Request {
		r.Partition, r.Region = partition, region
		return r
	}
	for name, c := range map[string]struct {
		request aws.Request
		want    string
	}{
		"a dotted bucket":          {request("s3", "www.acme.example.s3", "GET /k"), "arn:aws:s3:::www.acme.example/k"},
		"accelerated":              {request("s3", "acme.s3-accelerate", "GET /k"), "arn:aws:s3:::acme/k"},
		"a folder":                 {request("s3", "acme.s3", "PUT /folder/"), "arn:aws:s3:::acme/folder/"},
		"a key of one slash":       {request("s3", "acme.s3", "GET //"), "arn:aws:s3:::acme//"},
		"an encoded slash":         {request("s3", "acme.s3", "GET /a%2Fb"), "arn:aws:s3:::acme/a/b"},
		"an encoded percent":       {request("s3", "acme.s3", "GET /100%25"), "arn:aws:s3:::acme/100%"},
		"a plus":                   {request("s3", "acme.s3", "GET /a+b"), "arn:aws:s3:::acme/a+b"},
		"text beyond ASCII":        {request("s3", "acme.s3", "GET /%C3%BC"), "arn:aws:s3:::acme/ü"},
		"China":                    {in("aws-cn", "cn-north-1", request("s3", "acme.s3", "GET /k")), "arn:aws-cn:s3:::acme/k"},
		"an access point":          {request("s3", "my-point-123456789012.s3-accesspoint", "GET /k"), "arn:aws:s3:eu-west-1:123456789012:accesspoint/my-point/object/k"},
		"an access point's list":   {request("s3", "my-point-123456789012.s3-accesspoint", "GET /?list-type=2&prefix=a%2F"), "arn:aws:s3:eu-west-1:123456789012:accesspoint/my-point/object/a/*"},
		"its alias, as a bucket":   {request("s3", "point-abc-s3alias.s3", "GET /k"), "arn:aws:s3:::point-abc-s3alias/k"},
		"a list without a prefix":  {request("s3", "acme.s3", "GET /?list-type=2&delimiter=%2F"), "arn:aws:s3:::acme/*"},
		"a list from a key on":     {request("s3", "acme.s3", "GET /?list-type=2&start-after=b&prefix=a"), "arn:aws:s3:::acme/a*"},
		"a list's marker":          {request("s3", "acme.s3", "GET /?marker=b&prefix=a"), "arn:aws:s3:::acme/a*"},
		"uploads below a prefix":   {request("s3", "acme.s3", "GET /?uploads&prefix=a%2F"), "arn:aws:s3:::acme/a/*"},
		"versions below a prefix":  {request("s3", "acme.s3", "GET /?versions&prefix=a%2F"), "arn:aws:s3:::acme/a/*"},
		"a bucket's configuration": {request("s3", "acme.s3", "GET /?policy"), "arn:aws:s3:::acme"},
	} {
		o, err := aws.Resolve(c.request)
		require.NoError(t, err, name)
		assert.Equal(t, c.want, o.Calls[0].Resource, "%s: %s", name, o.Calls[0].Unknown)
	}
	o, err := aws.Resolve(request("s3", "my-point-123456789012.s3-accesspoint", "GET /?list-type=2"))
	require.NoError(t, err)
	assert.Equal(t, "arn:aws:s3:eu-west-1:123456789012:accesspoint/my-point", o.Calls[0].Container, "by which IAM bounds a listing")
	o, err = aws.Resolve(request("s3", "s3", "GET /arn%3Aaws%3As3%3A%3A%3Aacme/k"))
	require.Error(t, err, "%v", calls(o))
	o, err = aws.Resolve(request("s3", "s3", "GET /arn:aws:s3:eu-west-1:123456789012:accesspoint:p/k"))
	require.NoError(t, err)
	assert.Contains(t, o.Calls[0].Unknown, "use the access point's own host")
}

// S3's hosts serve different things, and some serve none of its operations.
func TestHostsOfS3(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{
		"acme.s3": "s3/GetObject", "acme.s3-accelerate": "s3/GetObject", "p-123456789012.s3-accesspoint": "s3/GetObject", "p-123456789012.s3-object-lambda": "s3/GetObject",
		"acme--use1-az5--x-s3.s3express-use1-az5": "s3/GetObject", "acme.s3-website": "", "acme.s3-outposts": "", "acme.s3-global": "", "bucket.mrap.s3-global.s3": "s3/GetObject",
	} {
		o, err := aws.Resolve(request("s3", host, "GET /k"))
		if want == "" {
			var u *aws.Unresolved
			require.ErrorAs(t, err, &u, host)
			assert.Equal(t, aws.ReasonHost, u.Reason, host)
			continue
		}
		require.NoError(t, err, host)
		assert.Equal(t, want, o.Name, host)
	}
	for _, path := range []string{"/a%00b", "/%ff"} {
		_, err := aws.Resolve(request("s3", "acme.s3", http.MethodGet+" "+path))
		var u *aws.Unresolved
		require.ErrorAs(t, err, &u, path)
		assert.Equal(t, aws.ReasonPath, u.Reason, path)
	}
}
