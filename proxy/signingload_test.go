package proxy_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
	"sallyport/audit/trail"
	"sallyport/test/s3sink"
)

// TestS3AndOthersAreSignedAtOnce: one credential signs for services whose rules differ, in
// every mode, for several agents at the same time.
func TestS3AndOthersAreSignedAtOnce(t *testing.T) {
	t.Parallel()
	r, sink := signingRig(t, []string{"h2", "http/1.1"})
	const rounds = 12
	var all sync.WaitGroup
	for n := range 4 {
		client := r.client(r.agent(fmt.Sprint("agent-", n)), n%2 == 0)
		for m := range modes {
			all.Go(func() {
				for round := range rounds {
					data := bytes.Repeat([]byte{byte(n), byte(m), byte(round)}, 20_000)
					answer, err := client.Do(modes[m].request(t, data))
					if !assert.NoError(t, err) {
						return
					}
					assert.Equal(t, hashed(data), answer.Header.Get("Etag"), "%s: %s", modes[m].name, body(t, answer))
				}
			})
		}
	}
	all.Wait()
	assert.Len(t, sink.Seen(), 4*len(modes)*rounds)
}

// endless is a body that is made as it is read: size bytes of data, in chunks if they are
// to have signatures.
func endless(size int64, signed bool, trailer string) io.Reader {
	const chunk = 64 << 10
	if trailer == "" && !signed {
		return io.LimitReader(blank{}, size)
	}
	signature := ""
	if signed {
		signature = ";chunk-signature=" + strings.Repeat("0", 64)
	}
	data := string(make([]byte, chunk))
	whole := fmt.Sprintf("%x%s\r\n%s\r\n", chunk, signature, data)
	pieces := []io.Reader{&repeated{text: whole, left: size / chunk}}
	if rest := size % chunk; rest > 0 {
		pieces = append(pieces, strings.NewReader(fmt.Sprintf("%x%s\r\n%s\r\n", rest, signature, data[:rest])))
	}
	return io.MultiReader(append(pieces, strings.NewReader("0"+signature+"\r\n"+trailer+"\r\n"))...)
}

// repeated is a text, as often as is left.
type repeated struct {
	text string
	left int64
	at   int
}

func (r *repeated) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.text[r.at:])
	if r.at += n; r.at == len(r.text) {
		r.at, r.left = 0, r.left-1
	}
	return n, nil
}

