package probe

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"
)

// wait is how long each try may take.
const wait = 3 * time.Second

// Try is one way out that was tried.
type Try struct {
	What   string `json:"what"`   // tcp, udp, quic, dns, metadata, unix, raw …
	Target string `json:"target"` // what it was to reach
	Hole   bool   `json:"hole"`
	Result string `json:"result"` // what came of it
}

// Report is what came of all.
type Report struct {
	Confined bool  `json:"confined"` // no try got out
	Tried    []Try `json:"tried"`
	Holes    []Try `json:"holes"`
}

// Config says what is tried beside what always is.
type Config struct {
	Targets []string // host:port that must not be reached, and would answer if it were
	Secrets []string // files that must not be read
	Near    bool     // nothing is tried that is further away than this machine
}

// Run tries everything, at most for some seconds.
func Run(ctx context.Context, c Config) Report {
	tries := inherited() // before anything of our own is open
	var all sync.WaitGroup
	var mu sync.Mutex
	try := func(what, target string, f func(context.Context, string) (hole bool, result string)) {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, wait)
			defer cancel()
			hole, result := f(ctx, target)
			mu.Lock()
			defer mu.Unlock()
			tries = append(tries, Try{what, target, hole, result})
		})
	}
	for _, target := range c.Targets {
		try("tcp", target, connects)
	}
	for _, path := range unixSockets() {
		try("unix", path, answersUnix)
	}
	if !c.Near {
		far(try)
	}
	for _, path := range c.Secrets {
		try("file", path, readable)
	}
	all.Wait()
	return report(tries)
}

// far tries what is not on this machine.
func far(try func(what, target string, f func(context.Context, string) (bool, string))) {
	for _, target := range append(gateways(), publicTCP...) {
		try("tcp", target, connects)
	}
	for _, target := range resolvers {
		try("udp", target, answersNames)
	}
	for _, target := range quicServers {
		try("quic", target, speaksQUIC)
	}
	for _, target := range metadataServices {
		try("metadata", target, tellsMetadata)
	}
	try("dns", "the system's resolver", asksOutside)
	for name, f := range rawSockets() {
		try("raw", name, f)
	}
}

func report(tries []Try) Report {
	slices.SortFunc(tries, func(a, b Try) int {
		return strings.Compare(a.What+"\x00"+a.Target, b.What+"\x00"+b.Target)
	})
	r := Report{Tried: tries, Holes: []Try{}}
	for _, t := range tries {
		if t.Hole {
			r.Holes = append(r.Holes, t)
		}
	}
	r.Confined = len(r.Holes) == 0
	return r
}
