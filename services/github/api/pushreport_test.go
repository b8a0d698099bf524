package api_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	github "sallyport/services/github/api"
)

// banded is a report as it is multiplexed, with something for people between its parts.
func banded(report string, size int) string {
	var b strings.Builder
	for len(report) > 0 {
		part := report[:min(size, len(report))]
		report = report[len(part):]
		b.WriteString(pkt("\x02remote: resolving\n") + "0004" + pkt("\x01"+part))
	}
	return b.String() + "0000"
}

func TestReadReport(t *testing.T) {
	t.Parallel()
	const ng = "ng refs/heads/b protected branch hook declined\n"
	for name, c := range map[string]struct {
		report   string
		whole    bool
		rejected []int
		reasons  []string
	}{
		"all taken":       {pkt("unpack ok\n") + pkt("ok refs/heads/a\n") + pkt("ok refs/heads/b\n") + pkt("ok refs/heads/c\n") + "0000", true, nil, nil},
		"one of them":     {pkt("unpack ok\n") + pkt("ok refs/heads/a\n") + pkt(ng) + pkt("ok refs/heads/c\n") + "0000", true, []int{1}, []string{"protected branch hook declined"}},
		"another order":   {pkt("unpack ok\n") + pkt("ok refs/heads/c\n") + pkt(ng) + pkt("ok refs/heads/a\n") + "0000", true, []int{1}, []string{"protected branch hook declined"}},
		"with options":    {pkt("unpack ok\n") + pkt("ok refs/heads/a\n") + pkt("option refname refs/heads/b\n") + pkt("option forced-update\n") + pkt(ng) + pkt("ok refs/heads/c") + "0000", true, []int{1}, []string{"protected branch hook declined"}},
		"no pack":         {pkt("unpack index-pack abnormal exit\n") + pkt("ng refs/heads/a unpacker error\n") + "0000", true, []int{0, 1, 2}, []string{"unpacker error", "the pack was not taken: index-pack abnormal exit", "the pack was not taken: index-pack abnormal exit"}},
		"taken, then not": {pkt("unpack ok\n") + pkt("ok refs/heads/b\n") + pkt(ng) + "0000", true, []int{1}, []string{"protected branch hook declined"}},
		"not, then taken": {pkt("unpack ok\n") + pkt(ng) + pkt("ok refs/heads/b\n") + "0000", true, []int{1}, []string{"protected branch hook declined"}},
		"of other refs":   {pkt("unpack ok\n") + pkt("ng refs/heads/z no\n") + "0000", true, nil, nil},
		"cut short":       {pkt("unpack ok\n") + pkt(ng), false, []int{1}, []string{"protected branch hook declined"}},
		"nothing":         {"", false, nil, nil},
		"something else":  {"<html>", false, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for capability, form := range map[string]func(string) string{
				"report-status":                  func(s string) string { return s },
				"report-status-v2 side-band-64k": func(s string) string { return banded(s, 1000) },
				"report-status side-band":        func(s string) string { return banded(s, 7) },
			} {
				p, err := github.ReadPush(strings.NewReader(pushBody(capability, change("refs/heads/a"), change("refs/heads/b"), change("refs/heads/c"))+"PACK"), "", nil)
				require.NoError(t, err)
				answer := form(c.report)
				for _, encoding := range []string{"", "gzip"} {
					if encoding == "gzip" {
						answer = zipped(t, answer)
					}
					for _, piece := range []int{1, 5, 1 << 20} {
						r := p.ReadReport(encoding)
						for rest := answer; rest != ""; rest = rest[min(piece, len(rest)):] {
							n, err := r.Write([]byte(rest[:min(piece, len(rest))]))
							require.NoError(t, err)
							require.Equal(t, min(piece, len(rest)), n)
						}
						got := r.Close()
						assert.Equal(t, c.whole, got.Whole, "%s %s", capability, encoding)
						assert.Equal(t, c.rejected, got.Rejected)
						assert.Equal(t, c.reasons, got.Reasons)
					}
				}
			}
		})
	}
}

// A report of more refs than are kept with a reason, by a server that goes on for ever.
func TestReadReportIsBounded(t *testing.T) {
	t.Parallel()
	commands := make([]string, 3000)
	report := pkt("unpack ok\n")
	for i := range commands {
		ref := fmt.Sprintf("refs/heads/%d", i)
		commands[i] = change(ref)
		report += pkt("ng " + ref + " " + strings.Repeat("x", 1000) + "\n")
	}
	p, err := github.ReadPush(strings.NewReader(pushBody("report-status", commands...)+"PACK"), "", nil)
	require.NoError(t, err)
	r := p.ReadReport("")
	_, err = r.Write([]byte(report + "0000"))
	require.NoError(t, err)
	for range 100 {
		_, err = r.Write(make([]byte, 1<<20))
		require.NoError(t, err)
	}
	got := r.Close()
	assert.True(t, got.Whole)
	assert.Len(t, got.Rejected, len(commands))
	assert.Len(t, got.Reasons, 100)
	assert.Len(t, got.Reasons[0], 200)
}
