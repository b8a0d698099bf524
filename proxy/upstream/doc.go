// Package upstream is the way out: it opens every connection to an upstream and
// sends requests over it. It decides which addresses may be dialled, after they
// were resolved, and which certificates are believed; it keeps the connections of
// each agent apart from every other's.
//
// It promises: no address is dialled that is not globally reachable, unless the
// settings name it, nor one of Sallyport's own listeners; TLS is verified,
// always; a request leaves once, in the protocol it came in where the upstream
// speaks that; a redirect is an answer like any other. It never reads the
// environment, and knows neither agents nor what a request means: whoever asks
// has decided that it may leave.
package upstream
