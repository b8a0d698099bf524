// Package publish takes the trail's signed checkpoints to places outside this
// machine's reach, because whoever holds the signing key could compute a trail
// anew, but cannot change what was published before.
//
// It promises to publish at most every ten seconds, to say in Err which place
// is behind and why, and to hold new requests back once a place has been behind
// for longer than the configuration allows. It never publishes anything but
// checkpoints: sizes, hashes and signatures.
package publish
