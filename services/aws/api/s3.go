package api

import (
	"bytes"
	"net/http"
	"strings"
	"unicode/utf8"
)

// s3Services says which of S3's two services a host serves: the account's (s3-control)
// or that of buckets and keys.
func s3Services(all []*service, host, path string) ([]*service, *Unresolved) {
	_, label := cutLast(host)
	id := "s3"
	switch {
	case label == "s3-control", host == "s3express-control" && strings.HasPrefix(path, "/v20180820/"):
		id = "s3control"
	case label == "s3", label == "s3-accelerate", label == "s3-accesspoint", label == "s3-object-lambda", strings.HasPrefix(label, "s3express-"):
	default:
		return nil, unresolved(ReasonHost, "operations at "+printable(label)+" are not known here")
	}
	for _, s := range all {
		if s.id == id {
			return []*service{s}, nil
		}
	}
	return nil, unresolved(ReasonHost, "the host is not one of S3's")
}

// cutLast divides a name at its last dot.
func cutLast(name string) (before, last string) {
	i := strings.LastIndexByte(name, '.')
	return name[:max(i, 0)], name[i+1:]
}

// place is where in S3 a request goes.
type place struct {
	bucket string // "" for the service itself
	key    string // decoded
	inHost bool   // the bucket is in the host's name, not in the path
}

// s3Route reads bucket and key from host and path, and finds the operation among those
// on the service, on a bucket, or on a key.
func (h *head) s3Route(p *parsed) (place, *entry, *Unresolved) {
	at, err := h.s3Place()
	if err != nil {
		return at, nil, err
	}
	segments := make([]string, 0, 2)
	switch {
	case h.Method == http.MethodPost && h.Path == "/WriteGetObjectResponse" && (h.Service == "s3-object-lambda" || h.Host == ""):
		segments = append(segments, "WriteGetObjectResponse")
	case at.bucket == "":
		segments = append(segments, "")
	case at.key == "":
		segments = append(segments, at.bucket)
	default:
		segments = append(segments, at.bucket, "key")
	}
	e, err := p.root.walk(h, segments, 0)
	if err != nil || e == nil {
		return at, nil, err
	}
	if h.headerCount("X-Amz-Copy-Source") > 0 && e.name != "CopyObject" && e.name != "UploadPartCopy" {
		return at, nil, unresolved(ReasonConflict, "a copy source makes no sense for "+e.name)
	}
	if h.headerCount("X-Amz-Rename-Source") > 0 && e.name != "RenameObject" {
		return at, nil, unresolved(ReasonConflict, "what is to be renamed makes no sense for "+e.name)
	}
	if e.name == "ListBuckets" && h.Service == "s3express" {
		e = &entry{name: "ListDirectoryBuckets", full: "s3/ListDirectoryBuckets", actions: []string{"s3express:ListAllMyDirectoryBuckets"}, route: e.route}
	}
	return at, e, nil
}

// s3Place finds bucket and key. The key is whatever follows, slashes and all.
func (h *head) s3Place() (at place, err *Unresolved) {
	path, ok := unescape(h.Path)
	if !ok || path == "" || path[0] != '/' || strings.ContainsRune(path, 0) || !utf8.ValidString(path) {
		return at, unresolved(ReasonPath, "the path cannot be read as a key")
	}
	before, _ := cutLast(h.Host)
	if before != "" {
		return place{bucket: before, key: path[1:], inHost: true}, nil
	}
	// What stands before the first slash as sent is the bucket; an encoded slash would
	// end it for some.
	raw, _, _ := strings.Cut(h.Path[1:], "/")
	if strings.Contains(raw, "%") {
		return at, unresolved(ReasonPath, "the bucket's name is percent-encoded; write it as it is")
	}
	at.bucket, at.key, _ = strings.Cut(path[1:], "/")
	switch {
	case at.bucket == "" && path != "/":
		return at, unresolved(ReasonPath, "the path begins with an empty segment, where the bucket's name belongs")
	case h.Store && (at.bucket == "minio" || at.bucket == "admin"):
		return at, unresolved(ReasonPath, "/"+at.bucket+" is where some stores are administered, and no bucket")
	}
	return at, nil
}

