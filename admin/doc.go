// Package admin is how a person on the same machine changes what agents may do:
// agents are created, renewed, suspended, resumed and revoked, configuration is
// reloaded, credentials are tried.
//
// A [Service] does the work. It promises that every change is in the audit trail
// with the local user who asked for it: a change that would widen what an agent
// can do takes effect only if it could be recorded; one that narrows it takes
// effect whatever happens to the trail. A running server offers the service on a
// Unix socket in the private state folder, to its own user and root, as JSON
// over HTTP ([Listen], [NewServer], [Client]). Without a server, a command opens
// the stores itself while it holds the state folder's lock ([Acquire]).
//
// The package never decides about a request, and never sends a secret to its
// caller, with one exception that is its purpose: the private key of a
// certificate that was issued to this caller just now.
package admin
