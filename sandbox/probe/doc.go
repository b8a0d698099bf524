// Package probe tries to get out of the sandbox that it runs in, past the proxy: by every
// kind of connection that it knows, to places that answer everywhere or that it is told.
//
// What got an answer is a hole, and named. What got none is no proof that there is none:
// the target may be down, or the way may be one that is not tried. It changes nothing
// and sends nothing that says anything.
package probe
