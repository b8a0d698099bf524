// Package api says what a request means to GitHub, in GitHub's own words: the
// operation ("pulls/create"), the repository, the access it takes, and the App
// permission that a token needs for it.
//
// It covers the REST API of github.com and of GitHub Enterprise Server (one table,
// generated from GitHub's published descriptions), GraphQL (each root field is an
// operation), git over HTTP (fetch, push with every ref update) and LFS.
//
// It promises that a request is named exactly or not at all. Paths are compared as
// sent, most specific template first; whatever two servers could read differently
// (dot segments, needless escapes, a case that is almost a fixed segment, duplicate
// JSON keys, data after a command list) is [Unresolved] with the reason, never
// guessed. Bodies are read only up to a fixed size.
//
// It never decides, never opens a connection, never keeps state, and holds no secret.
package api

//go:generate go run ./gen -openapi $OCTOKIT_OPENAPI -graphql $OCTOKIT_GRAPHQL
