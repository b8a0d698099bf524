//go:build unix

package server

import (
	"encoding/json"
	"net"
	"os"
	"syscall"
)

// bequeath sends the first message, and with it the listeners that are open (unix(7),
// SCM_RIGHTS). It sends copies of the descriptors: an original could be closed meanwhile, and
// its number be given to another file.
func bequeath(conn *net.UnixConn, all []inheritance) error {
	var h handedOver
	var copies []int
	defer func() {
		for _, fd := range copies {
			_ = syscall.Close(fd)
		}
	}()
	for _, one := range all {
		fd, err := duplicate(one.Listener)
		if err != nil {
			continue // it is closed already: the next server opens one
		}
		copies = append(copies, fd)
		h.Listeners = append(h.Listeners, one.handedListener)
	}
	message, err := json.Marshal(h)
	if err != nil {
		return err
	}
	_, _, err = conn.WriteMsgUnix(message, syscall.UnixRights(copies...), nil)
	return err
}

func duplicate(ln net.Listener) (int, error) {
	conn, ok := ln.(syscall.Conn)
	if !ok {
		return 0, syscall.EINVAL
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	syscall.ForkLock.RLock() // a program that is started at this moment must not inherit it
	defer syscall.ForkLock.RUnlock()
	var fd int
	var failed error
	err = raw.Control(func(original uintptr) {
		if fd, failed = syscall.Dup(int(original)); failed == nil {
			syscall.CloseOnExec(fd)
		}
	})
	if err == nil {
		err = failed
	}
	return fd, err
}

// inherit receives what bequeath has sent.
func inherit(conn *net.UnixConn) (message []byte, files []*os.File, err error) {
	message, rights := make([]byte, 16<<10), make([]byte, syscall.CmsgSpace(16*4))
	n, rightsN, _, _, err := conn.ReadMsgUnix(message, rights)
	if err != nil {
		return nil, nil, err
	}
	controls, err := syscall.ParseSocketControlMessage(rights[:rightsN])
	if err != nil {
		return nil, nil, err
	}
	for i := range controls {
		descriptors, err := syscall.ParseUnixRights(&controls[i])
		if err != nil {
			return nil, files, err
		}
		for _, fd := range descriptors {
			files = append(files, os.NewFile(uintptr(fd), "listener"))
		}
	}
	return message[:n], files, nil
}
