// Package confine serves a jail: it answers the names that are asked for in it, hands what
// is caught in it to a sidecar, and has the proxy record what the jail does not let out.
//
// It decides nothing and opens no connection: the way out is the sidecar's, and what may
// leave there is for the proxy to say.
package confine
