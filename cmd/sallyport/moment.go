package main

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // a container may have no time zones of its own

	"github.com/spf13/cobra"
)

// zoneOf finds the zone in which times are read and printed. Scripts get the same times on
// every machine, unless they name a zone.
func (a *app) zoneOf(name string) (*time.Location, error) {
	switch {
	case name == "" && a.json():
		return time.UTC, nil
	case name == "":
		return a.now().Location(), nil // people read their own clock
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, usagef("--tz %q is not a time zone: write it as Europe/Berlin, UTC or Local", name)
	}
	return zone, nil
}

// here is now, in the zone in which people type times.
func (a *app) here() time.Time { return a.now().In(a.zone) }

// moment is a time as people read it. JSON has all of its times in UTC.
func (a *app) moment(t time.Time) string { return t.In(a.zone).Format(time.RFC3339) }

// stamp is a time in a text that is kept, whoever reads it later.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// parseMoment reads a time as people type it. A date and a time of day without a zone are of
// the zone of now, and a duration is that long ago.
func parseMoment(flag, s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if s == "yesterday" {
		year, month, day := now.Date()
		return time.Date(year, month, day-1, 0, 0, 0, 0, now.Location()), nil
	}
	if ago, err := parseSpan(s); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly, "2006-01-02 15:04", time.DateTime} {
		if t, err := time.ParseInLocation(layout, s, now.Location()); err == nil {
			return t, nil
		}
	}
	return time.Time{}, usagef("%s %q is not a time: write 2h or 1d for that long ago, yesterday, 2026-01-31, \"2026-01-31 09:00\" or 2026-01-31T09:00:00Z", flag, s)
}

// longestDays keeps a count of days from overflowing.
const longestDays = 100_000

// parseSpan reads a duration, which may begin with days of 24 hours, as 90d or 1d12h.
func parseSpan(s string) (time.Duration, error) {
	count, rest, found := strings.Cut(s, "d")
	if !found {
		return time.ParseDuration(s)
	}
	days, err := strconv.ParseUint(count, 10, 32)
	if err != nil || days > longestDays {
		return 0, fmt.Errorf("%q is not a count of days", count)
	}
	within, err := time.ParseDuration(cmp.Or(rest, "0s"))
	if err != nil || within < 0 {
		return 0, fmt.Errorf("%q does not follow days", rest)
	}
	return time.Duration(days)*24*time.Hour + within, nil
}

// span is a flag's duration, which may be written in days.
type span time.Duration

func (s *span) String() string { return time.Duration(*s).String() }
func (*span) Type() string     { return "duration" }

func (s *span) Set(typed string) error {
	d, err := parseSpan(typed)
	*s = span(d)
	return err
}

// spanVar defines a flag with a duration, to begin with its default.
func spanVar(cmd *cobra.Command, to *time.Duration, name string, otherwise time.Duration, usage string) {
	*to = otherwise
	cmd.Flags().Var((*span)(to), name, usage)
}
