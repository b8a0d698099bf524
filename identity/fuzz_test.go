package identity_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sallyport/identity"
)

// FuzzParseAgentURI: an identity has one form, so what is accepted is written
// again byte for byte.
func FuzzParseAgentURI(f *testing.F) {
	f.Add(identity.AgentURI(domain, agentID), domain)
	f.Add(identity.ServerURI(domain), domain)
	for _, bad := range badURIs() {
		f.Add(bad[0], domain)
	}
	f.Fuzz(func(t *testing.T, uri, domain string) {
		id, err := identity.ParseAgentURI(uri, domain)
		if err != nil {
			require.Equal(t, uuid.Nil, id)
			return
		}
		require.Equal(t, uri, identity.AgentURI(domain, id))
		require.NoError(t, identity.ValidateTrustDomain(domain))
		require.NotEqual(t, uuid.Nil, id)
	})
}
