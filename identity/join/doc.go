// Package join is what an agent and Sallyport say to each other when the agent gets its
// identity, and when it renews it: the token by which it may, and the messages on the
// enrolment listener.
//
// The listener speaks HTTP over TLS 1.3. An agent that joins has no certificate yet and no
// file to verify the listener by: the token carries the hash of the authority that the
// listener's certificate chains to. An agent that renews shows its certificate.
//
// Everything here is a value; nothing opens a connection.
package join
