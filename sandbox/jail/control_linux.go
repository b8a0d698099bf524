package jail

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// maxMessage bounds a message: a command's arguments and environment are the
// longest, and the kernel takes less.
const maxMessage = 16 << 20

// mostFiles is how many descriptors one message can carry (unix(7), SCM_RIGHTS).
const mostFiles = 253

// control is the socket between the supervisor and the first process of the jail.
// Messages are JSON with their length in front, and descriptors with that.
type control struct {
	*net.UnixConn
	sending sync.Mutex
}

func newControl(f *os.File) (*control, error) {
	defer f.Close()
	conn, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("use the control socket: %w", err)
	}
	c, ok := conn.(*net.UnixConn)
	if !ok {
		return nil, errors.Join(errors.New("the control socket is no Unix socket"), conn.Close())
	}
	return &control{UnixConn: c}, nil
}

func (c *control) send(v any, files ...int) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	c.sending.Lock()
	defer c.sending.Unlock()
	var rights []byte
	if len(files) > 0 {
		rights = unix.UnixRights(files...)
	}
	head := binary.BigEndian.AppendUint32(nil, uint32(len(body))) //nolint:gosec // far below
	if _, _, err := c.WriteMsgUnix(head, rights, nil); err != nil {
		return fmt.Errorf("speak over the control socket: %w", err)
	}
	_, err = c.Write(body)
	return err
}

// receive reads one message into v. The files are the caller's.
func (c *control) receive(v any) ([]*os.File, error) {
	var head [4]byte
	rights := make([]byte, unix.CmsgSpace(4*mostFiles))
	n, nrights, _, _, err := c.ReadMsgUnix(head[:], rights)
	if err != nil || n == 0 {
		return nil, errors.Join(err, io.EOF)
	}
	files, err := received(rights[:nrights])
	if err != nil {
		return nil, err
	}
	if _, err := io.ReadFull(c, head[n:]); err != nil {
		return files, err
	}
	length := binary.BigEndian.Uint32(head[:])
	if length > maxMessage {
		return files, errors.New("a message over the control socket is too long")
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(c, body); err != nil {
		return files, err
	}
	return files, json.Unmarshal(body, v)
}

func received(rights []byte) ([]*os.File, error) {
	var files []*os.File
	messages, err := unix.ParseSocketControlMessage(rights)
	if err != nil {
		return nil, fmt.Errorf("receive descriptors: %w", err)
	}
	for _, m := range messages {
		fds, err := unix.ParseUnixRights(&m)
		if err != nil {
			return nil, fmt.Errorf("receive descriptors: %w", err)
		}
		for _, fd := range fds {
			unix.CloseOnExec(fd)
			files = append(files, os.NewFile(uintptr(fd), "received"))
		}
	}
	return files, nil
}

// preparation is what the first process is told first.
type preparation struct {
	Server       int
	Hide, Freeze []string
	Home         string
	Fresh        bool
	Write, Read  []string
	Working      string
	Ports        []uint16
	Instead      map[string]string
}

// command is what it is told then, and afterwards only signals.
type command struct {
	Path      string
	Args, Env []string
	Nested    bool
}

type note struct {
	Signal int // for the command
}

// answer is what the first process says: of each step that it is done, and of the
// command how it ended.
type answer struct {
	Error  string   `json:",omitempty"`
	Hint   string   `json:",omitempty"`
	Names  []string `json:",omitempty"` // of the files that come with it
	Mounts []uint64 `json:",omitempty"` // that began empty
	Notes  []string `json:",omitempty"` // what is not as it was meant to be
	Ended  bool     `json:",omitempty"`
	Code   int      `json:",omitempty"`
	Signal int      `json:",omitempty"`
}
