// Package yamldoc reads the YAML files that people edit: strictly, whole, and with
// every problem named by file, line and key.
//
// [Read] takes one document as a tree of [Node] in which nothing has a second
// meaning: no anchors, aliases, tags, merge keys or repeated keys, no invisible
// characters, no encoding but UTF-8, nothing deeper than people write. A panic of the
// parser is an error like any other, because a bad edit must never take a process
// down. A scalar is its text as it was written, unless somebody asks whether it was
// quoted ([Node.Plain]).
//
// What is wrong further on, its reader reports to the same [Doc] through the nodes, so
// that one look mends a whole file. Of a file that holds references to secrets nothing
// is repeated in an error that could be one ([Options].Secret).
//
// The package knows no file: which keys there are, and what they mean, is its callers'
// business. A Doc is not safe for concurrent use.
package yamldoc
