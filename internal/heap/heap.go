// Package heap paces the garbage collector for a proxy: most of what it
// allocates lives as long as one exchange, beside a small heap that lives long.
//
// The runtime's default collects whenever the heap has doubled, which for a heap
// of a few megabytes is many times a second under load. Pace lets it grow by a
// fixed headroom instead, as long as doubling would be less, and gives the
// memory back to the system once the load is over. It never holds more than
// twice the live heap plus the headroom.
package heap

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// Bounds of Pace.
const (
	interval = time.Second
	quiet    = 1 << 20 // bytes allocated in an interval that count as no load
	worth    = 4 << 20 // bytes of garbage that are worth a collection
)

// Pace adjusts the collector until ctx ends and then restores the default. There
// is one collector in a process, so run it once.
func Pace(ctx context.Context, headroom uint64) {
	defer debug.SetGCPercent(debug.SetGCPercent(percent(0, headroom)))
	debug.FreeOSMemory() // what starting has left behind
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	p := pacer{headroom: headroom, last: read()}
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			p.tick(read())
		}
	}
}

// sample is what the runtime says of the heap.
type sample struct{ live, objects, allocated uint64 }

func read() sample {
	values := []metrics.Sample{
		{Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/gc/heap/allocs:bytes"},
	}
	metrics.Read(values)
	return sample{values[0].Value.Uint64(), values[1].Value.Uint64(), values[2].Value.Uint64()}
}

type pacer struct {
	headroom uint64
	last     sample
	percent  int
	loaded   bool // there has been load since memory was last given back
}

func (p *pacer) tick(now sample) {
	if percent := percent(now.live, p.headroom); percent != p.percent {
		p.percent = percent
		debug.SetGCPercent(percent)
	}
	if now.allocated-p.last.allocated > quiet {
		p.loaded = true
	} else if p.loaded && now.objects > now.live+worth {
		p.loaded = false
		debug.FreeOSMemory()
	}
	p.last = now
}

// leastLive is what a heap is taken to be at least: the runtime's own minimum of
// 4 MiB stands for a percentage of 100.
const leastLive = 4 << 20

// percent is the growth between two collections, in percent of the live heap, in
// steps that keep it from changing at every tick.
func percent(live, headroom uint64) int {
	const least, step = 100, 25
	p := int(headroom * 100 / max(live, leastLive))
	return max(least, p/step*step)
}
