// Package ship follows the trail and sends each exchange that has ended to
// another system: a collector of OTLP logs, a syslog server, or any address over
// https.
//
// It promises at-least-once delivery: where it has got to is stored only after
// the other side has taken everything up to there, so that a crash sends some
// exchanges again and loses none. It never changes the trail, never drops what
// the other side will not take, and never writes a secret anywhere.
package ship
