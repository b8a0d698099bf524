// Package app has GitHub's kinds of credentials: tokens that are minted with the key of a GitHub
// App for one use at a time (github_app), and a token that somebody has made (github_token).
//
// It promises that
//
//   - a token that is minted can do no more than it was asked for, or is revoked unused;
//   - what is empty in a [Scope] is an error, and never means all;
//   - an agent's token is its own, unless its rule says that agents share;
//   - a token is written on a request in the form that the part of GitHub takes which the
//     request goes to, and on no link that is signed by itself;
//   - no token, no key and no word of a server's that may repeat one is in an error.
//
// It opens no connection by itself: whoever retrieves a credential brings the transport, and
// records what goes by it. It never decides what a token may do.
package app
