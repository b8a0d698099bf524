package wire

import "time"

// Deadlines and bounds of connections. There is no limit on the whole of a request or an
// answer: streams may last for hours.
const (
	headTimeout       = 10 * time.Second // a handshake, and a header section
	listenerIdle      = 2 * time.Minute
	tunnelIdle        = 10 * time.Minute
	maxHeaderBytes    = 64 << 10
	headerSlop        = 4 << 10 // net/http allows this much more than it is told
	maxStreams        = 250
	handshakeLogEvery = time.Second
	handshakeLogBurst = 5
	easePoll          = 10 * time.Millisecond // how often Ease looks who is still connected
	acceptPause       = 50 * time.Millisecond // when the process is out of descriptors

	// The connection's window is far larger than a stream's, so that stalled
	// uploads do not block the others beside them.
	http2StreamWindow     = 256 << 10
	http2ConnectionWindow = 4 << 20

	// A connection that ends with an answer is still read, so that the answer is not lost
	// to a reset: many clients send all of an upload before they read. It is read until
	// the agent ends it, is silent for lingerSilence, or has had lingerTime or sent
	// lingerBytes.
	lingerSilence = 500 * time.Millisecond
	lingerTime    = 30 * time.Second
	lingerBytes   = 256 << 20

	// farewellTime is how long the end of a TLS connection may take. crypto/tls waits
	// five seconds for a peer that does not read.
	farewellTime = 500 * time.Millisecond
)

// In ALPN (RFC 7301, RFC 9113 section 3.2).
const (
	protocolHTTP1 = "http/1.1"
	protocolHTTP2 = "h2"
)
