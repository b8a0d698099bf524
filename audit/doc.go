// Package audit is what the trail says, as values: who did what, on whose
// responsibility, by which rule, with which credential, and what came of it.
//
// It has the words (types of events, outcomes, marks), one table of all fields of a
// row (field.go), which drives payloads, JSON, OCSF, filters and what is searched for,
// the tree that proves that nothing was changed, and what is asked and answered:
// filters, counts, reports, proofs. It opens no file and no database; audit/trail
// keeps all of it in SQLite. It never knows a secret.
//
// # Events
//
// An event has a seq (1, 2, 3, without gaps), an id, the exchange that it belongs
// to if there is one, a type, a time (microseconds since 1970, UTC) and a payload.
// An exchange has an event of type "intent", whose id is the exchange's, and one of
// type "outcome"; their times are when the exchange started and ended. Other types
// are whatever was recorded. Retention may remove payloads; their hashes stay.
//
// # Payload encoding, version 1
//
// The payload of an intent or outcome is a run of fields in strictly ascending
// order of their tags, one byte each:
//
//	field   = tag || length || value
//	length  = uvarint in its shortest form (7 bits a byte, low bits first)
//
// A value is text (any bytes; an agent's input need not be UTF-8), a number
// (big-endian, without leading zero bytes), 16 bytes of UUID, a packed string
// (one byte 1 and the bytes of a lower-case hex string, or one byte 0 and the
// text), or details. A field that is unknown is left out. Which tag
// a field has, and how it is stored, stands in the table of all fields (field.go); a
// count is stored as the number after it.
//
// Timings are six uvarints of microseconds, 0 for unknown: authorize,
// credential, audit, connect, first_byte, total. Details, and the payload of
// any other event, are one map; an empty one is an empty payload:
//
//	value = 0 (null) | 1 (false) | 2 (true) | 3 zigzag varint (whole number)
//	      | 4 IEEE 754 double, big-endian (not a whole number) | 5 length text
//	      | 6 count value... | 7 count (length key value)..., sorted by key
//
// Every payload has exactly one encoding; readers refuse any other.
//
// # Caps
//
// Path is cut at 2 KiB, resource and error at 1 KiB, every other string at 256
// bytes or, for words, 64, at a character's boundary; what is cut ends in
// "…sha256:" and the hash of the whole. Details of more than 16 KiB are cut
// where they are longest, so that what is short stays, and have their length
// and hash as "truncated" and "sha256"; the payload of another event may have
// 64 KiB.
//
// # Tree
//
// Every event is a leaf of a Merkle tree as in RFC 6962 (golang.org/x/mod
// sumdb/tlog). Leaf seq-1 is the hash of these bytes:
//
//	1 || seq (8) || at (8) || encoding_version (4) || id (16) ||
//	exchange (16, zero if none) || length of type (1) || type ||
//	SHA-256 of payload (32)
//
// numbers big-endian. Stored with an event, as its hashes, are the 32 bytes of the leaf and of
// every larger complete subtree that this leaf completes, smallest first: the
// hash of leaves n·2^l to (n+1)·2^l-1 is in the row of seq (n+1)·2^l at offset
// 32·l. Row and hashes commit or fail together.
package audit
