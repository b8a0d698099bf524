package api_test

import (
	"bufio"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	aws "sallyport/services/aws/api"
)

// built is one of the requests that botocore built (gen/requests.py).
type built struct {
	want    string
	host    string
	request aws.Request
}

func builtRequests(t testing.TB) []built {
	t.Helper()
	f, err := os.Open("testdata/requests.txt")
	require.NoError(t, err)
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	var all []built
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		f := strings.Split(lines.Text(), "\t")
		b := built{want: f[0], host: f[2], request: aws.Request{
			Method: f[1], Host: hostName(f[2]), Region: f[3], Service: f[4], Path: f[5], Query: f[6], Header: http.Header{},
		}}
		b.request.Body = func() ([]byte, bool, error) { return nil, false, nil }
		for _, field := range f[7:] {
			name, value, _ := strings.Cut(field, "=")
			if name == "body" {
				b.request.Body = func() ([]byte, bool, error) { return []byte(value), false, nil }
				continue
			}
			b.request.Header.Add(name, value)
		}
		if b.request.Service == "-" {
			b.request.Service = aws.SigningName(b.want)
		}
		all = append(all, b)
	}
	require.NoError(t, lines.Err())
	return all
}

var regionLabel = regexp.MustCompile(`^[a-z]{2}-[a-z]+-[0-9]$`)

// hostName is what a host says of its service, as the proxy's tables give it.
func hostName(host string) string {
	for _, domain := range []string{".amazonaws.com", ".api.aws", ".on.aws"} {
		host = strings.TrimSuffix(host, domain)
	}
	labels := slices.DeleteFunc(strings.Split(host, "."), func(l string) bool { return regionLabel.MatchString(l) || l == "global" })
	return strings.Join(labels, ".")
}

// Requests that the models describe and none was built of would go unseen by the test that
// sends each through host, signature and name (package aws).
func TestEveryOperationOfBotocoreIsAskedFor(t *testing.T) {
	t.Parallel()
	require.Len(t, builtRequests(t), aws.Count())
}
