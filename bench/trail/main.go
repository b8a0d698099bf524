// Command trail fills an audit trail with millions of exchanges, the way the
// proxy fills it, and measures how long questions about them take. Run it with
// make bench-trail; docs/performance.md explains the figures. It keeps the
// trail in the folder it is given, so that it is filled once.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"text/tabwriter"
	"time"

	"sallyport/audit/trail"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	dir := flag.String("dir", ".cache/trail", "folder of the trail, filled if it has none")
	n := flag.Int("exchanges", 5_000_000, "exchanges to fill it with: an intent and an outcome each")
	only := flag.String("only", "", "measure only the questions whose name contains this")
	flag.Parse()
	if err := run(ctx, *dir, *n, *only); err != nil {
		fmt.Fprintln(os.Stderr, "bench-trail:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, dir string, n int, only string) error {
	path := filepath.Join(dir, "audit.db")
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		if err := fill(ctx, path, n); err != nil {
			return err
		}
	}
	r, err := trail.OpenReader(path)
	if err != nil {
		return err
	}
	return errors.Join(measure(ctx, r, only), r.Close())
}

// limit is the page that every question asks for.
const limit = 100

func measure(ctx context.Context, r *trail.Reader, only string) error {
	list, err := questions(ctx, r, only)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(w, "question\tfound\tfirst ms\tbest ms\tCPU ms\t")
	slow := 0
	for _, q := range list {
		took, err := ask(ctx, r, q.ask)
		if err != nil {
			return fmt.Errorf("%s: %w", q.name, err)
		}
		if took.best > 100*time.Millisecond {
			slow++
		}
		_, _ = fmt.Fprintf(w, "%s\t%d\t%.1f\t%.1f\t%.1f\t\n", q.name, took.found, ms(took.first), ms(took.best), ms(took.cpu))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Printf("%d of %d questions took more than 100 ms\n", slow, len(list))
	return nil
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// sample is how one question was answered in a few rounds.
type sample struct {
	found       int
	first, best time.Duration
	cpu         time.Duration // of the cheapest round, all threads
}

func ask(ctx context.Context, r *trail.Reader, question func(context.Context, *trail.Reader) (int, error)) (sample, error) {
	var s sample
	for round := range 4 {
		start, cpu := time.Now(), cpuTime()
		n, err := question(ctx, r)
		if err != nil {
			return s, err
		}
		wall, busy := time.Since(start), cpuTime()-cpu
		if round == 0 {
			s = sample{found: n, first: wall, best: wall, cpu: busy}
		}
		s.best, s.cpu = min(s.best, wall), min(s.cpu, busy)
	}
	return s, nil
}
