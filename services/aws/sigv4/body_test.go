package sigv4_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/services/aws/sigv4"
)

func hashOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// put signs an upload of body with the word or hash given.
func put(t testing.TB, word string, body io.Reader, headers ...string) (*http.Request, error) {
	t.Helper()
	r := request(t, http.MethodPut, s3Host+"/key", body, append(headers, "X-Amz-Content-Sha256", word)...)
	placeholder(r, "s3", "eu-west-1", stamp)
	err := resign(awsSigner(t), r)
	return r, err
}

// readers are the ways in which a body may arrive.
var readers = map[string]func(io.Reader) io.Reader{
	"whole": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader, "halves": iotest.HalfReader, "with the end": iotest.DataErrReader,
}

func TestStatedHashIsVerifiedBeforeTheLastByte(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1, 2, 3, 511, 512, 513, 100_000} {
		body := bytes.Repeat([]byte("b"), size)
		for in, reader := range readers {
			for out, drain := range readers {
				r, err := put(t, hashOf(body), reader(bytes.NewReader(body)))
				require.NoError(t, err)
				got, err := io.ReadAll(drain(r.Body))
				require.NoError(t, err, "%d %s %s", size, in, out)
				require.Equal(t, body, got)

				r, err = put(t, hashOf([]byte("another")), reader(bytes.NewReader(body)))
				require.NoError(t, err)
				got, err = io.ReadAll(drain(r.Body))
				requireRefusal(t, sigv4.BodyMismatch, err)
				require.Equal(t, body[:size-1], got, "the last byte is held back")
				_, err = r.Body.Read(make([]byte, 1))
				requireRefusal(t, sigv4.BodyMismatch, err)
			}
		}
	}
	cause := errors.New("cut")
	r, err := put(t, hashOf([]byte("xyz")), io.MultiReader(strings.NewReader("xyz"), iotest.ErrReader(cause)))
	require.NoError(t, err)
	got, err := io.ReadAll(r.Body)
	require.ErrorIs(t, err, cause)
	assert.Equal(t, "xy", string(got))

	r, err = put(t, strings.ToUpper(hashOf([]byte("xyz"))), strings.NewReader("xyz"))
	require.NoError(t, err)
	assert.Equal(t, hashOf([]byte("xyz")), r.Header.Get("X-Amz-Content-Sha256"))
	r, err = put(t, hashOf([]byte("xyz")), io.NopCloser(strings.NewReader("")))
	require.NoError(t, err)
	_, err = io.ReadAll(r.Body)
	requireRefusal(t, sigv4.BodyMismatch, err)
}

func TestUnsignedBodiesPassByteForByte(t *testing.T) {
	t.Parallel()
	body := "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n"
	for _, word := range []string{"UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"} {
		source := strings.NewReader(body)
		r, err := put(t, word, source, "X-Amz-Trailer", "x-amz-checksum-crc32", "Content-Encoding", "aws-chunked")
		require.NoError(t, err)
		assert.Equal(t, word, r.Header.Get("X-Amz-Content-Sha256"))
		assert.Contains(t, r.Header.Get("Authorization"), ";x-amz-trailer,")
		got, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		assert.Equal(t, body, string(got))
		assert.EqualValues(t, len(body), r.ContentLength)
	}
}

