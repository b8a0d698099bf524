// Package publish_test has the real server publish its checkpoints to S3 servers
// that verify signatures and keep what is locked.
package publish_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	signer "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/test/rig"
)

const (
	keyID  = "AKIATRAIL"
	secret = "s3cret-of-the-bucket-0123456789"
	region = "us-east-1"
	name   = "store.test"
)

// store is an S3 server, reached without TLS and around Sallyport.
type store struct {
	address string
	log     *rig.Log
}

// programs start the servers that test/e2e/install-servers.sh builds.
var programs = map[string]func(dir, address string) (args, env []string){
	"versitygw": func(dir, address string) ([]string, []string) {
		data, versions := filepath.Join(dir, "data"), filepath.Join(dir, "versions")
		_ = os.Mkdir(data, 0o700)
		_ = os.Mkdir(versions, 0o700)
		return []string{"--access", keyID, "--secret", secret, "--region", region, "--port", address, "posix", "--versioning-dir", versions, data}, nil
	},
	"minio": func(dir, address string) ([]string, []string) {
		return []string{"server", "--address", address, filepath.Join(dir, "data")}, []string{"MINIO_ROOT_USER=" + keyID, "MINIO_ROOT_PASSWORD=" + secret}
	},
}

func startStore(t *testing.T, program string) *store {
	t.Helper()
	binary, err := filepath.Abs("../../.cache/servers/" + program)
	require.NoError(t, err)
	if _, err := os.Stat(binary); err != nil {
		if os.Getenv("REQUIRE_CLIENTS") == "1" {
			t.Fatalf("%s is not installed; run test/e2e/install-servers.sh", program)
		}
		t.Skipf("%s is not installed; run test/e2e/install-servers.sh", program)
	}
	s := &store{log: &rig.Log{}}
	s.address, err = rig.FreeAddress()
	require.NoError(t, err)
	dir := t.TempDir()
	args, env := programs[program](dir, s.address)
	cmd := exec.CommandContext(t.Context(), binary, args...)
	cmd.Stdout, cmd.Stderr, cmd.Dir, cmd.WaitDelay = s.log, s.log, dir, 5*time.Second
	cmd.Env = append(os.Environ(), env...)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	require.Eventually(t, func() bool {
		status, _ := s.ask(t, http.MethodGet, "/", nil)
		return status == http.StatusOK
	}, 30*time.Second, 50*time.Millisecond, "%s", s.log)
	return s
}

// ask sends a request signed by the SDK.
func (s *store) ask(t *testing.T, method, path string, body []byte, header ...string) (int, string) {
	t.Helper()
	status, _, text := s.answer(t, method, path, body, header...)
	return status, text
}

func (s *store) answer(t *testing.T, method, path string, body []byte, header ...string) (int, http.Header, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.address+path, bytes.NewReader(body))
	require.NoError(t, err)
	sum := sha256.Sum256(body)
	r.Header.Set("X-Amz-Content-Sha256", hex.EncodeToString(sum[:]))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	keys := aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret}
	require.NoError(t, signer.NewSigner().SignHTTP(context.Background(), keys, r, hex.EncodeToString(sum[:]), "s3", region, time.Now()))
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, nil, err.Error()
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, resp.Header, string(text)
}

// keys are the objects below a prefix, in order.
func (s *store) keys(t *testing.T) []string {
	t.Helper()
	status, text := s.ask(t, http.MethodGet, "/trail?list-type=2&prefix=sallyport%2F", nil)
	require.Equal(t, http.StatusOK, status, text)
	var list struct {
		Contents []struct{ Key string }
	}
	require.NoError(t, xml.Unmarshal([]byte(text), &list))
	var keys []string
	for _, c := range list.Contents {
		keys = append(keys, c.Key)
	}
	return keys
}

// version is the version of the object with this key.
func (s *store) version(t *testing.T, key string) string {
	t.Helper()
	status, header, text := s.answer(t, http.MethodGet, "/trail/"+key, nil)
	require.Equal(t, http.StatusOK, status, text)
	return header.Get("X-Amz-Version-Id")
}

