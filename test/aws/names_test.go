package aws_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// boundedPolicy allows what is below agents/ in one bucket.
const boundedPolicy = `policy: bounded
description: may work below agents/
rules:
  - name: agents
    allow: {aws: {service: s3, operations: [GetObject, CopyObject, DeleteObjects, ListObjectsV2], resources: ["arn:aws:s3:::names-bucket/agents/*"]}}
    credential: versity
`

// pathsPolicy says the same by paths, as far as paths can.
const pathsPolicy = `policy: paths
description: may work in one bucket, by its paths
rules:
  - {name: list, allow: {host: s3.versity.test, methods: [GET, POST], path: /paths-bucket}, credential: versity}
  - {name: agents, allow: {host: s3.versity.test, path: "/paths-bucket/agents/**"}, credential: versity}
`

// TestNamesThatStoresReadOtherwise: versitygw keeps objects as files, so that a dot
// segment in a name climbs there. None gets through, and what they mean is still there.
func TestNamesThatStoresReadOtherwise(t *testing.T) {
	for _, bucket := range []string{"names-bucket", "paths-bucket"} {
		t.Run(bucket, func(t *testing.T) {
			t.Parallel()
			s := need(t, "versity")
			python, other := find(t, "python3"), "other-"+bucket
			arguments := []string{region, "https://" + versityHost, bucket, other}
			t.Run("prepare", func(t *testing.T) {
				newClient(t, "builder").run(python, append([]string{script(t, "names.py"), "prepare"}, arguments...)...)
			})
			c := newClient(t, strings.TrimSuffix(strings.Replace(bucket, "names", "bounded", 1), "-bucket"))
			out := c.run(python, append([]string{script(t, "names.py"), "try"}, arguments...)...)
			for line := range strings.Lines(strings.TrimSpace(out)) {
				// The path of a list of keys is the bucket's, which no rule about agents/ matches.
				plain := strings.Contains(line, "plain") && (bucket == "names-bucket" || !strings.Contains(line, "delete"))
				assert.Equal(t, plain, strings.HasPrefix(line, "passed"), line)
			}
			assert.Equal(t, 10, strings.Count(out, "\n"), out)
			for _, kept := range []string{bucket + "/prod/k", other + "/k"} {
				data, err := os.ReadFile(filepath.Join(s.data, kept))
				require.NoError(t, err)
				assert.Equal(t, "kept", string(data))
			}
		})
	}
}
