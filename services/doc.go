// Package services is the contract by which a service is a room: what the proxy, the
// policy, the credentials and the commands know of a service, and no more.
//
// A [Service] finds the requests that go to it ([Sites]), each of which is a [Visit] that
// says what the request does. What only some services do is an optional interface of one
// method that the core finds by assertion: on a Service, its Sites or a Visit.
//
// The exchange asks a visit in this order: [Sites].Find, [Visit].Read, [Sourcer], [Checker],
// [Narrower], [Describer] and [Besider] before the intent is committed, [Shaper] before
// the request leaves; then [Budgeter], [Answerer], [Learner] and [Watcher] about the
// answer; [Refuser] in the place of an answer.
//
// Of a Service alone ask the commands: [Recognizer] and [LogReader] lead from what other
// systems show to the trail. The server keeps what a [Rememberer] has learnt.
//
// A room's kinds of credentials are handed to package credentials ([Service].Kinds), each made
// of its pieces. What a credential is needed for, [Narrower] says in a value of a type that the
// room's kinds know (credentials.Use.For): nobody else looks into it.
//
// A room promises to keep no state about a request after its Visit, to do nothing that
// blocks but to read the body it is handed, and to show no secret in what it returns. It
// never decides: what is allowed, the policy says.
package services
