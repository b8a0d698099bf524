// Package github is the room of GitHub: github.com and every Enterprise Server that the
// files speak of.
//
// What a request means is in package api, in GitHub's own words. This package puts it into
// those of a policy (language.go, question.go), narrows tokens to it (narrow.go), takes
// out of answers what is live (answer.go), tells git in its own protocol why a
// push is refused and reads what a server says of one (push.go), and shares out GitHub's
// rate limits (budget.go). service.go and visit.go are the contract.
//
// It promises that no answer hands over a token that GitHub puts into it, and that a token
// is asked for this request and no more. It never decides, and holds no secret but for the
// moment in which it is taken out of an answer.
package github
