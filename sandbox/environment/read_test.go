package environment_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/sandbox/environment"
)

func TestReadTakesBackWhatWriteWrote(t *testing.T) {
	t.Parallel()
	proxy, err := url.Parse("http://agent:PW@127.0.0.1:3128")
	require.NoError(t, err)
	want, err := environment.New(environment.Config{
		Proxy: proxy, Bundle: "/an id/it's b.crt", CA: "/an id/ca.crt", Truststore: "/an id/t.p12",
		TruststorePassword: "changeit", Agent: "0190b7a0-0000-7000-8000-000000000001", Region: "eu-west-1", Also: []string{"MISTRAL_API_KEY"},
	})
	require.NoError(t, err)
	var b strings.Builder
	require.NoError(t, environment.Write(&b, environment.Dotenv, want))
	got, err := environment.Read(b.String())
	require.NoError(t, err)
	assert.Equal(t, want, got)
}

func TestReadTakesNothingElse(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "HTTPS_PROXY=http://x", "HTTPS_PROXY\n", "LD_PRELOAD=/tmp/evil.so\n", "HTTPS_PROXY=a b\n", "OTHER_KEY=not-a-placeholder\n", "A-B=sallyport-placeholder\n",
		"HTTPS_PROXY='a'b'\n", "HTTPS_PROXY='plain'\n", "HTTPS_PROXY=$(SECRET)\n", "HTTPS_PROXY=http://x\n\n",
	} {
		_, err := environment.Read(text)
		require.Error(t, err, "%q", text)
		assert.NotContains(t, err.Error(), "SECRET")
	}
}