// TestObjectLock publishes to a bucket with object lock, and then tries to undo it.
func TestObjectLock(t *testing.T) {
	t.Parallel()
	for program := range programs {
		t.Run(program, func(t *testing.T) {
			t.Parallel()
			s := startStore(t, program)
			status, text := s.ask(t, http.MethodPut, "/trail", nil, "X-Amz-Bucket-Object-Lock-Enabled", "true")
			require.Equal(t, http.StatusOK, status, text)
			home, settings := newHome(t, s, secret)
			srv, err := home.Serve(t.Context(), settings)
			require.NoError(t, err)
			t.Cleanup(srv.Kill)
			require.Eventually(t, func() bool {
				_, err := home.Run(t.Context(), "audit", "checkpoint")
				return err == nil
			}, 30*time.Second, 100*time.Millisecond)
			require.NoError(t, srv.Stop()) // which publishes once more
			keys := s.keys(t)
			require.NotEmpty(t, keys, "%s\n%s", srv.Log(), s.log)

			newest := keys[len(keys)-1]
			status, note := s.ask(t, http.MethodGet, "/trail/"+newest, nil)
			require.Equal(t, http.StatusOK, status, note)
			status, text = s.ask(t, http.MethodGet, "/trail/"+newest+"?retention", nil)
			require.Equal(t, http.StatusOK, status, text)
			var retention struct {
				Mode            string
				RetainUntilDate time.Time
			}
			require.NoError(t, xml.Unmarshal([]byte(text), &retention))
			assert.Equal(t, "COMPLIANCE", retention.Mode)
			assert.WithinDuration(t, time.Now().Add(48*time.Hour), retention.RetainUntilDate, time.Hour)

			kept := filepath.Join(t.TempDir(), "kept")
			require.NoError(t, os.WriteFile(kept, []byte(note), 0o600))
			out, err := home.Run(t.Context(), "audit", "verify", "--checkpoint", kept)
			require.NoError(t, err, out)
			assert.Contains(t, out, "held elsewhere: up to event")

			status, text = s.ask(t, http.MethodDelete, "/trail/"+newest+"?versionId="+url.QueryEscape(s.version(t, newest)), nil)
			assert.GreaterOrEqual(t, status, 400, "what is locked can be deleted: %s", text)
			status, _ = s.ask(t, http.MethodPut, "/trail/"+newest, []byte("another"), "If-None-Match", "*")
			assert.Equal(t, http.StatusPreconditionFailed, status)
			status, text = s.ask(t, http.MethodGet, "/trail/"+newest, nil)
			assert.Equal(t, http.StatusOK, status)
			assert.Equal(t, note, text)
		})
	}
}

// TestWrongKeys: a bucket that refuses the keys is a warning that says so, and
// does not say them.
func TestWrongKeys(t *testing.T) {
	t.Parallel()
	s := startStore(t, "versitygw")
	status, text := s.ask(t, http.MethodPut, "/trail", nil, "X-Amz-Bucket-Object-Lock-Enabled", "true")
	require.Equal(t, http.StatusOK, status, text)
	const wrong = "another-secret-9876543210"
	home, settings := newHome(t, s, wrong)
	srv, err := home.Serve(t.Context(), settings)
	require.NoError(t, err)
	t.Cleanup(srv.Kill)
	require.Eventually(t, func() bool {
		resp, err := http.Get("http://" + settings.Health + "/readyz")
		require.NoError(t, err)
		defer resp.Body.Close()
		page, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return bytes.Contains(page, []byte("SignatureDoesNotMatch")) && resp.StatusCode == http.StatusOK
	}, 30*time.Second, 100*time.Millisecond)
	require.NoError(t, srv.Stop())
	assert.Contains(t, srv.Log(), "checkpoints cannot be published")
	assert.Empty(t, rig.Find([]byte(srv.Log()), wrong))
	assert.Empty(t, s.keys(t))
}

// newHome is a HOME whose trail is published to the store, behind TLS.
func newHome(t *testing.T, s *store, secret string) (*rig.Home, rig.Settings) {
	t.Helper()
	dir := t.TempDir()
	front := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = "http", s.address, r.In.Host
	}}
	up, err := rig.NewUpstream(dir, []string{name}, front)
	require.NoError(t, err)
	t.Cleanup(func() { _ = up.Close() })
	binary, err := rig.Build(t.Context(), dir)
	require.NoError(t, err)
	home := &rig.Home{Dir: filepath.Join(dir, "home"), Binary: binary}
	settings := rig.Settings{Roots: []string{up.Roots}, Resolve: map[string]string{name + ":443": up.Address}}
	settings.Listen, err = rig.FreeAddress()
	require.NoError(t, err)
	settings.Health, err = rig.FreeAddress()
	require.NoError(t, err)
	settings.Extra = `audit:
  publish:
    - s3: {bucket: trail, region: ` + region + `, endpoint: "https://` + name + `", prefix: sallyport/, credential: bucket, lock: compliance, retain: 48h}
`
	require.NoError(t, home.Init(t.Context(), settings))
	require.NoError(t, home.Write("secret", secret+"\n"))
	require.NoError(t, home.Write("credentials.yaml", `credentials:
  bucket: {kind: aws_keys, access_key_id: `+keyID+`, secret: {file: secret}, region: `+region+`, hosts: [`+name+`]}
`))
	return home, settings
}
