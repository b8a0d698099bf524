package credentials_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"sallyport/credentials"
)

func benchSet(b *testing.B, entry string) *credentials.Set {
	b.Helper()
	o := credentials.Options{Home: b.TempDir(), Getenv: environment("A", "sk-ant-api03-"+strings.Repeat("Ab1_", 24)), FingerprintKey: []byte("key"), Kinds: kinds()}
	set, err := credentials.Parse("credentials.yaml", []byte("credentials: {a: {secret: {env: A}, "+entry+"}}"), o)
	require.NoError(b, err)
	return set
}

func BenchmarkRetrieveAndApply(b *testing.B) {
	c := benchSet(b, "kind: header, header: x-api-key, hosts: [api.example.com]").Lookup("a")
	r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, "https://api.example.com/v1/messages", http.NoBody)
	require.NoError(b, err)
	for _, name := range []string{"Accept", "Content-Type", "User-Agent", "Accept-Encoding", "X-Stainless-Lang", "X-Stainless-Os", "Anthropic-Version"} {
		r.Header.Set(name, "value")
	}
	b.ReportAllocs()
	for b.Loop() {
		i, err := c.Retrieve(b.Context(), credentials.Use{})
		if err != nil || i.Apply(r) != nil {
			b.Fatal(err)
		}
	}
}
