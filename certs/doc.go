// Package certs makes certificates: the two authorities of a Sallyport (one
// for the identities of agents, one for intercepting their TLS), what each of
// them issues, and the bundles with which ordinary clients come to trust the
// second.
//
// It promises that
//
//   - every key is ECDSA P-256, every serial has 128 random bits, and nothing
//     outlives the authority that issued it;
//   - what it issues passes the strict readings of RFC 5280: OpenSSL with
//     X509_STRICT, GnuTLS, Java and Go;
//   - an authority's key is written readable by its owner alone, whole or not
//     at all, and never over another;
//   - a leaf for interception names exactly the host that was asked for, never
//     a wildcard, and is kept only for a while and in a bounded number.
//
// It never decides to whom a certificate is due, records none and revokes none.
// The two authorities must not share a key: whoever trusts the interception
// authority would otherwise be able to make an agent.
package certs
