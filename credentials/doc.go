// Package credentials holds what Sallyport may put on a request on an agent's
// behalf: named credentials, where their secrets come from, how each is applied,
// and the [Secret] type that cannot be printed.
//
// It has the kinds that know no service: one secret, written in one place. What else a
// service gives, mints or has signed is a [Maker] of that service's own, whose [Kind] is handed
// in; this package has the pieces that all of them are made of.
//
// It promises that
//
//   - a secret leaves a [Secret] by [Secret.Reveal] only, and is in no error,
//     warning or log line of this package, whatever its source answers;
//   - a credential is applied only to an https request whose authority is one of
//     the hosts it is bound to, whatever a policy says;
//   - what the agent sent in the credential's place is gone afterwards;
//   - a source that fails is an error at the request that needs it: no credential
//     is ever applied empty, and an [Injection] that was refused changed nothing.
//
// It never decides whether a request may have a credential (package policy does),
// never logs, and never opens a connection: what is minted, a [Use] brings the
// transport for.
package credentials
