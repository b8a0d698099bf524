package catch

import (
	"errors"
	"fmt"
	"io"
)

// maxHello bounds what is read of a connection before its name is known. A
// ClientHello with post-quantum keys and a session ticket takes 2 to 4 KiB.
const maxHello = 32 << 10

// The ways in which a ClientHello cannot be read.
var (
	errNotTLS   = errors.New("it does not speak TLS")
	errHello    = errors.New("its TLS ClientHello is malformed")
	errTooLarge = fmt.Errorf("its TLS ClientHello is longer than %d bytes", maxHello)
)

const (
	recordHandshake  = 22 // ContentType.handshake, RFC 8446, section 5.1
	typeClientHello  = 1  // RFC 8446, section 4
	extensionSNI     = 0  // RFC 6066, section 3
	nameTypeHost     = 0
	recordHeader     = 5
	handshakeHeader  = 4
	maxRecordPayload = 1 << 14
)

// ReadHello reads a TLS ClientHello from r, over as many records as it is spread,
// and no byte more than the last of them. It returns the server's name, "" if the
// client names none, and all bytes that it has read. What cannot be read is an
// error, and then the bytes are those read so far.
func ReadHello(r io.Reader) (name string, raw []byte, err error) {
	var message []byte
	for {
		var body []byte
		if body, raw, err = readRecord(r, raw); err != nil {
			return "", raw, err
		}
		message = append(message, body...)
		if len(message) < handshakeHeader {
			continue
		}
		length := int(message[1])<<16 | int(message[2])<<8 | int(message[3])
		switch {
		case message[0] != typeClientHello:
			return "", raw, errHello
		case length > maxHello:
			return "", raw, errTooLarge
		case len(message) >= handshakeHeader+length:
			name, err = serverName(message[handshakeHeader : handshakeHeader+length])
			return name, raw, err
		}
	}
}

// readRecord reads one record of a handshake and appends it to raw.
func readRecord(r io.Reader, raw []byte) (body, all []byte, err error) {
	start := len(raw)
	raw, err = readMore(r, raw, 1)
	if err != nil {
		return nil, raw, err
	}
	if raw[start] != recordHandshake {
		return nil, raw, errNotTLS
	}
	if raw, err = readMore(r, raw, recordHeader-1); err != nil {
		return nil, raw, err
	}
	head := raw[start:]
	length := int(head[3])<<8 | int(head[4])
	switch {
	case head[1] != 3: // every version of TLS begins so
		return nil, raw, errNotTLS
	case length == 0 || length > maxRecordPayload:
		return nil, raw, errHello
	case len(raw)+length > maxHello:
		return nil, raw, errTooLarge
	}
	raw, err = readMore(r, raw, length)
	return raw[start+recordHeader:], raw, err
}

func readMore(r io.Reader, raw []byte, n int) ([]byte, error) {
	start := len(raw)
	raw = append(raw, make([]byte, n)...)
	got, err := io.ReadFull(r, raw[start:])
	return raw[:start+got], err
}

// fields reads the length-prefixed vectors of TLS (RFC 8446, section 3.4).
type fields []byte

func (f *fields) take(n int) (fields, bool) {
	if n < 0 || n > len(*f) {
		return nil, false
	}
	taken := (*f)[:n]
	*f = (*f)[n:]
	return taken, true
}

func (f *fields) number(size int) (int, bool) {
	b, ok := f.take(size)
	n := 0
	for _, one := range b {
		n = n<<8 | int(one)
	}
	return n, ok
}

func (f *fields) vector(size int) (fields, bool) {
	n, ok := f.number(size)
	if !ok {
		return nil, false
	}
	return f.take(n)
}

// serverName finds the name in a ClientHello (RFC 8446, section 4.1.2).
func serverName(hello fields) (string, error) {
	const versionAndRandom = 2 + 32
	_, ok1 := hello.take(versionAndRandom)
	_, ok2 := hello.vector(1) // session id
	_, ok3 := hello.vector(2) // cipher suites
	_, ok4 := hello.vector(1) // compression methods
	if !ok1 || !ok2 || !ok3 || !ok4 {
		return "", errHello
	}
	if len(hello) == 0 {
		return "", nil // before TLS 1.2 there were no extensions
	}
	extensions, ok := hello.vector(2)
	if !ok || len(hello) > 0 {
		return "", errHello
	}
	found, name := false, ""
	for len(extensions) > 0 {
		kind, ok1 := extensions.number(2)
		data, ok2 := extensions.vector(2)
		if !ok1 || !ok2 {
			return "", errHello
		}
		if kind != extensionSNI {
			continue
		}
		if found {
			return "", errHello // two names have two readings
		}
		found = true
		if name, ok = hostName(data); !ok {
			return "", errHello
		}
	}
	return name, nil
}

// hostName reads the extension: a list with one name of the one kind that there is.
func hostName(data fields) (string, bool) {
	list, ok := data.vector(2)
	if !ok || len(data) > 0 {
		return "", false
	}
	kind, ok1 := list.number(1)
	name, ok2 := list.vector(2)
	return string(name), ok1 && ok2 && kind == nameTypeHost && len(list) == 0 && len(name) > 0
}
