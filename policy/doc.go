// Package policy decides whether a request may go out: a Query in, a Decision
// out. A policy is one YAML file, parsed strictly and compiled once into an
// immutable value.
//
// It promises that a deny rule beats an ask rule beats an allow rule whatever
// their order, that what no rule names is denied, and that what it cannot read
// with one meaning is never allowed by a rule that would have to read it.
//
// Rules may also speak of what a request does to a service, in the service's own
// words. No service is known here: a [Language] compiles what stands under its key
// into a [Clause], put together from what is the same for all of them ([Operations],
// [Access], [Place]) and what is its own, and a [Meaning] comes with the query. A
// request may do several things, and all of them must be allowed.
//
// It never opens a file or a connection, knows nothing of HTTP beyond the Query,
// and never sees a credential, only its name.
package policy
