package proxy_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// pushList is what git sends to update so many refs, each with a name of so many bytes, up to
// the pack and without it.
func pushList(refs, length int) string {
	const from, to = "1111111111111111111111111111111111111111", "2222222222222222222222222222222222222222"
	var list strings.Builder
	for i := range refs {
		line := fmt.Sprintf("%s %s refs/heads/agent/%s%05d", from, to, strings.Repeat("x", length), i)
		if i == 0 {
			line += "\x00 report-status-v2 side-band-64k"
		}
		fmt.Fprintf(&list, "%04x%s", len(line)+4, line)
	}
	return list.String() + "0000"
}

// gzipped is the beginning of a compressed body, which goes on.
func gzipped(t testing.TB, text string) []byte {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	require.NoError(t, err)
	_, err = io.WriteString(w, text)
	require.NoError(t, err)
	require.NoError(t, w.Flush())
	return b.Bytes()
}

func postTo(t testing.TB, client *http.Client, url string, header map[string]string, body io.Reader) *http.Response {
	request, err := http.NewRequest(http.MethodPost, url, body)
	require.NoError(t, err)
	for name, value := range header {
		request.Header.Set(name, value)
	}
	response, err := client.Do(request)
	require.NoError(t, err)
	return response
}

// stops is a body that begins so and does not go on until the test has ended.
func stops(t testing.TB, beginning string) io.Reader {
	from, to := io.Pipe()
	t.Cleanup(func() { _ = to.Close() })
	go func() { _, _ = io.WriteString(to, beginning) }()
	return from
}

// trickles is a body that goes on without an end, a little at a time.
func trickles(t testing.TB, beginning string) io.Reader {
	from, to := io.Pipe()
	t.Cleanup(func() { _ = to.Close() })
	go func() {
		pace := time.NewTicker(time.Millisecond)
		defer pace.Stop()
		for _, err := io.WriteString(to, beginning); err == nil; _, err = io.WriteString(to, " ") {
			<-pace.C
		}
	}()
	return from
}

// TestWhatThePolicyDeniesWhateverItSaysIsNotRead sends the beginning of bodies, or nothing of
// them, where no rule could allow what they say.
func TestWhatThePolicyDeniesWhateverItSaysIsNotRead(t *testing.T) {
	t.Parallel()
	const pushType = "application/x-git-receive-pack-request"
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("http2=%v", http2), func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.configure("policy: operator\nrules:\n" +
				"  - {name: docs, allow: {github: {repos: [acme/docs], operations: [git/push]}}, credential: hub}\n" +
				"  - {name: no-lfs, deny: {github: {operations: [\"git/lfs-*\"]}}}\n" +
				"  - {name: objects, allow: {aws: {service: s3}}, credential: hub}\n")
			client := r.client(r.agent("a"), http2)
			for _, c := range []struct {
				url, media, signed        string
				rule, operation, resource string
			}{
				{"https://github.com/acme/web/git-receive-pack", pushType, "", "", "github:git/push", "acme/web"},
				{"https://github.com/acme/web/info/lfs/objects/batch", "application/vnd.git-lfs+json", "", "no-lfs", "", ""},
				{"https://api.github.com/graphql", "application/json", "", "", "", ""},
				{"https://iam.amazonaws.com/", "application/x-www-form-urlencoded", "iam", "", "", ""},
			} {
				header := map[string]string{"Content-Type": c.media}
				if c.signed != "" {
					header["Authorization"] = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/us-east-1/" + c.signed +
						"/aws4_request, SignedHeaders=host;x-amz-date, Signature=" + strings.Repeat("0", 64)
					header["X-Amz-Date"] = "20260101T000000Z"
				}
				response := postTo(t, client, c.url, header, stops(t, ""))
				text := body(t, response)
				assert.Equal(t, http.StatusForbidden, response.StatusCode, text)
				row := r.rows()[0]
				assert.Equal(t, "policy", row.Outcome.Refusal, c.url)
				assert.Equal(t, "deny", row.Decision)
				assert.Equal(t, c.rule, row.Rule, c.url)
				assert.Equal(t, c.operation, row.Operation)
				assert.Equal(t, c.resource, row.Resource)
				assert.Equal(t, "unread", row.Details["body"])
			}
			// One that is short and comes at once is told in git's own words, per ref.
			response := postTo(t, client, "https://github.com/acme/web/git-receive-pack", map[string]string{"Content-Type": pushType},
				strings.NewReader(pushList(2, 1)+"PACK and so on"))
			text := body(t, response)
			assert.Equal(t, http.StatusOK, response.StatusCode)
			assert.Equal(t, 2, strings.Count(text, "ng refs/heads/agent/x0000"), text)
			assert.Contains(t, text, "no rule of policy operator")
			assert.Zero(t, r.proxy.BodyMemory())
		})
	}
}

