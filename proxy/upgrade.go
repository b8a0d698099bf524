package proxy

import (
	"crypto/sha1" //nolint:gosec // see acceptOf
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"golang.org/x/net/http/httpguts"

	"sallyport/audit"
	"sallyport/proxy/wire"
)

// upgrade relays another protocol after the upstream has agreed to it. An error comes before
// anything was passed on.
func (a *answer) upgrade(response *http.Response) error {
	if err := a.agreed(response.Header); err != nil {
		return err
	}
	conn, ok := response.Body.(io.ReadWriteCloser)
	if !ok {
		return errors.New("the upstream's connection cannot be taken over")
	}
	upstream := &farewell{ReadWriteCloser: conn}
	h := a.w.Header()
	a.copyHeader(h, response)
	h["Connection"], h["Upgrade"] = []string{"Upgrade"}, []string{a.target.protocol()}
	a.w.WriteHeader(http.StatusSwitchingProtocols)
	how, err := a.flow.Relay(upstream)
	if err != nil {
		a.brokenOff(err)
	}
	if a.target.method == methodWebSocket {
		upstream.tell(a.row)
	}
	if a.flow.IsCut() {
		return nil // the row is settled by why
	}
	a.row.outcome.Outcome = outcomeOf(how)
	if how.Err != nil {
		a.row.outcome.Error = a.supply.clean(how.Err).Error()
	}
	return nil
}

// agreed holds an answer of 101 to what was asked: that server speaks the protocol, and is not
// one that takes what follows for something else.
func (a *answer) agreed(h http.Header) error {
	switch {
	case !a.target.isUpgrade():
		return errors.New("the upstream switched protocols without being asked")
	case len(h["Upgrade"]) != 1 || !strings.EqualFold(h["Upgrade"][0], a.target.protocol()) || !httpguts.HeaderValuesContainsToken(h["Connection"], "upgrade"):
		return fmt.Errorf("the upstream switched to another protocol than %s", a.target.protocol())
	case a.target.method == methodWebSocket && h.Get("Sec-Websocket-Accept") != acceptOf(a.r.Header.Get("Sec-Websocket-Key")):
		return errors.New("the upstream's answer is no WebSocket handshake: Sec-WebSocket-Accept does not fit the key")
	}
	return nil
}

// acceptOf is what a server of WebSockets makes of a key (RFC 6455, section 4.2.2).
func acceptOf(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) //nolint:gosec // it proves that a server knows the protocol, and hides nothing
	return base64.StdEncoding.EncodeToString(sum[:])
}

func outcomeOf(how wire.Ending) string {
	switch {
	case how.Err == nil:
		return audit.OutcomeCompleted
	case how.Agent:
		return audit.OutcomeClientGone
	}
	return audit.OutcomeUpstreamFailed
}
