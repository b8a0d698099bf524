// Package aws is the room of AWS, and of whatever else speaks its protocols: stores that
// credentials with keys are bound to.
//
// What a request means is in package api, in AWS's own words. This package finds the host
// and what the request is signed for (site.go, visit.go), puts the meaning into the words
// of a policy (language.go, question.go), says what an agent's session may do
// (session.go), and refuses in each protocol's own form (refusal.go).
//
// It promises that service and region of a request agree with its host, and never reads
// more of a body than 1 MiB. It never decides, and holds no secret.
package aws
