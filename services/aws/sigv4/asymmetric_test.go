package sigv4_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/services/aws/sigv4"
)

// TestKeyPairIsTheOneOfTheReference: keys and point are those of AWS's own tests of the
// derivation.
func TestKeyPairIsTheOneOfTheReference(t *testing.T) {
	t.Parallel()
	x, y, err := sigv4.NewKeys("AKISORANDOMAASORANDOM", "q+jcrXGc+0zWN6uzclKVhvMmUsIfRPa4rlRandom", "").PublicKey()
	require.NoError(t, err)
	assert.Equal(t, "15d242ceebf8d8169fd6a8b5a746c41140414c3b07579038da06af89190fffcb", x)
	assert.Equal(t, "0515242cedd82e94799482e4c0514b505afccf2c0c98d6a553bf539f424c5ec0", y)
}

const mrapHost = "https://mfzwi23gnjvgw.mrap.accesspoint.s3-global.amazonaws.com"

// asymmetric signs as a client does, with nothing that verifies.
func asymmetric(r *http.Request, regions string) {
	r.Header.Set("X-Amz-Date", stamp)
	r.Header.Set("X-Amz-Region-Set", regions)
	r.Header.Set("Authorization", "AWS4-ECDSA-P256-SHA256 Credential=PLACEHOLDER/"+stamp[:8]+"/s3/aws4_request, SignedHeaders=host;x-amz-date;x-amz-region-set, Signature="+strings.Repeat("3045", 35))
}

func TestMultiRegionAccessPointsAreSignedForAllRegions(t *testing.T) {
	t.Parallel()
	r := request(t, http.MethodPut, mrapHost+"/a%20key", strings.NewReader("body"), "X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD", "X-Amz-Security-Token", "PLACEHOLDER")
	asymmetric(r, "*")
	require.NoError(t, resign(awsSigner(t), r))
	authorization := r.Header.Get("Authorization")
	before, signature, _ := strings.Cut(authorization, ", Signature=")
	assert.Equal(t, "AWS4-ECDSA-P256-SHA256 Credential=ASIAREAL/"+stamp[:8]+"/s3/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-region-set;x-amz-security-token", before)

	canonical := strings.Join([]string{
		"PUT", "/a%20key", "", "host:" + r.Host, "x-amz-content-sha256:UNSIGNED-PAYLOAD", "x-amz-date:" + stamp, "x-amz-region-set:*",
		"x-amz-security-token:real-token", "", "host;x-amz-content-sha256;x-amz-date;x-amz-region-set;x-amz-security-token", "UNSIGNED-PAYLOAD",
	}, "\n")
	text := "AWS4-ECDSA-P256-SHA256\n" + stamp + "\n" + stamp[:8] + "/s3/aws4_request\n" + hashOf([]byte(canonical))
	x, y, err := session().PublicKey()
	require.NoError(t, err)
	point, err := hex.DecodeString("04" + x + y)
	require.NoError(t, err)
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	require.NoError(t, err)
	der, err := hex.DecodeString(signature)
	require.NoError(t, err)
	sum := sha256.Sum256([]byte(text))
	assert.True(t, ecdsa.VerifyASN1(key, sum[:], der))
	got, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	assert.Equal(t, "body", string(got))
}

func TestASignatureForSeveralRegionsGoesWhereItIsTaken(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		url, regions, hash string
		want               sigv4.Reason
	}{
		{mrapHost, "*", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", ""},
		{s3Host, "eu-west-1", "UNSIGNED-PAYLOAD", ""},
		{s3Host, "*", "UNSIGNED-PAYLOAD", sigv4.HostMismatch},
		{s3Host, "eu-west-1,us-east-1", "UNSIGNED-PAYLOAD", sigv4.HostMismatch},
		{mrapHost, "eu-west-1", "UNSIGNED-PAYLOAD", sigv4.SigV4A},
		{mrapHost, "", "UNSIGNED-PAYLOAD", sigv4.Malformed},
		{mrapHost, "a b", "UNSIGNED-PAYLOAD", sigv4.Malformed},
		{mrapHost, "*", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", sigv4.Malformed},
		{mrapHost, "*", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", sigv4.SigV4A},
	} {
		r := request(t, http.MethodPut, test.url, http.NoBody, "X-Amz-Content-Sha256", test.hash)
		asymmetric(r, test.regions)
		err := resign(awsSigner(t), r)
		if test.want == "" {
			require.NoError(t, err, test)
			assert.NotContains(t, r.Header.Get("Authorization"), "PLACEHOLDER")
			continue
		}
		requireRefusal(t, test.want, err)
	}
	r := request(t, http.MethodGet, mrapHost+"/k?X-Amz-Algorithm=AWS4-ECDSA-P256-SHA256&X-Amz-Credential=P%2F"+stamp[:8]+"%2Fs3%2Faws4_request&X-Amz-Date="+stamp+
		"&X-Amz-Expires=60&X-Amz-Region-Set=%2A&X-Amz-SignedHeaders=host&X-Amz-Signature="+strings.Repeat("3045", 35), http.NoBody)
	require.NoError(t, resign(awsSigner(t), r))
	assert.Equal(t, "*", r.Header.Get("X-Amz-Region-Set"))
	assert.Empty(t, r.URL.RawQuery)
}
