package sidecar

import (
	"context"
	"errors"
	"io/fs"
	"net"
)

// fileNumber: size and time have to do on Windows.
func fileNumber(fs.FileInfo) uint64 { return 0 }

// loose: the mode bits say nothing about who may read a file on Windows.
func loose(fs.FileMode) bool { return false }

// listenUnix refuses, because the mode of a socket's file protects nothing on Windows.
func listenUnix(context.Context, string) (net.Listener, error) {
	return nil, errors.New("a unix: socket cannot be made private on Windows; use 127.0.0.1:0")
}
