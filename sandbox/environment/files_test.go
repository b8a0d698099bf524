package environment_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"sallyport/sandbox/environment"
)

func TestFilesNameTheBundle(t *testing.T) {
	t.Parallel()
	contents := func(folder string) map[string]string {
		found := map[string]string{}
		for _, f := range environment.Files(folder, "bundle.crt", "ROOTS\n", "CA\n") {
			found[f.Name] = f.Content
		}
		return found
	}
	got := contents("/an id")
	assert.Contains(t, got[environment.WgetFile], "\nca_certificate = /an id/bundle.crt\n")
	assert.Contains(t, got[environment.AptFile], "\nAcquire::https::CAInfo \"/an id/bundle.crt\";\n")
	assert.Contains(t, got[environment.PHPFile], "curl.cainfo = \"${SSL_CERT_FILE}\"")
	assert.Equal(t, "ROOTS\nCA\n", got[environment.NodeFile])

	assert.NotContains(t, contents(`/a"b`), environment.AptFile, "apt has no way to write it")
	assert.Contains(t, contents(`/a"b`), environment.WgetFile)
	assert.NotContains(t, contents("/a\nb"), environment.WgetFile)
}

// Node splits its options at blanks, and takes quotes away.
func TestPreloadingStandsBehindWhatIsThere(t *testing.T) {
	t.Parallel()
	assert.Equal(t, `--require "/a b/node-proxy.cjs"`, environment.Preloading("/a b", ""))
	assert.Equal(t, `--max-old-space-size=100 --require "/a\"b\\c/node-proxy.cjs"`, environment.Preloading(`/a"b\c`, "--max-old-space-size=100"))
}