// s3Request is a request to S3 that has a name, by what it touches.
type s3Request struct {
	*head
	body *payload
	place
}

// objectARN is the ARN of a bucket, or of a key in it.
func (q *s3Request) objectARN(bucket, key string) string {
	base := "arn:" + q.partition() + ":s3:::" + bucket
	if _, label := cutLast(q.Host); label == "s3-accesspoint" {
		name, account := bucket, ""
		if i := strings.LastIndexByte(bucket, '-'); i >= 0 {
			name, account = bucket[:i], bucket[i+1:]
		}
		base = "arn:" + q.partition() + ":s3:" + q.Region + ":" + account + ":accesspoint/" + name
		if key != "" {
			return base + "/object/" + key
		}
		return base
	}
	if key == "" {
		return base
	}
	return base + "/" + key
}

// calls says what a request to S3 touches, and what it does besides.
func (q *s3Request) calls(e *entry, call Call) []Call {
	call.Actions = q.versioned(e, call.Actions)
	switch {
	case strings.HasPrefix(q.bucket, "arn:"):
		call.Unknown = "a bucket named by an ARN in the path is not read here; use the access point's own host"
		return []Call{call}
	case q.bucket == "":
		call.Resource = "*"
		return []Call{call}
	}
	if why := q.extended(); why != "" {
		call.Unknown, call.Elsewhere = why, true
		return []Call{call}
	}
	switch e.name {
	case "DeleteObjects":
		return q.deletedObjects(call)
	case "ListObjects", "ListObjectsV2", "ListObjectVersions", "ListMultipartUploads":
		return []Call{q.listing(call)}
	case "RenameObject":
		call.Unknown, call.Elsewhere = "what RenameObject moves is not read here", true
		return []Call{call}
	}
	call = q.object(call, q.bucket, q.key)
	calls := []Call{call}
	switch e.name {
	case "CopyObject", "UploadPartCopy":
		calls = append(calls, q.copySource())
	case "RestoreObject":
		calls = append(calls, q.restored()...)
	}
	return append(calls, q.besides(call)...)
}

// extended says which header makes a request touch more than is read here: MinIO unpacks
// an archive into its bucket, and deletes all below a key; and stores that know another
// cloud's headers beside AWS's copy from elsewhere, and set access, by those.
func (q *s3Request) extended() string {
	for name := range q.Header {
		if q.extends(strings.ToLower(name)) {
			return printable(name) + " makes some stores touch more than the key in the path"
		}
	}
	for _, p := range q.parameters { // a presigned request carries headers there
		if q.extends(strings.ToLower(p.key)) {
			return printable(p.key) + " makes some stores touch more than the key in the path"
		}
	}
	return ""
}

// extends reports whether a field, in lower case, is one server's or another cloud's own.
func (q *s3Request) extends(name string) bool {
	switch {
	case strings.HasPrefix(name, "x-amz-"):
		return strings.Contains(name, "snowball")
	case strings.HasPrefix(name, "x-minio-"):
		return true
	case !q.Store || !strings.HasPrefix(name, "x-"):
		return false
	}
	for _, cloud := range [...]string{"x-goog-", "x-oss-", "x-cos-", "x-obs-", "x-tos-"} {
		if strings.HasPrefix(name, cloud) {
			return true
		}
	}
	return strings.Contains(name, "copy-source") || strings.HasSuffix(name, "-acl") || strings.Contains(name, "-grant-")
}

// listing is a call about all keys that begin with the prefix. The key that a listing starts
// after does not narrow that; it must have the form of a key all the same, since a store may
// look for it among its files.
func (q *s3Request) listing(call Call) Call {
	prefix := ""
	for _, name := range [...]string{"prefix", "delimiter", "marker", "start-after", "key-marker"} {
		value, count := q.parameter(name)
		problem := ""
		if name != "delimiter" {
			problem = q.oddKey(value)
		}
		switch {
		case count > 1:
			call.Unknown = name + " is there more than once"
			return call
		case problem != "":
			call.Unknown, call.Elsewhere = name+": "+problem, true
			return call
		case name == "prefix":
			prefix = value
		}
	}
	call.Container = q.objectARN(q.bucket, "")
	call.Resource = q.objectARN(q.bucket, prefix+"*")
	return call
}