// uploads are the ways in which large bodies are signed.
var uploads = map[string]func(size int64) (io.Reader, []string){
	"unsigned": func(size int64) (io.Reader, []string) {
		return endless(size, false, ""), []string{"X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD"}
	},
	"stated hash": func(size int64) (io.Reader, []string) {
		return endless(size, false, ""), []string{"X-Amz-Content-Sha256", zerosHash(size)}
	},
	"unsigned trailer": func(size int64) (io.Reader, []string) {
		return endless(size, false, "x-amz-checksum-sha1:unverified\r\n"), []string{
			"X-Amz-Content-Sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "X-Amz-Trailer", "x-amz-checksum-sha1", "X-Amz-Decoded-Content-Length", strconv.FormatInt(size, 10),
		}
	},
	"signed chunks": func(size int64) (io.Reader, []string) {
		return endless(size, true, ""), []string{"X-Amz-Content-Sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "X-Amz-Decoded-Content-Length", strconv.FormatInt(size, 10)}
	},
	"signed chunks and trailer": func(size int64) (io.Reader, []string) {
		return endless(size, true, "x-amz-checksum-sha1:unverified\r\nx-amz-trailer-signature:"+strings.Repeat("0", 64)+"\r\n"), []string{
			"X-Amz-Content-Sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", "X-Amz-Trailer", "x-amz-checksum-sha1", "X-Amz-Decoded-Content-Length", strconv.FormatInt(size, 10),
		}
	},
}

// blank is zero bytes without an end, really written.
type blank struct{}

func (blank) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func zerosHash(size int64) string {
	sum := sha256.New()
	_, _ = io.CopyN(sum, blank{}, size)
	return hex.EncodeToString(sum.Sum(nil))
}

// signedSize is BODY_SIZE, in bytes, or that of the other test of memory, or less.
func signedSize(t *testing.T) int64 {
	t.Helper()
	text := os.Getenv("BODY_SIZE")
	if text == "" {
		return bodySize() / 4
	}
	size, err := strconv.ParseInt(text, 10, 64)
	require.NoError(t, err)
	return size
}

// TestBodiesStreamSigned: uploads are signed at constant memory in every mode, whole and
// in parts side by side. Agent, proxy and upstream share the process.
func TestBodiesStreamSigned(t *testing.T) {
	if testing.Short() || raceDetector() {
		t.Skip("measures the memory of a process that nothing else is in")
	}
	if os.Getenv(alone) == "" {
		t.Parallel()
		command := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestBodiesStreamSigned$", "-test.v", "-test.timeout=60m")
		command.Env = append(os.Environ(), alone+"=1")
		out, err := command.CombinedOutput()
		require.NoError(t, err, "%s", out)
		t.Logf("%s", out)
		return
	}
	size := signedSize(t)
	r, _ := signingRig(t, []string{"http/1.1"})
	client := r.client(r.agent("uploader"), false)
	for name, upload := range uploads {
		put := func(key string, size int64) {
			for {
				from, headers := upload(size)
				answer, err := client.Do(signed(t, http.MethodPut, "https://"+storeHost+"/"+key, "s3", from, headers...))
				if !assert.NoError(t, err) {
					return
				}
				text := body(t, answer)
				if answer.StatusCode == http.StatusServiceUnavailable {
					continue // the trail's disk is slow, and a client would try again
				}
				assert.Equal(t, http.StatusOK, answer.StatusCode, text)
				return
			}
		}
		put("warm", 32<<20)
		assertFlat(t, name, func() { put("whole", size) })
		t.Log(name, size, "bytes, peak of the process in bytes:", peak(t))
		if size < 1<<28 && name != "signed chunks" {
			continue // enough for every day
		}
		assertFlat(t, name+", in parts", func() {
			const part, hands = 16 << 20, 4
			var all sync.WaitGroup
			for hand := range int64(hands) {
				all.Go(func() {
					for n := hand; n*part < size; n += hands {
						put(fmt.Sprintf("parts?partNumber=%d&uploadId=x", n+1), min(part, size-n*part))
					}
				})
			}
			all.Wait()
		})
	}
}

// TestAServersClockIsLearntFromItsRefusal: the first request is refused for its date, and
// the next is dated as the server wants it.
func TestAServersClockIsLearntFromItsRefusal(t *testing.T) {
	t.Parallel()
	r, _ := signingRig(t, []string{"http/1.1"})
	ahead := func() time.Time { return time.Now().Add(time.Hour) }
	sink := &s3sink.Sink{AccessKeyID: "AKIAREAL", Secret: realSecret, Token: realToken, Now: ahead}
	r.upstream(func(w http.ResponseWriter, q *http.Request) {
		w.Header().Set("Date", ahead().UTC().Format(http.TimeFormat))
		sink.ServeHTTP(w, q)
	}, false, storeHost)
	client := r.client(r.agent("uploader"), false)
	for _, want := range []int{http.StatusForbidden, http.StatusOK} {
		answer, err := client.Do(signed(t, http.MethodPut, "https://"+storeHost+"/key", "s3", strings.NewReader("data"), "X-Amz-Content-Sha256", hashed([]byte("data"))))
		require.NoError(t, err)
		assert.Equal(t, want, answer.StatusCode, body(t, answer))
	}
	assert.Contains(t, r.log.String(), "clock differs")
}

// TestASignedUploadIsSentOnce: what broke off after a byte of its body has left is not
// sent again, on a fresh connection or one that was kept.
func TestASignedUploadIsSentOnce(t *testing.T) {
	t.Parallel()
	for _, http2 := range []bool{false, true} {
		r, _ := signingRig(t, []string{"http/1.1"})
		var asked atomic.Int64
		r.upstream(func(w http.ResponseWriter, q *http.Request) {
			if q.Method == http.MethodGet {
				return
			}
			asked.Add(1)
			_, _ = io.ReadFull(q.Body, make([]byte, 10))
			panic(http.ErrAbortHandler)
		}, false, storeHost)
		client := r.client(r.agent("uploader"), http2)
		for n := range int64(3) {
			answer, err := client.Do(signed(t, http.MethodGet, "https://"+storeHost+"/", "s3", http.NoBody, "X-Amz-Content-Sha256", hashed(nil)))
			require.NoError(t, err)
			_ = body(t, answer)
			data := bytes.Repeat([]byte("x"), 300_000)
			answer, err = client.Do(signed(t, http.MethodPut, "https://"+storeHost+"/key", "s3", bytes.NewReader(data), "X-Amz-Content-Sha256", hashed(data)))
			require.NoError(t, err)
			assert.Equal(t, http.StatusBadGateway, answer.StatusCode, body(t, answer))
			assert.Equal(t, n+1, asked.Load())
		}
	}
}

// TestUploadsThatStopLeaveRoomForOthers: what one agent announces and does not send takes no
// room from the bodies that are read ahead for another.
func TestUploadsThatStopLeaveRoomForOthers(t *testing.T) {
	t.Parallel()
	r, _ := signingRig(t, []string{"http/1.1"})
	upload := func(a agent, body io.Reader, announced int64) (*http.Response, error) {
		q := signed(t, http.MethodPost, "https://"+dynamoHost+"/", "dynamodb", body)
		q.ContentLength = announced
		return r.client(a, true).Do(q)
	}
	greedy, other := r.agent("greedy"), r.agent("other")
	var open sync.WaitGroup
	const many = 16
	for range many {
		open.Go(func() {
			if answer, err := upload(greedy, stops(t, strings.Repeat("x", 1100<<10)), 128<<20); err == nil {
				_ = answer.Body.Close()
			}
		})
	}
	reader, err := trail.OpenReader(r.trailPath)
	require.NoError(t, err)
	defer reader.Close()
	require.Eventually(t, func() bool {
		rows, err := reader.List(t.Context(), audit.Filter{AgentName: "greedy"})
		require.NoError(t, err)
		return len(rows) == many
	}, within, 5*time.Millisecond)
	const size = 3 << 20
	answer, err := upload(other, io.LimitReader(blank{}, size), size)
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, answer.StatusCode, body(t, answer))
	r.shutdown()
	open.Wait()
	assert.Zero(t, r.proxy.BodyMemory())
}
