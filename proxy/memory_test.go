package proxy_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	growth = 20 << 20
	alone  = "SALLYPORT_MEMORY_TEST"
)

// bodySize is many times what may stay in memory; a size in make e2e.
func bodySize() int64 {
	if os.Getenv("E2E") == "full" {
		return 1 << 30
	}
	return 160 << 20
}

// Bodies of any size stream at constant memory. Client, proxy and upstream share
// a process here, which makes the promise harder to keep.
func TestBodiesStreamAtConstantMemory(t *testing.T) {
	if testing.Short() || raceDetector() {
		t.Skip("measures the memory of a process that nothing else is in")
	}
	size := bodySize()
	if os.Getenv(alone) == "" {
		t.Parallel()
		// Other tests would be measured too.
		command := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestBodiesStreamAtConstantMemory$", "-test.v")
		command.Env = append(os.Environ(), alone+"=1")
		out, err := command.CombinedOutput()
		require.NoError(t, err, "%s", out)
		return
	}
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("h2=%v", http2), func(t *testing.T) {
			r := newRig(t)
			r.upstream(func(w http.ResponseWriter, req *http.Request) {
				if req.Method == http.MethodGet {
					_, _ = io.CopyN(w, zeros{}, size)
					return
				}
				n, _ := io.Copy(io.Discard, req.Body)
				_, _ = fmt.Fprint(w, n)
			}, http2, "api.test")
			client := r.client(r.agent("a"), http2)
			download := func(size int64) {
				response, err := client.Get("https://api.test/down")
				require.NoError(t, err)
				n, err := io.CopyN(io.Discard, response.Body, size)
				require.NoError(t, err)
				assert.Equal(t, size, n)
				_ = response.Body.Close()
			}
			upload := func(size int64) {
				response, err := client.Post("https://api.test/up", "application/octet-stream", io.LimitReader(zeros{}, size))
				require.NoError(t, err)
				assert.Equal(t, fmt.Sprint(size), body(t, response))
			}
			download(64 << 20) // buffers and pools are there
			upload(64 << 20)
			assertFlat(t, "down", func() { download(size) })
			assertFlat(t, "up", func() { upload(size) })
		})
	}
}

// raceDetector reports whether it is at work: everything takes ten times as long
// and much more memory then.
func raceDetector() bool {
	info, found := debug.ReadBuildInfo()
	return found && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// zeros are read without an end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// assertFlat holds the growth of the process's memory while something runs.
func assertFlat(t *testing.T, name string, do func()) {
	runtime.GC()
	debug.FreeOSMemory()
	before := resident(t)
	if runtime.GOOS == "linux" {
		_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) // forgets the peak so far
	}
	do()
	assert.Less(t, peak(t)-before, int64(growth), name)
}

func resident(t *testing.T) int64 { return memory(t, "VmRSS:") }

func peak(t *testing.T) int64 { return memory(t, "VmHWM:") }

// memory reads /proc/self/status; elsewhere what the runtime has from the system
// must do.
func memory(t *testing.T, field string) int64 {
	if runtime.GOOS != "linux" {
		sample := []metrics.Sample{{Name: "/memory/classes/total:bytes"}}
		metrics.Read(sample)
		return int64(sample[0].Value.Uint64())
	}
	text, err := os.ReadFile("/proc/self/status")
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		if value, found := strings.CutPrefix(line, field); found {
			var kilobytes int64
			_, err := fmt.Sscan(value, &kilobytes)
			require.NoError(t, err)
			return kilobytes << 10
		}
	}
	t.Fatalf("/proc/self/status has no %s", field)
	return 0
}