// verifyChunks checks a body of signed chunks from the text of AWS's specification
// alone, and returns what it decodes to.
func verifyChunks(t testing.TB, r *http.Request, body string, keys [2]string, trailers bool) string {
	t.Helper()
	sum := func(key []byte, text string) []byte {
		m := hmac.New(sha256.New, key)
		m.Write([]byte(text))
		return m.Sum(nil)
	}
	scope := strings.Split(strings.Split(strings.Split(r.Header.Get("Authorization"), "Credential=")[1], ",")[0], "/")
	require.Equal(t, keys[0], scope[0])
	key := []byte("AWS4" + keys[1])
	for _, part := range scope[1:] {
		key = sum(key, part)
	}
	previous := signatureOf(r)
	prefix := "\n" + r.Header.Get("X-Amz-Date") + "\n" + strings.Join(scope[1:], "/") + "\n"
	decoded := ""
	for {
		line, rest, ok := strings.Cut(body, "\r\n")
		require.True(t, ok)
		size, given, ok := strings.Cut(line, ";chunk-signature=")
		require.True(t, ok)
		n, err := strconv.ParseInt(size, 16, 64)
		require.NoError(t, err)
		previous = hex.EncodeToString(sum(key, "AWS4-HMAC-SHA256-PAYLOAD"+prefix+previous+"\n"+emptyHash+"\n"+hashOf([]byte(rest[:n]))))
		require.Equal(t, previous, given)
		decoded, body = decoded+rest[:n], rest[n:]
		if n == 0 {
			break
		}
		require.True(t, strings.HasPrefix(body, "\r\n"))
		body = body[2:]
	}
	if !trailers {
		require.Equal(t, "\r\n", body)
		return decoded
	}
	lines := strings.FieldsFunc(body, func(r rune) bool { return r == '\r' || r == '\n' })
	canonical := strings.Join(lines[:len(lines)-1], "\n") + "\n"
	want := hex.EncodeToString(sum(key, "AWS4-HMAC-SHA256-TRAILER"+prefix+previous+"\n"+hashOf([]byte(canonical))))
	require.Equal(t, "x-amz-trailer-signature:"+want, lines[len(lines)-1])
	return decoded
}

func TestSignedChunksAreSignedAnew(t *testing.T) {
	t.Parallel()
	keys := [2]string{"ASIAREAL", "real-secret"}
	data := bytes.Repeat([]byte("0123456789abcdef"), 40_000)
	trailer := "x-amz-checksum-crc32:AAAAAA==\r\nx-amz-trailer-signature:" + strings.Repeat("c", 64) + "\r\n\r\n"
	for _, cut := range [][]int{{}, {1}, {65536}, {65536, 131072}, {640_000}, {0x10000, 0x10001, 0x90000}} {
		var chunks [][]byte
		from := 0
		for _, to := range append(cut, len(data)) {
			if to > from {
				chunks = append(chunks, data[from:to])
			}
			from = to
		}
		for name, reader := range readers {
			for word, tail := range map[string]string{"STREAMING-AWS4-HMAC-SHA256-PAYLOAD": "", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER": trailer} {
				body := framed(tail, chunks...)
				headers := []string{"X-Amz-Decoded-Content-Length", strconv.Itoa(len(data))}
				if tail != "" {
					headers = append(headers, "X-Amz-Trailer", "x-amz-checksum-crc32")
				}
				r, err := put(t, word, reader(strings.NewReader(body)), headers...)
				require.NoError(t, err)
				got, err := io.ReadAll(r.Body)
				require.NoError(t, err, name)
				require.Len(t, got, len(body), "the length is kept")
				require.Equal(t, string(data), verifyChunks(t, r, string(got), keys, tail != ""))
				require.NotContains(t, string(got), strings.Repeat("a", 64)+"\r")
			}
		}
	}
}

