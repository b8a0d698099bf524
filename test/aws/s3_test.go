package aws_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// keys are names of objects that re-signers break on.
var keys = []string{
	"plain.txt", "with space", "plus+plus", "tilde~", "\u00fcn\u00efc\u00f6d\u00e9/\u65e5\u672c", "semi;colon", "a..b/..c/d..",
	"100%25 %", "quotes'()!*&=$@:,?#[]", "a//b",
}

// store is the S3 of a server, as clients address it. Where it is AWS's own name, the
// bucket is in the host; elsewhere in the path.
type store struct {
	server, endpoint string
	without          string // characters of keys that are left out
}

// stores: file systems have no "//", and moto takes no signature of a path with
// percent-encodings beside that of a space, not even from a client that speaks to it
// directly.
var stores = []store{
	{"versity", "https://" + versityHost, "//"},
	{"minio", "https://" + minioHost, "//"},
	{"moto", "", "+;%()\u00fc"},
}

// keys are those that the store takes, in JSON.
func (s *store) keys(t *testing.T) string {
	t.Helper()
	var fit []string
	for _, key := range keys {
		if s.without == "//" && !strings.Contains(key, "//") || s.without != "//" && !strings.ContainsAny(key, s.without) {
			fit = append(fit, key)
		}
	}
	text, err := json.Marshal(fit)
	require.NoError(t, err)
	return string(text)
}

// arguments are those that every program here takes.
func (s *store) arguments(t *testing.T, bucket string) []string {
	t.Helper()
	arguments := []string{bucket, region, s.keys(t)}
	if s.endpoint != "" {
		arguments = append(arguments, s.endpoint)
	}
	return arguments
}

func script(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("testdata", name))
	require.NoError(t, err)
	return path
}

func TestBoto3WithS3(t *testing.T) {
	for _, store := range stores {
		t.Run(store.server, func(t *testing.T) {
			t.Parallel()
			s := need(t, store.server)
			c := newClient(t, "builder")
			out := c.run(find(t, "python3"), append([]string{script(t, "s3.py")}, store.arguments(t, "py-bucket")...)...)
			assert.Contains(t, out, "deleted")
			if s.data != "" { // the object as the server has it, without Sallyport
				stored, err := os.ReadFile(filepath.Join(s.data, "py-bucket", "presigned"))
				require.NoError(t, err)
				assert.Equal(t, "by a link", string(stored))
			}
			c.injected(store.server)
		})
	}
}

func TestBoto3WithServices(t *testing.T) {
	need(t, "moto")
	t.Parallel()
	c := newClient(t, "builder")
	out := c.run(find(t, "python3"), script(t, "services.py"), region)
	assert.Contains(t, out, "did logs")
}

// goClient builds the program that uses the Go SDK.
func goClient(t *testing.T) string {
	t.Helper()
	program := filepath.Join(shared.dir, "goclient")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".")
	build.Dir = "goclient"
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))
	return program
}

func TestGoSDKWithS3(t *testing.T) {
	program := goClient(t)
	for _, store := range stores {
		t.Run(store.server, func(t *testing.T) {
			t.Parallel()
			need(t, store.server)
			c := newClient(t, "builder")
			out := c.run(program, store.arguments(t, "go-bucket")...)
			assert.Contains(t, out, "same chunks")
			c.injected(store.server)
		})
	}
}

// javaScript puts a script where its modules are looked for, and says how to run it.
func javaScript(t *testing.T, c *client, name string) (node, program string) {
	t.Helper()
	modules, err := filepath.Abs(filepath.Join("..", "..", ".cache", "clients", "node_modules"))
	require.NoError(t, err)
	if _, err := os.Stat(filepath.Join(modules, "@aws-sdk", "lib-storage")); err != nil {
		notInstalled(t, err)
	}
	program = filepath.Join(c.dir, name)
	text, err := os.ReadFile(script(t, name))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(program, text, 0o600))
	require.NoError(t, os.Symlink(modules, filepath.Join(c.dir, "node_modules")))
	return filepath.Join(modules, "node", "bin", "node"), program
}

func TestJavaScriptSDKWithS3(t *testing.T) {
	for _, store := range stores {
		t.Run(store.server, func(t *testing.T) {
			t.Parallel()
			need(t, store.server)
			c := newClient(t, "builder")
			node, program := javaScript(t, c, "s3.cjs")
			out := c.run(node, append([]string{program}, store.arguments(t, "js-bucket")...)...)
			assert.Contains(t, out, "deleted")
			c.injected(store.server)
		})
	}
}

func TestCommandLineWithS3(t *testing.T) {
	for _, store := range stores {
		t.Run(store.server, func(t *testing.T) {
			t.Parallel()
			need(t, store.server)
			c := newClient(t, "builder")
			command := func(args ...string) string {
				if store.endpoint != "" {
					args = append(args, "--endpoint-url", store.endpoint)
				}
				return c.run(find(t, "aws"), args...)
			}
			body := bytes.Repeat([]byte("sallyport "), 1_000_000) // above the threshold of a multipart upload
			require.NoError(t, os.WriteFile(filepath.Join(c.dir, "body"), body, 0o600))
			command("s3", "mb", "s3://cli-bucket")
			command("s3", "cp", "body", "s3://cli-bucket/with space/~body")
			command("s3", "cp", "s3://cli-bucket/with space/~body", "again")
			again, err := os.ReadFile(filepath.Join(c.dir, "again"))
			require.NoError(t, err)
			assert.True(t, bytes.Equal(body, again))
			assert.Contains(t, command("s3", "ls", "s3://cli-bucket", "--recursive"), "with space/~body")
			command("s3api", "put-object", "--bucket", "cli-bucket", "--key", "k", "--body", "body", "--checksum-algorithm", "SHA256")
			command("s3", "rm", "s3://cli-bucket", "--recursive")
			c.injected(store.server)
		})
	}
}

// TestNobodyIsLetIn: without an injected credential the servers refuse, and see no
// placeholder (which TestMain looks for).
func TestNobodyIsLetIn(t *testing.T) {
	for _, store := range stores {
		t.Run(store.server, func(t *testing.T) {
			t.Parallel()
			need(t, store.server)
			c := newClient(t, "bare")
			out, err := c.try(find(t, "python3"), append([]string{script(t, "s3.py")}, store.arguments(t, "bare-bucket")...)...)
			require.Error(t, err)
			assert.Regexp(t, "AccessDenied|403|500", out, "moto fails where there is no Authorization")
		})
	}
}
