package proxy

import (
	"errors"
	"io"
	"net/http"

	"sallyport/audit"
	"sallyport/proxy/wire"
)

// upgrade relays a WebSocket after the upstream has agreed to it.
func (x *exchange) upgrade(response *http.Response) {
	if !x.target.isUpgrade() {
		x.fail(errors.New("the upstream switched protocols without being asked"))
		return
	}
	upstream, ok := response.Body.(io.ReadWriteCloser)
	if !ok {
		x.fail(errors.New("the upstream's connection cannot be taken over"))
		return
	}
	h := x.w.Header()
	x.copyHeader(h, response)
	h["Connection"], h["Upgrade"] = []string{"Upgrade"}, []string{"websocket"}
	x.w.WriteHeader(http.StatusSwitchingProtocols)
	how, err := x.flow.Relay(upstream)
	if err != nil {
		x.brokenOff(err)
	}
	if x.flow.IsCut() {
		return // settle names why
	}
	x.outcome.Outcome = outcomeOf(how)
	if how.Err != nil {
		x.outcome.Error = x.clean(how.Err).Error()
	}
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
