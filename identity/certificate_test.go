package identity_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/identity"
)

func TestCertificateState(t *testing.T) {
	t.Parallel()
	c := new(clock)
	path := database(t)
	r := open(t, path, c.now)
	a, other := create(t, r, operator()), create(t, r, operator())
	add := func(agent uuid.UUID, serial string, lifetime time.Duration) {
		t.Helper()
		require.NoError(t, r.AddCertificate(t.Context(), identity.Certificate{Serial: serial, Agent: agent, NotAfter: start.Add(lifetime)}))
	}
	add(a.ID, "a1", time.Hour)
	add(other.ID, "b1", 9*time.Hour)
	revoke := func(serial string) {
		t.Helper()
		revoked, err := r.RevokeCertificates(t.Context(), a.ID, "leaked", func(c identity.Certificate) bool { return c.Serial == serial })
		require.NoError(t, err)
		require.Len(t, revoked, 1)
		assert.True(t, revoked[0].Revoked)
	}
	state := func(serial string, after time.Duration) string {
		t.Helper()
		have := r.CertificateState(serial, start.Add(after))
		assert.Equal(t, have, open(t, path, c.now).CertificateState(serial, start.Add(after)), "the database says the same")
		return have
	}
	assert.Equal(t, "active", state("a1", time.Hour-time.Microsecond))
	assert.Equal(t, "expired", state("a1", time.Hour))
	assert.Equal(t, "revoked", state("unknown", 0))

	add(a.ID, "a2", 3*time.Hour)
	add(a.ID, "a3", 2*time.Hour) // a renewal may be shorter than the one before
	assert.Equal(t, "active", state("a1", 2*time.Hour), "a renewal keeps open what was opened before it")
	assert.Equal(t, "expired", state("a1", 3*time.Hour))
	assert.Equal(t, "expired", state("a3", 2*time.Hour), "nothing came after the last one")

	revoke("a2")
	assert.Equal(t, "revoked", state("a2", 0))
	assert.Equal(t, "expired", state("a1", 2*time.Hour), "what is revoked keeps nothing open")
	assert.Equal(t, "active", state("a1", 2*time.Hour-time.Microsecond))
	revoke("a3")
	assert.Equal(t, "expired", state("a1", time.Hour))
	assert.Equal(t, "active", state("b1", 8*time.Hour), "another agent's is its own")

	agent, _ := r.Lookup(a.ID)
	assert.Equal(t, identity.Active, agent.Status, "the agent stays what it is")
	found, ok := r.Certificate("a3")
	require.True(t, ok)
	assert.Equal(t, 3, found.Generation)
	assert.True(t, found.Revoked)
	_, ok = r.Certificate("unknown")
	assert.False(t, ok)
}

func TestRevokeCertificatesRefuses(t *testing.T) {
	t.Parallel()
	r := open(t, database(t), new(clock).now)
	a := create(t, r, operator())
	certify(t, r, a.ID, "abc")
	all := func(identity.Certificate) bool { return true }
	_, err := r.RevokeCertificates(t.Context(), a.ID, "two\nlines", all)
	require.ErrorContains(t, err, "control character")
	assert.False(t, r.CertificateRevoked("abc"))
	_, err = r.RevokeCertificates(t.Context(), uuid.New(), "", all)
	require.ErrorIs(t, err, identity.ErrUnknownAgent)
	revoked, err := r.RevokeCertificates(t.Context(), a.ID, "", all)
	require.NoError(t, err)
	require.Len(t, revoked, 1)
	revoked, err = r.RevokeCertificates(t.Context(), a.ID, "", all)
	require.NoError(t, err)
	assert.Empty(t, revoked, "it was revoked before")
}
