// Package http1 is the upstream side of HTTP/1.1: it sends requests over
// connections that it keeps, as http.Transport does, but in the caller's own
// goroutine. Where http.Transport hands each request to a goroutine that
// writes and its answer to one that reads, here whoever asks writes and reads;
// only a request's body has a goroutine, so that an answer may come before the
// body has ended.
//
// It promises: a connection is used again only when request and answer have
// both ended where they said they would and nothing has come after them; a
// request is sent a second time only if it has no body, its method is
// idempotent, and a connection that had been idle ended without one byte of an
// answer. It never follows a redirect, decodes a body, keeps a cookie or reads
// the environment. Answers are parsed by http.ReadResponse.
package http1
