// Package session has AWS's kinds of credentials: sessions of a role, which STS gives for one
// agent and for what its rules allow (aws_role), and fixed keys (aws_keys), for stores that
// speak S3 too. With both a request is signed anew; neither is ever sent.
//
// It promises that
//
//   - a session is one agent's, names it in AWS's own logs, and is never asked for without a
//     policy that bounds it;
//   - nothing is obtained for a request that would be refused: its signature is read, and
//     checked against its host and its accounts, first;
//   - no key is in an error, nor any word of STS that may repeat one.
//
// It opens no connection by itself, but to the metadata service of its machine where a
// credential says so: whoever retrieves one brings the transport, and records what goes by it.
package session
