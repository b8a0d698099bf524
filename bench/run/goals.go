package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
)

const (
	reference = "goproxy-full-mtls"
	subject   = "sallyport"
)

// goal is a figure of the subject held against the reference, against another
// figure of its own, or against a number.
type goal struct {
	what         string
	mode, metric string
	against      string  // target to divide by; "" compares the plain figure
	otherMode    string  // mode of the divisor when it is not the same
	limit        float64 // the ratio or figure to reach
	atLeast      bool    // reach it from above
}

var goals = []goal{
	{what: "CPU per 1,000 requests, 16 tunnels", mode: "keepalive", metric: "cpu_ms_per_1k", against: reference, limit: 1.0},
	{what: "requests/s, 16 tunnels", mode: "keepalive", metric: "rps", against: reference, limit: 1.0, atLeast: true},
	{what: "CPU per 1,000 new connections", mode: "newconn", metric: "cpu_ms_per_1k", against: reference, limit: 1.0},
	{what: "CPU per GB, download", mode: "bulkdown", metric: "cpu_ms_per_gb", against: reference, limit: 1.05},
	{what: "CPU per GB, upload", mode: "bulkup", metric: "cpu_ms_per_gb", against: reference, limit: 1.05},
	{what: "first server-sent event", mode: "sse", metric: "ttfb_p50_ms", against: reference, limit: 1.2},
	{what: "event delay, median", mode: "sse", metric: "delay_p50_ms", against: reference, limit: 1.2},
	{what: "HTTP/2 requests/s over HTTP/1.1", mode: "h2", metric: "rps", against: subject, otherMode: "keepalive", limit: 0.75, atLeast: true},
	{what: "memory idle, MB", mode: "idle", metric: "rss_idle_mb", limit: 30},
	{what: "memory with 1,000 idle tunnels, MB", mode: "idle", metric: "rss_mb", limit: 65},
	{what: "records lost of 10,000, percent", mode: "audit", metric: "lost_pct", limit: 0},
}

// results is the part of the harness's file that the goals need.
type results struct {
	Samples []struct {
		Target string             `json:"target"`
		Mode   string             `json:"mode"`
		Round  int                `json:"round"`
		M      map[string]float64 `json:"metrics"`
		Err    string             `json:"error"`
	} `json:"samples"`
}

// figures are the values of one metric by round.
func (r *results) figures(target, mode, metric string) map[int]float64 {
	values := map[int]float64{}
	for _, s := range r.Samples {
		if v, ok := s.M[metric]; ok && s.Target == target && s.Mode == mode && s.Err == "" {
			values[s.Round] = v
		}
	}
	return values
}

// of is the goal's figure in every round, taken within the round: what the
// machine did meanwhile then falls on both sides of a ratio.
func (g goal) of(r *results) []float64 {
	ours := r.figures(subject, g.mode, g.metric)
	var values []float64
	if g.against == "" {
		for _, v := range ours {
			values = append(values, v)
		}
		return values
	}
	mode := g.mode
	if g.otherMode != "" {
		mode = g.otherMode
	}
	theirs := r.figures(g.against, mode, g.metric)
	for round, v := range ours {
		if d := theirs[round]; d > 0 {
			values = append(values, v/d)
		}
	}
	return values
}

func (g goal) met(v float64) bool {
	if g.atLeast {
		return v >= g.limit
	}
	return v <= g.limit
}

// printGoals ends the report with what was to be reached and what was.
func printGoals(w io.Writer, file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var r results
	if err := json.Unmarshal(data, &r); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	fmt.Fprintf(w, "\nGoals (ratio to %s where not said otherwise; median, lowest and highest of the rounds)\n\n", reference)
	fmt.Fprintln(w, "| figure | goal | measured | met |")
	fmt.Fprintln(w, "|---|---|---|---|")
	for _, g := range goals {
		sign := "<="
		if g.atLeast {
			sign = ">="
		}
		values := g.of(&r)
		if len(values) == 0 {
			fmt.Fprintf(w, "| %s | %s %.2f | not measured | - |\n", g.what, sign, g.limit)
			continue
		}
		slices.Sort(values)
		mid := (values[(len(values)-1)/2] + values[len(values)/2]) / 2
		met := "no"
		if g.met(mid) {
			met = "yes"
		}
		fmt.Fprintf(w, "| %s | %s %.2f | %.2f (%.2f to %.2f) | %s |\n", g.what, sign, g.limit, mid, values[0], values[len(values)-1], met)
	}
	return nil
}
