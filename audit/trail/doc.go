// Package trail keeps the audit trail in one SQLite database, append-only.
//
// It promises that Begin returns only when the intent is committed, that what
// was committed is never changed (retention may remove payloads, announced by
// an event, and keeps their hashes), that an outcome given to End is written or
// kept until it can be, and that every intent gets exactly one outcome: what a
// crash leaves open is closed as interrupted at the next start. When the trail
// cannot be written, Begin fails within two seconds and the trail heals by
// itself when the cause is gone. It never stores a secret knowingly, never
// writes to a file that is not the trail it opened, and never makes a lost
// database anew while it runs.
//
// # Files
//
// The trail is one SQLite database in WAL mode, readable by any process
// (mode=ro) at any time. Beside it, PATH-writer is locked (flock) by the one
// process that writes.
//
// # Tables
//
// The table events is the truth. Its columns are seq, id (16 bytes), exchange (16
// bytes or NULL), type, at, encoding_version, payload and hashes, as package audit
// describes them. The tables exchanges, kinds, segments and terms are made from
// events for queries to use, and can be made again (Rebuild); the view requests
// tells them to other programs. documents holds
// texts by their SHA-256, each with an event of type "document.stored";
// checkpoints holds signed heads of the tree by size; removed holds the hashes of
// the payloads that retention has removed, which are NULL in events.
package trail