// restored is a further call of a restore, which may write what it selects to another bucket.
func (q *s3Request) restored() []Call {
	body, err := q.body.whole()
	if err == nil && utf8.Valid(body) && !bytes.Contains(body, []byte("OutputLocation")) && !bytes.ContainsRune(body, 0) {
		return nil
	}
	return []Call{{
		Operation: "s3/PutObject", Actions: []string{"s3:PutObject"},
		Unknown: "a restore that writes its result to a place of its own is not read here", Elsewhere: true, OtherHost: q.inHost,
	}}
}

// versioned replaces the action where a version of a key is meant.
func (q *s3Request) versioned(e *entry, actions []string) []string {
	if _, count := q.parameter("versionId"); count == 0 {
		return actions
	}
	if version := versionAction(e.name, actions); version != "" {
		return []string{version}
	}
	return actions
}

// versionAction is the action in place of these for one version of a key, if there is one.
func versionAction(operation string, actions []string) string {
	if len(actions) != 1 {
		return ""
	}
	if name, ok := strings.CutPrefix(actions[0], "s3:"); ok && strings.Contains(name, "Object") {
		switch operation {
		case "GetObject", "HeadObject", "GetObjectAcl", "GetObjectTagging", "GetObjectAttributes", "DeleteObject", "DeleteObjectTagging", "PutObjectAcl", "PutObjectTagging":
			return "s3:" + strings.Replace(name, "Object", "ObjectVersion", 1)
		}
	}
	return ""
}

// besides are the further operations that headers of a write ask for.
func (q *s3Request) besides(call Call) []Call {
	var more []Call
	for _, h := range [...]struct{ header, operation string }{
		{"X-Amz-Acl", "Acl"},
		{"X-Amz-Grant-Full-Control", "Acl"},
		{"X-Amz-Grant-Read", "Acl"},
		{"X-Amz-Grant-Read-Acp", "Acl"},
		{"X-Amz-Grant-Write", "Acl"},
		{"X-Amz-Grant-Write-Acp", "Acl"},
		{"X-Amz-Tagging", "Tagging"},
		{"X-Amz-Object-Lock-Mode", "Retention"},
		{"X-Amz-Object-Lock-Retain-Until-Date", "Retention"},
		{"X-Amz-Object-Lock-Legal-Hold", "LegalHold"},
		{"X-Amz-Bypass-Governance-Retention", "BypassRetention"},
	} {
		if q.headerCount(h.header) == 0 {
			continue
		}
		extra := Call{Operation: "s3/PutObject" + h.operation, Actions: []string{"s3:PutObject" + h.operation}, Resource: call.Resource}
		switch {
		case h.operation == "BypassRetention":
			extra.Operation, extra.Actions = "s3/PutObjectRetention", []string{"s3:BypassGovernanceRetention"}
		case q.key == "" && h.operation == "Acl":
			extra.Operation, extra.Actions = "s3/PutBucketAcl", []string{"s3:PutBucketAcl"}
		}
		known, _ := Find(extra.Operation)
		extra.Secret = known.Secret
		if extra.Operation != call.Operation && (len(more) == 0 || more[len(more)-1].Operation != extra.Operation) {
			more = append(more, extra)
		}
	}
	return more
}

const oddList = "the list of keys to delete is not one that every server reads alike: it holds Object with Key and, once each, " +
	"VersionId, ETag, LastModifiedTime and Size, at most 1,000 times, without comments, prefixes and CDATA"

// deletedObjects are the keys that a DeleteObjects names in its body.
func (q *s3Request) deletedObjects(call Call) []Call {
	body, err := q.body.whole()
	if err != nil {
		call.Unknown, call.Elsewhere = err.Detail, true
		return []Call{call}
	}
	list, ok := readDeleteList(body)
	if !ok {
		call.Unknown, call.Elsewhere = oddList, true
		return []Call{call}
	}
	calls := make([]Call, 0, len(list))
	for _, o := range list {
		one := q.elsewhere(call, q.bucket, o.key)
		if o.version {
			one.Actions = []string{"s3:DeleteObjectVersion"}
		}
		calls = append(calls, one)
	}
	return calls
}
