package identity_test

import (
	"os"
	"path/filepath"
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

// FuzzParseOwners: a file is accepted or explained, and nobody is an owner who
// is not in it.
func FuzzParseOwners(f *testing.F) {
	f.Add([]byte(owners))
	files, err := filepath.Glob("testdata/owners/*.yaml")
	require.NoError(f, err)
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		o, err := identity.ParseOwners("f", data)
		if err != nil {
			var all identity.Errors
			require.ErrorAs(t, err, &all)
			require.NotEmpty(t, all)
			for _, e := range all {
				require.Equal(t, "f", e.File)
				require.NotEmpty(t, e.Msg)
			}
			require.Nil(t, o)
			return
		}
		require.NotEmpty(t, o.Refs(), "someone must be answerable")
		for _, ref := range o.Refs() {
			require.True(t, o.Has(ref))
			require.Contains(t, []string{"", ref}, o.Accountable(ref))
		}
		require.False(t, o.Has(""))
	})
}
