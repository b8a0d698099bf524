// Package sigv4 signs AWS requests anew: it takes a request that a client signed with
// placeholder keys, removes everything of that signature, and signs what is left with
// the keys of a session, as the body streams through.
//
// It promises that
//
//   - a request that it accepts leaves with one signature, in the Authorization
//     header, over what is sent: method, path, query, the headers the client had
//     signed, every X-Amz- header, Host and the body as far as the client signed it;
//   - nothing of the inbound signature, date or session token survives;
//   - service and region are those of the host, not merely what the client claimed;
//   - memory is bounded whatever the size of the body: a hash that the client states
//     is verified while it streams and the last byte is held back until it is right,
//     signed chunks are signed again one by one, and only a body whose hash no header
//     states is read ahead (into a file from 1 MiB on);
//   - what it cannot sign is a [*Refusal] that names the reason, and nothing is sent:
//     SigV2, POST policies, S3 Express, event streams, chunks signed by SigV4A, and all
//     it cannot parse.
//
// It never verifies the inbound signature (the client's keys are placeholders, its
// identity is its certificate), never obtains keys, and never opens a connection.
//
// The rules are those of "AWS Signature Version 4 for API requests" in the IAM User
// Guide and of "Signature calculations for the Authorization header: transferring
// payload in multiple chunks" in the Amazon S3 API Reference.
package sigv4
