package api

// Reason is why a request could not be named, one word for logs and tests.
type Reason string

// The reasons.
const (
	// Host: not a host of this GitHub, or one whose paths have no operations.
	ReasonHost Reason = "host"
	// ReasonUnknown: no template of the published API fits method and path.
	ReasonUnknown Reason = "unknown operation"
	// ReasonNumericAlias: /repositories/{id}, which names a repository by number.
	ReasonNumericAlias Reason = "numeric alias"
	// ReasonPath: a form of path that two servers may read differently.
	ReasonPath Reason = "ambiguous path"
	// ReasonName: an owner or repository that GitHub cannot have under this name.
	ReasonName Reason = "name"
	// ReasonQuery: a query where none belongs, or one that changes the method.
	ReasonQuery Reason = "query"
	// ReasonTooLarge: more than this package reads.
	ReasonTooLarge Reason = "too large"
	// ReasonTruncated: the body ended early.
	ReasonTruncated Reason = "truncated"
	// ReasonEncoding: a content type or content encoding that is not read.
	ReasonEncoding Reason = "encoding"
	// ReasonSyntax: the body is not what its endpoint takes.
	ReasonSyntax Reason = "syntax"
	// ReasonBatch: several GraphQL requests in one.
	ReasonBatch Reason = "graphql batch"
	// ReasonPersisted: a GraphQL document named by hash or id.
	ReasonPersisted Reason = "persisted query"
	// ReasonSeveralOperations: it is not clear which GraphQL operation would run.
	ReasonSeveralOperations Reason = "several operations"
	// ReasonTooComplex: a GraphQL document with too many tokens or levels.
	ReasonTooComplex Reason = "too complex"
	// ReasonRef: a ref name that this package does not vouch for.
	ReasonRef Reason = "ref name"
	// ReasonTrailing: data where a push has to end or its pack to begin.
	ReasonTrailing Reason = "trailing data"
	// ReasonSignedPush: a push certificate, which GitHub does not take.
	ReasonSignedPush Reason = "signed push"
)

// Unresolved is the error of everything in this package that could not be named. Its
// message is a sentence for the agent; it holds parts of the request, never a secret.
type Unresolved struct {
	Reason Reason
	Detail string
}

func (u *Unresolved) Error() string { return u.Detail }

func unresolved(reason Reason, detail string) *Unresolved {
	return &Unresolved{Reason: reason, Detail: detail}
}
