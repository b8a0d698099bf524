package identity_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/identity"
)

const renewGrace = 24 * time.Hour

// renewed is an agent with one certificate, "1", for key "k1".
type renewed struct {
	*identity.Registry
	*clock
	t  *testing.T
	id uuid.UUID
}

func newRenewed(t *testing.T) *renewed {
	t.Helper()
	c := &clock{}
	r := open(t, database(t), c.now)
	a := operator()
	a.ExpiresAt = start.Add(10000 * time.Hour)
	x := &renewed{Registry: r, clock: c, t: t, id: create(t, r, a).ID}
	require.NoError(t, r.AddFirst(t.Context(), identity.Certificate{Serial: "1", Agent: x.id, NotAfter: start.Add(time.Hour), Key: "k1"}))
	return x
}

// renew issues serial for key to whoever shows an older certificate.
func (x *renewed) renew(shown, serial, key string) error {
	return x.AddRenewed(x.t.Context(), identity.Certificate{
		Serial: serial, Agent: x.id, NotAfter: x.now().Add(time.Hour), Key: key,
	}, shown, renewGrace)
}

func TestRenewalsFollowEachOther(t *testing.T) {
	t.Parallel()
	x := newRenewed(t)
	x.Connected("1")
	x.advance(30 * time.Minute)
	require.NoError(t, x.renew("1", "2", "k2"))
	assert.Equal(t, string(identity.Active), x.CertificateState("1", start.Add(time.Hour)), "what was opened before goes on")
	x.Connected("2")
	x.advance(30 * time.Minute)
	require.NoError(t, x.renew("2", "3", "k3"))
	list := x.Certificates(x.id)
	require.Len(t, list, 3)
	assert.Equal(t, []int{3, 2}, []int{list[2].Generation, list[2].Parent})
}

func TestARenewalWhoseAnswerWasLostIsNoClone(t *testing.T) {
	t.Parallel()
	x := newRenewed(t)
	x.Connected("1")
	require.NoError(t, x.renew("1", "2", "k2"))
	require.NoError(t, x.renew("1", "3", "k2"), "the same key: the answer was lost")
	assert.True(t, x.CertificateRevoked("2"))
	x.Connected("3")
	err := x.renew("1", "4", "k2")
	var clone *identity.CloneError
	require.ErrorAs(t, err, &clone, "whoever has it does not need another")
	assert.Equal(t, identity.CloneError{Agent: x.id, Generation: 1, Newest: 3}, *clone)
}

func TestACopyIsFoundWhenItRenews(t *testing.T) {
	t.Parallel()
	x := newRenewed(t)
	require.NoError(t, x.renew("1", "2", "k2"))
	err := x.renew("1", "3", "other")
	var clone *identity.CloneError
	require.ErrorAs(t, err, &clone, "even before the new certificate was used")
	assert.False(t, x.CertificateRevoked("2"))
}

func TestTheUseOfACertificateIsKept(t *testing.T) {
	t.Parallel()
	path := database(t)
	c := &clock{}
	r := open(t, path, c.now)
	a := create(t, r, operator())
	require.NoError(t, r.AddFirst(t.Context(), identity.Certificate{Serial: "1", Agent: a.ID, NotAfter: start.Add(time.Hour), Key: "k1"}))
	r.Connected("1")()
	require.NoError(t, r.WriteUses(t.Context()))
	require.NoError(t, r.Close())
	r = open(t, path, c.now)
	err := r.AddFirst(t.Context(), identity.Certificate{Serial: "2", Agent: a.ID, NotAfter: start.Add(time.Hour), Key: "k1"})
	require.ErrorContains(t, err, "a certificate already")
}

func TestAPersonsCertificateIsNoClone(t *testing.T) {
	t.Parallel()
	x := newRenewed(t)
	require.NoError(t, x.AddCertificate(t.Context(), identity.Certificate{Serial: "2", Agent: x.id, NotAfter: start.Add(time.Hour)}))
	require.NoError(t, x.renew("1", "3", "k3"))
}

func TestAddRenewedRefuses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		before func(*renewed)
		shown  string
		key    string
		want   string
	}{
		"an unknown one":      {shown: "77", key: "k2", want: "unknown"},
		"the same key":        {shown: "1", key: "k1", want: "fresh key"},
		"long after its end":  {before: func(x *renewed) { x.advance(26 * time.Hour) }, shown: "1", key: "k2", want: "too long ago"},
		"a suspended agent's": {before: func(x *renewed) { _, _ = x.Suspend(x.t.Context(), x.id, "") }, shown: "1", key: "k2", want: "is suspended"},
		"a revoked agent's":   {before: func(x *renewed) { _, _ = x.Revoke(x.t.Context(), x.id, "") }, shown: "1", key: "k2", want: "revoked"},
		"an expired agent's":  {before: func(x *renewed) { x.advance(10001 * time.Hour) }, shown: "1", key: "k2", want: "is expired"},
		"a revoked certificate": {before: func(x *renewed) {
			_, _ = x.RevokeCertificates(x.t.Context(), x.id, "", func(identity.Certificate) bool { return true })
		}, shown: "1", key: "k2", want: "revoked or unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := newRenewed(t)
			if test.before != nil {
				test.before(x)
			}
			require.ErrorContains(t, x.renew(test.shown, "2", test.key), test.want)
		})
	}
	x := newRenewed(t)
	x.advance(24 * time.Hour)
	require.NoError(t, x.renew("1", "2", "k2"), "within the grace")
}

// An agent that renews itself for ever costs no more memory than one that does not.
func TestTheViewForgetsOldCertificates(t *testing.T) {
	t.Parallel()
	x := newRenewed(t)
	closed := x.Connected("1")
	for n := 1; n <= 60; n++ {
		x.advance(30 * time.Minute)
		require.NoError(t, x.renew(fmt.Sprintf("%x", n), fmt.Sprintf("%x", n+1), fmt.Sprint("k", n+1)))
	}
	assert.LessOrEqual(t, len(x.Certificates(x.id)), 8)
	assert.Equal(t, string(identity.Active), x.CertificateState("1", x.now()), "a connection is open with it")
	closed()
	x.advance(30 * time.Minute)
	require.NoError(t, x.renew("3d", "3e", "k62"))
	assert.True(t, x.CertificateRevoked("1"))
	assert.Equal(t, 62, x.Certificates(x.id)[len(x.Certificates(x.id))-1].Generation, "the count goes on")
}
