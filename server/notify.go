package server

import (
	"fmt"
	"net"
	"os"
)

// notify tells the service manager that started this process, if one did, how the
// server is (sd_notify(3)). A server that takes over says that it is the main
// process from now on.
func (e Environment) notify(state string) error {
	path := e.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return nil
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"}) // @ is an abstract name there too
	if err != nil {
		return fmt.Errorf("tell the service manager: %w", err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write([]byte(state)); err != nil {
		return fmt.Errorf("tell the service manager: %w", err)
	}
	return nil
}

// What a service manager is told.
const stateStopping = "STOPPING=1"

func stateReady() string { return fmt.Sprintf("READY=1\nMAINPID=%d", os.Getpid()) }
