package api

import "sallyport/policy"

// Body says what must still be read of the request before it is wholly classified.
type Body uint8

// What a body may hold.
const (
	// NoBody: method and path say it all.
	NoBody Body = iota
	// GraphQLBody: the operations are in the document, see [ReadGraphQL].
	GraphQLBody
	// PushBody: the ref updates are in the command list, see [ReadPush].
	PushBody
	// LFSBody: the direction is in the batch request, see [ReadLFSBatch].
	LFSBody
)

// Operation is what one request means. It is a value; its slices belong to the table
// and must not be changed.
type Operation struct {
	// Name is GitHub's name for it: "pulls/create", "git/push". It is empty when only
	// the body tells (GraphQLBody, LFSBody): such a request must not be matched by name
	// before its body was read.
	Name string
	// Repo is "owner/repo" in lower case, or empty if the request names none. A wiki's
	// repository is "owner/repo.wiki".
	Repo string
	// Owner is the account in lower case: the repository's owner, or the organization
	// or user of an operation that names no repository. Empty for an enterprise and for
	// what belongs to no account.
	Owner string
	// Access is the greater of what the method does and what the permission allows.
	Access policy.Access
	// Permissions are the alternatives a token may satisfy, least first. None means that
	// no permission is known: ask for nothing but what every token has (metadata: read).
	Permissions []PermissionSet
	// Settled: GitHub states exactly these alternatives. Otherwise they are a reading
	// of incomplete data, which [ParseAccepted] of an answer may correct.
	Settled bool
	// InstallationToken: an App's installation token may call it.
	InstallationToken bool
	// CredentialAnswer: the answer is a credential, or the call plants one. To be
	// denied unless a rule names the operation exactly.
	CredentialAnswer bool
	// Page: it was asked for by the address of a page of the web site. The name says what the
	// page tells of; the answer has a form of its own.
	Page bool
	// Addresses: of a mutation, whatever its answer has under the name url is an address.
	Addresses bool
	// WritesRefs: it writes a ref of the repository, and is no push.
	WritesRefs bool
	// Body says what is still to be read.
	Body Body
}

// Resource is what the trail and a policy call the thing acted on: the repository, else
// the account, else nothing.
func (o Operation) Resource() string {
	if o.Repo != "" {
		return o.Repo
	}
	return o.Owner
}

// IsGeneral reports whether what the operation reads is the same for everybody: clients ask for
// it before anything else, and it tells nothing of any account or repository.
func (o *Operation) IsGeneral() bool {
	switch o.Name {
	case "meta/root", "meta/get", "meta/get-all-versions", "rate-limit/get", "emojis/get",
		"codes-of-conduct/get-all-codes-of-conduct", "codes-of-conduct/get-conduct-code",
		"gitignore/get-all-templates", "gitignore/get-template", "licenses/get-all-commonly-used", "licenses/get":
		return o.Repo == "" && o.Owner == ""
	}
	return false
}
