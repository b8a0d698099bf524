package session

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"sallyport/credentials"
	"sallyport/services/aws/sigv4"
)

// S3's names for buckets are one space for all of AWS, so that a rule about a bucket may be
// about somebody else's: one that was deleted and made again, or an attacker's own, for data
// to go to. These fields say whose it must be ("Verifying bucket ownership with bucket owner
// condition" in the S3 User Guide); S3 refuses a request to any other.
const (
	bucketOwner = "X-Amz-Expected-Bucket-Owner"
	sourceOwner = "X-Amz-Source-Expected-Bucket-Owner"
	copySource  = "X-Amz-Copy-Source"
	controlOf   = "X-Amz-Account-Id" // of S3 Control: the account that is asked about
)

var (
	accountID   = regexp.MustCompile(`^[0-9]{12}$`)
	bucketAlone = regexp.MustCompile(`^[A-Za-z0-9._-]+/?$`)
)

// readAccounts reads the accounts whose buckets the credential is for.
func (a *signing) readAccounts(s *credentials.Section) {
	if !s.Has("accounts") {
		return
	}
	const example = `["123456789012"]`
	for _, item := range s.Texts("accounts", example) {
		switch {
		case !accountID.MatchString(item.Text):
			s.WrongAt(item, "accounts", "every value must be the 12 digits of an account's id; write accounts: %s", example)
		case slices.Contains(a.accounts, item.Text):
			s.WrongAt(item, "accounts", "%s is there twice; keep one", item.Text)
		default:
			a.accounts = append(a.accounts, item.Text)
		}
	}
	if !allOfAWS(a.credential) {
		s.Wrong("accounts", "are AWS's, and a host of this credential is not; give stores of others a credential of their own")
	}
}

// checkAccounts refuses what would reach another account's buckets, or could: what the
// request says itself of whose they are, and what it must say because keys alone cannot.
func (a *signing) checkAccounts(in *sigv4.Inbound, r *http.Request) error {
	if len(a.accounts) == 0 || !strings.HasPrefix(in.Service, "s3") {
		return nil
	}
	endpoint, _ := sigv4.Locate(hostNameOf(r))
	said := 0
	for _, name := range []string{bucketOwner, sourceOwner, controlOf} {
		values := in.Fields(r, name)
		for _, value := range values {
			if len(values) > 1 || !slices.Contains(a.accounts, value) {
				return a.foreign("%s says that the request is about account %.40q", name, strings.Join(values, ", "))
			}
		}
		if name != sourceOwner {
			said += len(values)
		}
	}
	prefix, label, dotted := strings.Cut(endpoint.Name, ".")
	if dotted && label == "s3-control" {
		if !slices.Contains(a.accounts, prefix) {
			return a.foreign("the host is that of account %.40q", prefix)
		}
		return nil
	}
	if a.accountsByPolicy || said > 0 && len(in.Fields(r, copySource)) == len(in.Fields(r, sourceOwner)) {
		return nil
	}
	switch {
	case endpoint.Name == "s3-control", in.Service != "s3" && in.Service != "s3-object-lambda":
		return a.foreign("the request does not say whose account it is about")
	case len(a.accounts) > 1 && (namesBucket(r, endpoint.Name) || len(in.Fields(r, copySource)) > 0):
		return a.foreign("the request does not say whose bucket it is about; send %s (ExpectedBucketOwner in SDKs), for the source of a copy %s too", bucketOwner, sourceOwner)
	}
	return nil
}

func (a *signing) foreign(format string, args ...any) error {
	return &sigv4.Refusal{Reason: sigv4.AccountMismatch, Detail: fmt.Sprintf(format, args...) + fmt.Sprintf("; credential %s is for %s", a.credential.Name(), strings.Join(a.accounts, ", "))}
}

// expectOwner has S3 refuse the request if the bucket is not the account's, where there is
// but one. What the agent says of it has been checked.
func (s *signature) expectOwner(r *http.Request) {
	if len(s.accounts) != 1 || s.claim.Service != "s3" && s.claim.Service != "s3-object-lambda" {
		return
	}
	endpoint, known := sigv4.Locate(hostNameOf(r))
	if !known {
		return
	}
	if namesBucket(r, endpoint.Name) && len(s.claim.Fields(r, bucketOwner)) == 0 {
		r.Header[bucketOwner] = []string{s.accounts[0]}
	}
	if len(s.claim.Fields(r, copySource)) > 0 && len(s.claim.Fields(r, sourceOwner)) == 0 {
		r.Header[sourceOwner] = []string{s.accounts[0]}
	}
}

func hostNameOf(r *http.Request) string {
	name := r.URL.Host
	if name == "" {
		name = r.Host // of a request as a server has it
	}
	return strings.TrimSuffix(strings.ToLower(name), ":443")
}

// namesBucket reports whether a request to S3 is about a bucket that exists, or something
// in it: whether it takes the field. A new bucket is the caller's own. A key may be made
// of slashes, so that one slash ends the bucket's name and every further one is a key;
// encoded ones leave as slashes.
func namesBucket(r *http.Request, endpoint string) bool {
	path, err := url.PathUnescape(cmp.Or(r.URL.Opaque, r.URL.EscapedPath()))
	path = strings.TrimPrefix(path, "/")
	inHost := strings.Contains(endpoint, ".")
	switch {
	case strings.HasSuffix(endpoint, "s3-control"), !inHost && path == "" && err == nil:
		return false
	case r.Method != http.MethodPut || err != nil || inHost && path != "" || !inHost && !bucketAlone.MatchString(path):
		return true
	}
	rest := credentials.RemoveParameters(r.URL.RawQuery, func(name string) bool {
		return strings.EqualFold(name, "x-id") || strings.HasPrefix(strings.ToLower(name), "x-amz-")
	})
	return rest != "" // else it is CreateBucket
}

// boundToAccounts adds to a session policy that nothing is done to other accounts' buckets.
func boundToAccounts(document string, accounts []string) (string, error) {
	if len(accounts) == 0 {
		return document, nil
	}
	deny, err := json.Marshal(map[string]any{
		"Effect": "Deny", "Action": []string{"s3:*", "s3-object-lambda:*", "s3-outposts:*"}, "Resource": "*",
		"Condition": map[string]any{"StringNotEquals": map[string]any{"aws:ResourceAccount": accounts}},
	})
	if err != nil {
		return "", err
	}
	if document == "" {
		document = `{"Version":"2012-10-17","Statement":[]}`
	}
	var parts map[string]json.RawMessage
	if err := json.Unmarshal([]byte(document), &parts); err != nil {
		return "", fmt.Errorf("session policy: %w", err)
	}
	statements := strings.TrimSpace(string(parts["Statement"]))
	statements = strings.TrimSpace(strings.TrimSuffix(strings.TrimPrefix(statements, "["), "]"))
	if statements != "" {
		statements += ","
	}
	parts["Statement"] = json.RawMessage("[" + statements + string(deny) + "]")
	bound, err := json.Marshal(parts)
	return string(bound), err
}
