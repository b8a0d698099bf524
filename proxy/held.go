package proxy

import (
	"sallyport/credentials"
	"sallyport/internal/share"
)

// held is the memory that an exchange takes for its body, out of its agent's share.
type held struct {
	pool  *share.Pool
	agent string
	lease *share.Lease // nil until something is taken
}

func (h *held) memory() *share.Lease {
	if h.lease == nil {
		h.lease = h.pool.Lease(h.agent)
	}
	return h.lease
}

// forSigning is what a credential that signs takes memory by, for what it holds of the body;
// nil for one that holds nothing. It is asked by whoever reads the body.
func (h *held) forSigning(c *credentials.Credential) func(n int64) bool {
	if !c.Signs() {
		return nil
	}
	lease := h.memory()
	return func(n int64) bool {
		lease.Give(-n)
		return n <= 0 || lease.Take(n)
	}
}

// end gives it back.
func (h *held) end() {
	if h.lease != nil {
		h.lease.End()
	}
}
