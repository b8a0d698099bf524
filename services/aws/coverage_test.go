package aws_test

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/policy"
	"sallyport/services"
	"sallyport/services/aws/api"
)

// whole is a body that is read as it is.
type whole []byte

func (whole) Denied(policy.Meaning, ...policy.Outline) bool { return false }
func (b whole) Stream(_ int64, read func(io.Reader) int64)  { read(bytes.NewReader(b)) }
func (b whole) Peek(most, _ int64) (body []byte, more bool, err error) {
	if int64(len(b)) > most {
		return nil, true, nil
	}
	return b, false, nil
}
func (whole) Room(int64) bool        { return true }
func (whole) Replace([]byte, string) {}

// sameRequest are operations that are another's request under another name.
func sameRequest(operation string) string {
	switch operation {
	case "s3/GetBucketLifecycle", "s3/PutBucketLifecycle":
		return operation + "Configuration"
	case "s3/GetBucketNotification", "s3/PutBucketNotification":
		return operation + "Configuration"
	case "signer/GetRevocationStatus":
		return "data-signer/GetRevocationStatus"
	}
	return operation
}

// TestEveryOperationOfBotocoreIsNamed: each request that botocore builds (api/gen/requests.py) is
// named as the proxy names it: by the host that it goes to, by the service and region that it
// is signed for, and by what it says.
func TestEveryOperationOfBotocoreIsNamed(t *testing.T) {
	t.Parallel()
	f, err := os.Open("api/testdata/requests.txt")
	require.NoError(t, err)
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	all, exact := 0, 0
	where := sites(t)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "#") || strings.Contains(lines.Text(), ".signin.aws") { // in domains of its own
			continue
		}
		all++
		fields := strings.Split(lines.Text(), "\t")
		line, body := builtLine(t, fields)
		v := where.Find(line)
		require.NotNil(t, v, lines.Text())
		m := v.Read(body)
		name := v.(services.Describer).Describe().Operation
		if assert.Equal(t, sameRequest(fields[0]), name, "%s: %s", lines.Text(), m.Unclassified) {
			exact++
		}
	}
	require.NoError(t, lines.Err())
	require.Greater(t, all, 18900)
	t.Logf("%d of %d requests that botocore built have their exact name (%.2f%%)", exact, all, 100*float64(exact)/float64(all))
}

// builtLine makes a request of its line: operation, method, host, region, service, path, query, and
// then the fields of its header, and the form if there is one.
func builtLine(t *testing.T, f []string) (*services.Line, whole) {
	t.Helper()
	url := "https://" + f[2] + f[5]
	if f[6] != "" {
		url += "?" + f[6]
	}
	q, err := policy.ParseRequest(f[1], url)
	require.NoError(t, err, url)
	var body whole
	r, err := http.NewRequestWithContext(t.Context(), f[1], url, http.NoBody)
	require.NoError(t, err, url)
	for _, field := range f[7:] {
		name, value, _ := strings.Cut(field, "=")
		if name == "body" {
			body = whole(value)
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
			continue
		}
		r.Header.Add(name, value)
	}
	region, service := f[3], f[4]
	if service == "-" { // it is not signed, or by SigV4A
		region, service = "us-east-1", api.SigningName(f[0])
	}
	r.Header.Set("X-Amz-Date", "20260102T030405Z")
	r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=SALLYPORT/20260102/"+region+"/"+service+"/aws4_request, SignedHeaders=host;x-amz-date, Signature="+strings.Repeat("0", 64))
	return &services.Line{Query: q, Request: r, Agent: "a"}, body
}