func TestMalformedChunksEndBeforeTheLast(t *testing.T) {
	t.Parallel()
	const plain, trailing = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
	good := framed("", []byte("hello"))
	sig := strings.Repeat("c", 64)
	cases := []struct {
		name, word, body, length string
		want                     sigv4.Reason
	}{
		{"cut in the signature", plain, good[:20], "5", sigv4.BodyIncomplete},
		{"cut in the data", plain, good[:86], "5", sigv4.BodyIncomplete},
		{"no last chunk", plain, good[:strings.Index(good, "\r\n0;")+2], "5", sigv4.BodyIncomplete},
		{"no end", plain, strings.TrimSuffix(good, "\r\n"), "5", sigv4.BodyMalformed},
		{"more behind the end", plain, good + "x", "5", sigv4.BodyMalformed},
		{"data too long", plain, strings.Replace(good, "hello", "hello!", 1), "5", sigv4.BodyMalformed},
		{"plain body", plain, strings.Repeat("x", 500), "500", sigv4.BodyMalformed},
		{"http chunks", plain, "5\r\nhello\r\n0\r\n\r\n", "5", sigv4.BodyMalformed},
		{"negative", plain, "-" + good, "5", sigv4.BodyMalformed},
		{"signed size", plain, "+" + good, "5", sigv4.BodyMalformed},
		{"huge", plain, "ffffffff" + good, "5", sigv4.BodyTooLarge},
		{"overflow", plain, "fffffffffffffff" + good, "5", sigv4.BodyTooLarge},
		{"more than stated", plain, good, "4", sigv4.BodyIncomplete},
		{"less than stated", plain, good, "6", sigv4.BodyIncomplete},
		{"upper-case signature", plain, strings.ReplaceAll(good, "a", "A"), "5", sigv4.BodyMalformed},
		{"no trailer", trailing, good, "5", sigv4.BadTrailer},
		{"no signature", trailing, framed("x-amz-checksum-crc32:A\r\n\r\n", []byte("hello")), "5", sigv4.BadTrailer},
		{"another trailer", trailing, framed("x-evil:A\r\nx-amz-trailer-signature:"+sig+"\r\n\r\n", []byte("hello")), "5", sigv4.BadTrailer},
		{"more trailers", trailing, framed("x-amz-checksum-crc32:A\r\nx-amz-checksum-crc32:B\r\nx-amz-trailer-signature:"+sig+"\r\n\r\n", []byte("hello")), "5", sigv4.BadTrailer},
		{"behind the signature", trailing, framed("x-amz-trailer-signature:"+sig+"\r\nx-amz-checksum-crc32:A\r\n\r\n", []byte("hello")), "5", sigv4.BadTrailer},
		{"large trailer", trailing, framed("x-amz-checksum-crc32:"+strings.Repeat("A", 9000)+"\r\nx-amz-trailer-signature:"+sig+"\r\n\r\n", []byte("hello")), "5", sigv4.BadTrailer},
	}
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r, err := put(t, test.word, strings.NewReader(test.body), "X-Amz-Decoded-Content-Length", test.length, "X-Amz-Trailer", "x-amz-checksum-crc32")
			require.NoError(t, err)
			got, err := io.ReadAll(r.Body)
			requireRefusal(t, test.want, err)
			assert.NotContains(t, string(got), "\r\n0;", "no last chunk, so nobody takes it for complete")
		})
	}
	_, err := put(t, plain, strings.NewReader(good))
	requireRefusal(t, sigv4.BodyMalformed, err)
	_, err = put(t, plain, http.NoBody, "X-Amz-Decoded-Content-Length", "0")
	requireRefusal(t, sigv4.BodyMalformed, err)
}

// zeros is a body of n bytes that takes no memory.
func zeros(n int64) io.Reader { return io.LimitReader(zero{}, n) }

type zero struct{}

func (zero) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// TestMemoryIsBounded streams 64 MiB in each mode and counts what is allocated.
func TestMemoryIsBounded(t *testing.T) {
	const size, chunk = 64 << 20, 1 << 20
	hash := sha256.New()
	_, err := io.Copy(hash, zeros(size))
	require.NoError(t, err)
	frame := fmt.Sprintf("%x;chunk-signature=%s\r\n", chunk, strings.Repeat("a", 64))
	var parts []io.Reader
	for range size / chunk {
		parts = append(parts, strings.NewReader(frame), zeros(chunk), strings.NewReader("\r\n"))
	}
	parts = append(parts, strings.NewReader(framed("")))
	for name, body := range map[string]io.Reader{
		hex.EncodeToString(hash.Sum(nil)):    zeros(size),
		"UNSIGNED-PAYLOAD":                   zeros(size),
		"STREAMING-UNSIGNED-PAYLOAD-TRAILER": zeros(size),
		"STREAMING-AWS4-HMAC-SHA256-PAYLOAD": io.MultiReader(parts...),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r, err := put(t, name, body, "X-Amz-Decoded-Content-Length", strconv.Itoa(size))
		require.NoError(t, err)
		n, err := io.Copy(io.Discard, r.Body)
		require.NoError(t, err)
		runtime.ReadMemStats(&after)
		assert.GreaterOrEqual(t, n, int64(size))
		assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(8<<20), name)
	}
}