// TestMemoryForBodiesIsShared has an agent that may push hold as many lists as it can.
func TestMemoryForBodiesIsShared(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.upstream(func(w http.ResponseWriter, req *http.Request) { _, _ = io.Copy(io.Discard, req.Body) }, true, "github.com")
	r.configure(hubPolicy)
	a, b := r.agent("a"), r.agent("b")
	client := r.client(a, true)
	list := gzipped(t, pushList(9000, 220))
	require.Less(t, len(list), 100<<10)
	header := map[string]string{"Content-Type": "application/x-git-receive-pack-request", "Content-Encoding": "gzip"}
	const url = "https://github.com/acme/web/git-receive-pack"
	statuses := make(chan int, 16)
	var open sync.WaitGroup
	for range cap(statuses) {
		open.Go(func() {
			request, err := http.NewRequest(http.MethodPost, url, stops(t, string(list)))
			assert.NoError(t, err)
			for name, value := range header {
				request.Header.Set(name, value)
			}
			response, err := client.Do(request)
			if err != nil { // the shutdown ends what is held
				statuses <- 0
				return
			}
			_ = body(t, response)
			statuses <- response.StatusCode
		})
	}
	refused := 0
	for range cap(statuses) - 2 {
		if status := <-statuses; assert.Equal(t, http.StatusTooManyRequests, status) {
			refused++
		}
	}
	assert.Positive(t, r.proxy.BodyMemory())
	assert.LessOrEqual(t, r.proxy.BodyMemory(), int64(16<<20))
	other := postTo(t, r.client(b, true), url, map[string]string{"Content-Type": header["Content-Type"]}, strings.NewReader(pushList(10, 20)+"PACK"))
	assert.Equal(t, http.StatusOK, other.StatusCode, "another agent has its own share: %s", body(t, other))
	r.shutdown()
	open.Wait()
	close(statuses)
	for status := range statuses { // the last two share what is left, which may be too little for both
		if status == http.StatusTooManyRequests {
			refused++
		}
	}
	assert.Zero(t, r.proxy.BodyMemory(), "all of it is given back")
	r.assertSummed(a, refused, "body_memory")
}

// TestASlowBodyIsRefused has bodies stop, and trickle, that have to be read to judge their
// requests.
func TestASlowBodyIsRefused(t *testing.T) {
	t.Parallel()
	for _, http2 := range []bool{false, true} {
		for name, sent := range map[string]func(testing.TB, string) io.Reader{"stops": stops, "trickles": trickles} {
			t.Run(fmt.Sprintf("%s, http2=%v", name, http2), func(t *testing.T) {
				t.Parallel()
				r := newRig(t, func(r *rig) { r.reading = [2]time.Duration{200 * time.Millisecond, 400 * time.Millisecond} })
				r.configure(hubPolicy)
				request, err := http.NewRequest(http.MethodPost, "https://api.github.com/graphql", sent(t, `{"query":`))
				require.NoError(t, err)
				request.Header.Set("Content-Type", "application/json")
				response, err := r.client(r.agent("a"), http2).Do(request)
				// One that goes on sending over HTTP/1.1 may meet the end of its connection
				// before it has read the answer.
				if err == nil || http2 || name == "stops" {
					require.NoError(t, err)
					text := body(t, response)
					assert.Equal(t, http.StatusRequestTimeout, response.StatusCode, text)
					assert.Contains(t, text, "did not come within 200ms")
				}
				row := r.rows()[0]
				assert.Equal(t, "malformed", row.Outcome.Refusal)
				assert.Equal(t, http.StatusRequestTimeout, row.Outcome.Status)
				assert.Equal(t, "api.github.com", row.Host)
			})
		}
	}
}
