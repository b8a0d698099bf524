package api

import (
	"regexp"
	"strings"
)

// namedBy is an ARN in its six parts. If it is open, it stands for every ARN that begins with
// it. Its last free characters stand for any others.
type namedBy struct {
	parts [6]string
	open  bool
	free  int
}

// touches reports whether the pattern covers something that is named. An account that is
// missing on either side stands for every account, and so does a star.
func (r Resource) touches(n namedBy) bool {
	for i, part := range n.parts[:5] {
		anything := part == "*" || i == 4 && (part == "" || r.parts[i] == "")
		if !anything && !wildcard(r.parts[i], part, 0) {
			return false
		}
	}
	if n.open {
		return startsAlike(r.parts[5], n.parts[5])
	}
	return wildcard(r.parts[5], n.parts[5], n.free)
}

// startsAlike reports whether something that the pattern matches begins with the text:
// from the first star on anything may follow.
func startsAlike(pattern, text string) bool {
	for i := range len(text) {
		switch {
		case i == len(pattern):
			return false
		case pattern[i] == '*':
			return true
		case pattern[i] != text[i] && pattern[i] != '?':
			return false
		}
	}
	return true
}

// suffixed is a secret's ARN with the six characters that AWS puts at its end.
var suffixed = regexp.MustCompile(`^(.+)-[A-Za-z0-9]{6}$`)

// otherNames are further ARNs of what an ARN names, or may name: without a version, or of the
// key behind an alias. A rule that denies or asks and has one of them is in doubt; a rule that
// allows does not match by them.
func otherNames(parts [6]string) []namedBy {
	kind, name := parts[5], ""
	if i := strings.IndexAny(kind, ":/"); i >= 0 {
		kind, name = kind[:i], kind[i+1:]
	}
	other := func(service, resource string) namedBy {
		p := parts
		p[2], p[5] = service, resource
		return namedBy{parts: p}
	}
	open := func(service, resource string) namedBy {
		n := other(service, resource)
		n.open = true
		return n
	}
	switch parts[2] {
	case "secretsmanager":
		return secretNames(other("secretsmanager", parts[5]))
	case "logs", "lambda":
		name, _, _ = strings.Cut(name, ":") // a stream of a group; a version or alias of a function
		return []namedBy{other(parts[2], kind+":"+name), open(parts[2], kind+":"+name+":")}
	case "ssm":
		name = strings.TrimPrefix(name, "/")
		whole, _, _ := strings.Cut(strings.TrimSuffix(name, "/*"), ":")
		names := []namedBy{other("ssm", kind+"/"+whole), other("ssm", kind+"//"+whole)}
		if secret, ok := strings.CutPrefix(whole, "aws/reference/secretsmanager/"); ok {
			names = append(names, secretNames(other("secretsmanager", "secret:"+secret))...)
		}
		return names
	case "kms":
		if kind == "alias" {
			return []namedBy{open("kms", "key/")}
		}
		return []namedBy{open("kms", "alias/")}
	case "dynamodb":
		table, _, _ := strings.Cut(name, "/") // an index, a stream, a backup of it
		return []namedBy{other("dynamodb", kind+"/"+table)}
	case "bedrock":
		return modelNames(kind, name, other, open)
	}
	return nil
}

func secretNames(secret namedBy) []namedBy {
	bare := secret
	if m := suffixed.FindStringSubmatch(secret.parts[5]); m != nil {
		bare.parts[5] = m[1]
	}
	secret.parts[5] += "-??????"
	secret.free = 6
	return []namedBy{bare, secret}
}

// modelNames are the models that a profile or a router stands for.
func modelNames(kind, name string, other, open func(service, resource string) namedBy) []namedBy {
	var n namedBy
	switch kind {
	case "foundation-model":
		return nil
	case "inference-profile":
		_, model, _ := strings.Cut(name, ".")
		n = other("bedrock", "foundation-model/"+model)
	default:
		n = open("bedrock", "foundation-model/")
	}
	n.parts[3], n.parts[4] = "*", "" // a profile reaches into regions of its own choice
	return []namedBy{n}
}

// throughAlias reports whether the pattern may cover what is reached through an access point, or
// through its alias in the place of a bucket's name. Which bucket that is, is not known; only
// the key can be compared.
func (r Resource) throughAlias(parts [6]string) bool {
	if parts[2] != "s3" || r.parts[2] != "s3" || !wildcard(r.parts[1], parts[1], 0) {
		return false
	}
	bucket, key, inBucket := strings.Cut(parts[5], "/")
	switch {
	case bucket == "accesspoint" && parts[4] != "":
		_, key, inBucket = strings.Cut(key, "/object/")
	case strings.HasSuffix(bucket, "-s3alias"), strings.HasSuffix(bucket, "--ol-s3"):
	default:
		return false
	}
	ofBucket, ofKey, keyed := strings.Cut(r.parts[5], "/")
	switch {
	case strings.HasPrefix(r.parts[5], "accesspoint/"):
		// An alias is an access point's, and an access point has but one name otherwise.
		return bucket != "accesspoint"
	case strings.Contains(ofBucket, "*"):
		return true // may take in keys too
	case !keyed:
		return !inBucket || strings.HasSuffix(key, "*") // a listing is of the bucket
	case !inBucket:
		return false
	case strings.HasSuffix(key, "*"):
		return startsAlike(ofKey, strings.TrimSuffix(key, "*"))
	}
	return wildcard(ofKey, key, 0)
}
