// Package server is the composition: it opens what HOME holds, wires the parts
// into a running server, reloads, hands over to the next server, drains and
// closes, and it reaches that server, or HOME itself, for one command.
//
// It is the one place that knows every part, and the one list of the services
// that are built in ([Services]). It promises that whatever it opened it closes in
// the reverse order, that a bad edit leaves the last good files in force, and that
// one process writes a HOME at a time. It holds no rule about what may leave, and
// reads no flag.
package server
