// Package enrol gets an agent its identity, and renews it for as long as the agent lives.
//
// The agent makes its own keys. With a join token it finds the enrolment listener, knows it by
// the hash of its authority, and is given a certificate for an hour. From half of that time on
// it asks for the next one, with a fresh key, until it has it. Connections that are open go on.
//
// In a folder ([State]) an agent outlives its process: each key is on the disk before it is
// used, so that a request whose answer is lost in a crash is made again, and not taken for that
// of a copy. Without a folder the key is in memory only.
//
// It promises that a token and a key reach no log and no error, and that nothing is sent to a
// listener that does not chain to the authority of the token or of the identity.
package enrol
