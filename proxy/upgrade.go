package proxy

import (
	"errors"
	"io"
	"net/http"

	"sallyport/audit"
	"sallyport/proxy/wire"
)

// upgrade relays a WebSocket after the upstream has agreed to it. An error comes before
// anything was passed on.
func (a *answer) upgrade(response *http.Response) error {
	if !a.target.isUpgrade() {
		return errors.New("the upstream switched protocols without being asked")
	}
	upstream, ok := response.Body.(io.ReadWriteCloser)
	if !ok {
		return errors.New("the upstream's connection cannot be taken over")
	}
	h := a.w.Header()
	a.copyHeader(h, response)
	h["Connection"], h["Upgrade"] = []string{"Upgrade"}, []string{"websocket"}
	a.w.WriteHeader(http.StatusSwitchingProtocols)
	how, err := a.flow.Relay(upstream)
	if err != nil {
		a.brokenOff(err)
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

func outcomeOf(how wire.Ending) string {
	switch {
	case how.Err == nil:
		return audit.OutcomeCompleted
	case how.Agent:
		return audit.OutcomeClientGone
	}
	return audit.OutcomeUpstreamFailed
}
