package api

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxKey is the longest key that S3 takes. A longer one is cut by some and refused by
// others.
const maxKey = 1024

// oddKey says why servers may take a key, or the beginning of one, for another: "" if
// every server reads it alike. It is asked about every key, wherever it stands: in a
// path, in the source of a copy, in a list of keys to delete, in what bounds a listing.
// Some stores keep their objects as files, and to those a dot segment climbs, out of its
// bucket too.
func (q *s3Request) oddKey(key string) string {
	switch {
	case len(key) > maxKey:
		return "the key is longer than any that S3 has"
	case !utf8.ValidString(key) || strings.ContainsFunc(key, unicode.IsControl):
		return "the key holds a control character, or bytes that are no text"
	case strings.Contains(key, `\`):
		return "the key holds a backslash, which some servers take for a slash"
	case strings.TrimSpace(key) != key:
		return "the key begins or ends with a space, which some servers drop"
	case q.Store && (strings.HasPrefix(key, "/") || strings.Contains(key, "//")):
		return "the key has an empty segment, which stores leave out or refuse; write single slashes"
	}
	for segment := range strings.SplitSeq(key, "/") {
		if segment != "" && strings.Trim(segment, ". ") == "" {
			return "the key has a segment of only dots, which some servers resolve; use another key"
		}
	}
	return ""
}

// object completes a call by a key of a bucket, if every server reads the key alike.
func (q *s3Request) object(call Call, bucket, key string) Call {
	if problem := q.oddKey(key); problem != "" {
		call.Unknown, call.Elsewhere = problem, true
		return call
	}
	call.Resource = q.objectARN(bucket, key)
	return call
}

// elsewhere completes a call about an object that is not the one in the path.
func (q *s3Request) elsewhere(call Call, bucket, key string) Call {
	call = q.object(call, bucket, key)
	switch {
	case call.Unknown != "":
	case q.inHost && bucket != q.bucket:
		call.Elsewhere, call.OtherHost = true, true
	case q.inHost:
		call.Path = (&url.URL{Path: "/" + key}).EscapedPath()
	default:
		call.Path = (&url.URL{Path: "/" + bucket + "/" + key}).EscapedPath()
	}
	return call
}

// copySource is the reading half of a copy.
func (q *s3Request) copySource() Call {
	call := Call{Operation: "s3/GetObject", Actions: []string{"s3:GetObject"}}
	source, err := q.one("X-Amz-Copy-Source")
	problem := "the copy source cannot be read"
	if err == nil {
		var bucket, key string
		var versioned bool
		if bucket, key, versioned, problem = splitSource(source); problem == "" {
			if versioned {
				call.Actions = []string{"s3:GetObjectVersion"}
			}
			return q.elsewhere(call, bucket, key)
		}
	}
	call.Unknown, call.Elsewhere, call.OtherHost = problem, true, q.inHost
	return call
}

// splitSource reads "[/]BUCKET/KEY[?versionId=ID]", percent-encoded once. Servers read it
// as a URL, as a path or as text, so that what these read otherwise must be encoded.
func splitSource(source string) (bucket, key string, versioned bool, problem string) {
	path, version, versioned := strings.Cut(source, "?versionId=")
	bucket, key, found := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	decoded, bad := url.PathUnescape(key)
	switch {
	case strings.HasPrefix(bucket, "arn:"):
		problem = "a copy source named by an ARN is not read here"
	case strings.Contains(path, "+"):
		problem = "a + in the copy source is read as a space by some; write %2B or %20"
	case strings.ContainsFunc(path, needsEscape) || strings.ContainsFunc(version, needsEscape):
		problem = "the copy source holds a character that servers read in different ways; percent-encode it"
	case !found, bad != nil, bucket == "", key == "", version == "" && versioned, strings.ContainsAny(bucket, "%: "), isDots(bucket):
		problem = "the copy source cannot be read"
	case strings.Contains(decoded, "?versionId"):
		problem = "the copy source's key holds ?versionId, which some servers take for a version"
	}
	return bucket, decoded, versioned, problem
}

// needsEscape: a raw ; ? or # ends the path for some readers of a copy source, and bytes
// beyond ASCII have no one encoding in a header.
func needsEscape(r rune) bool {
	return r > '~' || r < ' ' || strings.ContainsRune(`;?#\"<>[]^{|}`+"`", r)
}

func isDots(s string) bool { return strings.Trim(s, ".") == "" }
