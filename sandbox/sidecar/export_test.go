package sidecar

// Forward parses a head and returns what would go to the proxy.
func Forward(head []byte) ([]byte, error) {
	r, err := parseHead(head)
	if err != nil {
		return nil, err
	}
	return r.forward, nil
}

// CallerOf is who opened an accepted connection.
var CallerOf = callerOf
