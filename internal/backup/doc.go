// Package backup writes and reads the folder that `sallyport backup` makes of a home.
//
//	manifest.json    what is in it, with the SHA-256 of every file
//	manifest.sig     a signature over the manifest's hash, by the key that signs the trail
//	checkpoint       the newest signed head of the trail that is in it
//	trail.key.pub    what verifies both
//	home/            the files of HOME and state/audit.db and state/identity.db, each whole
//	                 without a write-ahead log
//	secrets.tar.age  the authorities' keys and the secret files inside HOME, encrypted; or
//	secrets.tar      the same in plain, or neither
//
// It promises that a backup without a manifest is not taken for one, that every file is
// held to the manifest as it is read, and that nothing is written outside the folder that
// was named. It never writes a key unless it was told how, and it never holds the key that
// signs the trail: a restored trail goes on under another.
package backup
