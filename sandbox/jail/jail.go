package jail

import (
	"io"
	"net"

	"sallyport/sandbox/catch"
)

// Config says what a jail is to be like.
type Config struct {
	Helper  []string          // arguments with which this very program calls [Enter] in the new process
	Server  int               // the process whose administration the command is kept from; 0 if unknown
	Hide    []string          // files and folders that the command shall not see
	Freeze  []string          // files and folders that it may see and not change, nor put others in their place
	Home    string            // the user's folder; "" if there is none
	Fresh   bool              // Home begins empty
	Write   []string          // files and folders that it may change; all others it cannot, or only until it ends
	Read    []string          // files and folders that are there although they lie in a folder that begins empty
	Ports   []uint16          // of TCP, on which what arrives is caught
	Nested  bool              // the command may make namespaces of its own
	Instead map[string]string // files that are seen in the place of others, by the path of those

	Names   *catch.Names        // whose an address is, for what is told of tries
	Blocked func(catch.Attempt) // is told of each try that the jail itself refuses

	Streams Streams
}

// Streams are the standard streams of a command.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// Sockets are what was made in the jail, for whoever serves it outside. The owner
// of the [Process] closes them with it.
type Sockets struct {
	Catch   []*net.TCPListener // one for each port; the local address of a connection is where it was sent
	Names   []net.PacketConn   // where names are asked for
	NamesIn []net.Listener     // the same over TCP
	Proxy   net.Listener       // for programs that know of a proxy
}

// Ended is how a command ended.
type Ended struct {
	Code   int // if no signal ended it
	Signal int // that killed it; 0 if none did
}
